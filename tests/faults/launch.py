"""Serves the platform for a fault test, with a hook the product does not have: it ends itself at a chosen commit.

`python -m tests.faults.launch` reads the usual KIUNGO_... settings. KIUNGO_TEST_KILL_AT=N makes SIGUSR1 arm the hook:
the process then ends, as by `kill -9`, at the Nth commit point after the signal ("before" and "after" each count).
"""

import asyncio
import os
import signal
import sys
from types import FrameType

from kiungo.app.server import listen, serve
from kiungo.app.system import open_system
from kiungo.kernel.config import load_settings
from kiungo.kernel.telemetry import configure_logging


class Killer:
    """Counts commit points once armed, and ends the process at the chosen one."""

    def __init__(self, at: int) -> None:
        self._left = at
        self._armed = False

    def arm(self, _signal: int, _frame: FrameType | None) -> None:
        self._armed = True
        say("ARMED")

    def observe(self, _moment: str) -> None:
        if self._armed:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def say(line: str) -> None:
    """Tell the test."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    listening = listen(settings.host, settings.port)
    system = open_system(settings)
    killer = Killer(int(os.environ.get("KIUNGO_TEST_KILL_AT", "0")))
    system.database.observer = killer.observe

    def ready() -> None:
        signal.signal(signal.SIGUSR1, killer.arm)
        say(f"READY {listening.port}")

    try:
        asyncio.run(serve(system.site, settings, listening, ready=ready))
    finally:
        system.close()


if __name__ == "__main__":
    main()
