"""`kiungo dev`, `serve`, `worker`: the platform as a process."""

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
import uvloop

from kiungo.app.cli.output import EXIT_AWAY, console, fail, readable_errors
from kiungo.app.notices import expect_notices
from kiungo.app.registry import FollowSettings, connector_settings
from kiungo.app.sample_data import ADMIN, HOSPITAL, HOSPITAL_ID, key_texts, load_sample_data
from kiungo.app.sandbox import Sandbox
from kiungo.app.server import Listening, listen, own_url, serve
from kiungo.app.system import System, open_system
from kiungo.app.warmth import warm_up
from kiungo.kernel.config import Settings, load_settings
from kiungo.kernel.telemetry import configure_logging

CLAIM = (
    '{"patient_name": "John Doe", "insurance_id": "BC-789-456", "diagnosis_code": "J20.9", '
    '"procedure_code": "99213", "amount": "1250.00"}'
)
BOOKING = (
    '{"facilityFrCode": "FID-32-121583-3", "patientCR": "CR1234567", "paymentMode": "sha", "claimID": "my-claim-1", '
    '"services": [{"serviceCode": "F8735", "serviceDate": "%sT07:51:00.000Z"}]}'
)
FOLLOW_IN_DEV = FollowSettings(interval_s=5.0, tick_s=2.0)


def dev(
    port: Annotated[int | None, typer.Option(help="Another port than KIUNGO_PORT.")] = None,
    host: Annotated[str | None, typer.Option(help="Another address than KIUNGO_HOST.")] = None,
) -> None:
    """Start the platform with sample data, for a laptop: keys printed, claims accepted without one."""
    with readable_errors():
        settings, listening = _listening("dev", host, port)
        sandbox = Sandbox(settings.sandbox_port)
        try:
            ours = own_url(settings)
            twins = sandbox.settings(ours, key_texts(settings)[HOSPITAL], follow=FOLLOW_IN_DEV)
            chosen = connector_settings().over(twins)
            system = open_system(settings, chosen)
            keys = load_sample_data(system)
            if chosen.hcms is twins.hcms:
                expect_notices(system, ours, HOSPITAL_ID, sandbox.notice_secret)
            _run(system, listening, lambda: _welcome(listening.url, sandbox.url, settings, dict(keys)))
        finally:
            sandbox.close()


def serve_command(
    port: Annotated[int | None, typer.Option(help="Another port than KIUNGO_PORT.")] = None,
    host: Annotated[str | None, typer.Option(help="Another address than KIUNGO_HOST.")] = None,
) -> None:
    """Serve, secure by default: needs its keys, accepts nothing without a credential, has no sample data."""
    with readable_errors():
        settings, listening = _listening("serve", host, port)
        system = open_system(settings)
    _run(system, listening, lambda: console.print(f"Kiungo serves {listening.url}", markup=False))


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


def _listening(mode: str, host: str | None, port: int | None) -> tuple[Settings, Listening]:
    """The settings with the port that was really taken, since tokens and links name it."""
    overrides: dict[str, Any] = {"mode": mode}
    overrides |= {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = load_settings(**overrides)
    try:
        listening = listen(settings.host, settings.port)
    except OSError as error:
        fail(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}",
            hint="Stop what uses the port, or choose another with --port",
            code=EXIT_AWAY,
        )
    configure_logging(settings.log_level, settings.log_format)
    return load_settings(**(overrides | {"port": listening.port})), listening


def _run(system: System, listening: Listening, ready: Any) -> None:
    warm_up()
    try:
        uvloop.run(serve(system.site, system.settings, listening, ready=ready))
    finally:
        system.close()


def _welcome(url: str, twins: str, settings: Settings, keys: dict[str, str]) -> None:
    """Addresses, keys and a few lines to try; exactly what works."""
    say = console.print
    booking = BOOKING % (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    say(f"\nKiungo runs at {url}  (sample data; records in {settings.database_url.split('@')[-1]})\n", markup=False)
    for title, path in (("API documentation", "/api/docs/"), ("Console", "/console/"), ("FHIR", "/fhir/metadata")):
        say(f"  {title:18} {url}{path}", markup=False)
    say(f"  {'Simulated outside':18} {twins}  (registries, payers, money, messages)", markup=False)
    say(f"  {'What fails there':18} kiungo sandbox faults{_named(twins)}", markup=False)
    say("\nKeys, one for each role; the console takes them too:", markup=False)
    for name, text in keys.items():
        say(f"  {name:24} {text}", markup=False)
    say("\nTry it:", markup=False)
    say(f"  curl -s {url}/api/claims/ -H 'Content-Type: application/json' -d '{CLAIM}'", markup=False)
    say(
        f"  curl -s {url}/hmis/v1/bookings/cost-distribution -H 'Content-Type: application/json' -d '{booking}'",
        markup=False,
    )
    say(f"  curl -s {url}/api/claims/ -H 'X-API-Key: {keys[ADMIN.name]}'", markup=False)
    say(f"  curl -s '{url}/fhir/Patient?name=doe' -H 'X-API-Key: {keys[ADMIN.name]}'", markup=False)
    say("\nStop with Ctrl-C.\n", markup=False)


def _named(twins: str) -> str:
    """The option that names the simulators' port, where it is not the usual one."""
    port = int(twins.rpartition(":")[2])
    return "" if port == load_settings(mode="dev").sandbox_port else f" --port {port}"
