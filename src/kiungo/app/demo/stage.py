"""The stage of a story: the whole platform in a temporary folder, served over real HTTP in a thread."""

import asyncio
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from kiungo.app.registry import ConnectorSettings, FollowSettings
from kiungo.app.sample_data import HOSPITAL, key_texts, load_sample_data
from kiungo.app.sandbox import Sandbox
from kiungo.app.server import Listening, listen, own_url, serve
from kiungo.app.system import System, open_system
from kiungo.base.errors import Unavailable, define
from kiungo.kernel.config import load_settings
from kiungo.kernel.telemetry import configure_logging

DEMO_DID_NOT_START = define("DEMO_DID_NOT_START", Unavailable, "The demo's server did not start.")

START_S_MAX = 60.0
FOLLOW = FollowSettings(interval_s=1.0, tick_s=0.5)


@dataclass(frozen=True, slots=True)
class Stage:
    """A running platform: its address, a key for each role, and the simulated systems around it."""

    url: str
    keys: Mapping[str, str]
    system: System
    sandbox: Sandbox


def same(connected: ConnectorSettings) -> ConnectorSettings:
    """The simulators' settings as they are."""
    return connected


@contextmanager
def stage(
    *, prepare: Callable[[System], None] | None = None, choose: Callable[[ConnectorSettings], ConnectorSettings] = same
) -> Iterator[Stage]:
    """Set up, serve, and clear away without a trace.

    `prepare` may change the sample data before it begins, `choose` the settings of what is connected.
    """
    with tempfile.TemporaryDirectory(prefix="kiungo-demo-") as folder:
        listening = listen("127.0.0.1", 0)
        settings = load_settings(
            mode="demo",
            host="127.0.0.1",
            port=listening.port,
            database_url=f"sqlite:///{Path(folder) / 'kiungo.db'}",
            data_dir=Path(folder),
            log_level="error",
            audit_seal_interval_s=0.5,
        )
        configure_logging(settings.log_level, settings.log_format)
        sandbox = Sandbox(0)
        try:
            twins = sandbox.settings(own_url(settings), key_texts(settings)[HOSPITAL], follow=FOLLOW)
            system = open_system(settings, choose(twins))
            try:
                keys = load_sample_data(system)
                if prepare is not None:
                    prepare(system)
                with _served(system, listening):
                    yield Stage(listening.url, keys, system, sandbox)
            finally:
                system.close()
        finally:
            sandbox.close()


@contextmanager
def _served(system: System, listening: Listening) -> Iterator[None]:
    ready = threading.Event()
    stopping: list[Callable[[], None]] = []

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stop_soon() -> None:
            loop.call_soon_threadsafe(stop.set)

        stopping.append(stop_soon)
        await serve(system.site, system.settings, listening, ready=ready.set, stop=stop)

    thread = threading.Thread(target=lambda: uvloop.run(run()), name="demo-server", daemon=True)
    thread.start()
    if not ready.wait(START_S_MAX):
        raise Unavailable(DEMO_DID_NOT_START, "The demo's server did not start", hint="Run `kiungo dev` to see why")
    try:
        yield
    finally:
        stopping[0]()
        thread.join(START_S_MAX)
