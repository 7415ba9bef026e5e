"""`kiungo serve`, `worker`: the platform as a process."""

import asyncio
import signal
from typing import Annotated, Any

import typer
import uvloop

from kiungo.app.cli.output import EXIT_AWAY, console, fail, readable_errors
from kiungo.app.server import Listening, listen, serve
from kiungo.app.system import System, open_system
from kiungo.app.warmth import warm_up
from kiungo.kernel.config import Settings, load_settings
from kiungo.kernel.telemetry import configure_logging


def serve_command(
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Another port than KIUNGO_PORT.")] = None,
    host: Annotated[str | None, typer.Option(help="Another address than KIUNGO_HOST.")] = None,
) -> None:
    """Serve, secure by default: needs its keys, accepts nothing without a credential, has no sample data."""
    with readable_errors():
        settings, listening = take_port("serve", host, port)
        system = open_system(settings)
    run(system, listening, lambda: console.print(f"Kiungo serves {listening.url}", markup=False))


def worker() -> None:
    """Run jobs and deliveries apart from the serving process; for PostgreSQL, as many as wanted."""
    with readable_errors():
        settings = load_settings(mode="serve")
        if settings.database_url.startswith("sqlite:"):
            fail(
                "a worker of its own needs PostgreSQL",
                hint="On SQLite the serving process runs the jobs; set KIUNGO_DATABASE_URL=postgresql://...",
            )
        configure_logging(settings.log_level, settings.log_format)
        system = open_system(settings)
    warm_up()
    try:
        uvloop.run(_work(system))
    finally:
        system.close()


async def _work(system: System) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    system.front.reads.start()
    await system.background.start()
    console.print("Kiungo works; stop it with Ctrl-C.")
    await stopped.wait()
    await system.background.stop()
    await system.front.reads.close()


def take_port(mode: str, host: str | None, port: int | None) -> tuple[Settings, Listening]:
    """The settings with the port that was really taken, since tokens and links name it."""
    overrides: dict[str, Any] = {"mode": mode}
    overrides |= {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = load_settings(**overrides)
    try:
        listening = listen(settings.host, settings.port)
    except OSError as error:
        fail(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}",
            hint="Stop what uses the port, or choose another with --port or KIUNGO_PORT",
            code=EXIT_AWAY,
        )
    configure_logging(settings.log_level, settings.log_format)
    return load_settings(**(overrides | {"port": listening.port})), listening


def run(system: System, listening: Listening, ready: Any) -> None:
    """Serve until told to stop, then close; `ready` is called once requests are accepted."""
    warm_up()
    try:
        uvloop.run(serve(system.site, system.settings, listening, ready=ready))
    finally:
        system.close()
