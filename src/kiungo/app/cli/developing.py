"""`kiungo dev`: the platform with sample data, keys and the simulated outside, for a laptop."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from kiungo.app.cli.output import console, readable_errors
from kiungo.app.cli.serving import run, take_port
from kiungo.app.notices import expect_notices
from kiungo.app.registry import FollowSettings, connector_settings
from kiungo.app.sample_data import ADMIN, HOSPITAL, HOSPITAL_ID, key_texts, load_sample_data
from kiungo.app.sandbox import Sandbox
from kiungo.app.server import own_url
from kiungo.app.system import open_system
from kiungo.kernel.config import Settings, load_settings

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
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Another port than KIUNGO_PORT.")] = None,
    host: Annotated[str | None, typer.Option(help="Another address than KIUNGO_HOST.")] = None,
) -> None:
    """Start the platform with sample data, for a laptop: keys printed, claims accepted without one."""
    with readable_errors():
        settings, listening = take_port("dev", host, port)
        sandbox = Sandbox(settings.sandbox_port)
        try:
            ours = own_url(settings)
            twins = sandbox.settings(ours, key_texts(settings)[HOSPITAL], follow=FOLLOW_IN_DEV)
            chosen = connector_settings().over(twins)
            system = open_system(settings, chosen)
            keys = load_sample_data(system)
            if chosen.hcms is twins.hcms:
                expect_notices(system, ours, HOSPITAL_ID, sandbox.notice_secret)
            run(system, listening, lambda: _welcome(listening.url, sandbox.url, settings, dict(keys)))
        finally:
            sandbox.close()


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
        say(f"  {name:26} {text}", markup=False)
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
