"""Where simulated outside systems (twins) live: seeded faults, real HTTP on loopback, or stepped in the calling thread.

A twin is a state machine with a clock: it answers requests (`handle`) and has messages that fall due (`take_due`).
`serve` puts it on a port, where connectors cannot tell it from the real one; `SteppedTransport` calls it directly, so
that a simulation is one thread and replays exactly.
"""

from kiungo.kernel.sandbox.faults import Faults
from kiungo.kernel.sandbox.serving import Served, serve
from kiungo.kernel.sandbox.stepped import SteppedTransport
from kiungo.kernel.sandbox.twin import Callback, NoAnswer, Twin, TwinRequest, TwinResponse

__all__ = [
    "Callback",
    "Faults",
    "NoAnswer",
    "Served",
    "SteppedTransport",
    "Twin",
    "TwinRequest",
    "TwinResponse",
    "serve",
]
