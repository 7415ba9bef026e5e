"""Many bookings in a database, made by the domain's own code in large units: what a benchmark of growth begins with."""

import asyncio
from datetime import date, timedelta

from benchmarks.seeding import TENANT
from kiungo.connectors.hcms.connector import open_payer
from kiungo.connectors.hcms.settings import HcmsSettings
from kiungo.domains.vems import desk as booking_desk
from kiungo.domains.vems.sample import FACILITY
from kiungo.domains.vems.service import Vems, open_vems
from kiungo.fhir.repository import Repository
from kiungo.kernel import json
from kiungo.kernel.auth import system_call
from kiungo.kernel.clients import EgressPolicy
from kiungo.kernel.database import Unit, open_database
from kiungo.kernel.outbox import Outbox

TOGETHER = 250
PAYER = "sha"
FIRST_DAY = date(2026, 1, 5)
DAYS = 360


def fill(url: str, patients: int, numbers: range) -> None:
    """Book so many claims, each with its FHIR records, followed claim, audit entries and event."""
    database = open_database(url)
    payer = open_payer(HcmsSettings.model_validate({"base_url": "https://authority.invalid/api"}), EgressPolicy())
    try:
        vems = open_vems(
            database, Repository(database.clock), Outbox({}), payers={PAYER: payer}, payer_of_mode={"sha": PAYER}
        )
        asyncio.run(_book_all(vems, patients, numbers))
    finally:
        database.close()


async def _book_all(vems: Vems, patients: int, numbers: range) -> None:
    call = system_call(TENANT, name="bench")
    for first in range(0, len(numbers), TOGETHER):
        asked = [await vems.desk.prepare(call, body(patients, number)) for number in numbers[first : first + TOGETHER]]

        def work(unit: Unit, asked: list[booking_desk.Asked] = asked) -> None:
            for one in asked:
                vems.desk.book(unit, call, one)

        await vems.database.write_async(work)


def body(patients: int, number: int) -> bytes:
    """The guide's request of two services, for another claim each time."""
    day = FIRST_DAY + timedelta(days=number % DAYS)
    services = [{"serviceCode": code, "serviceDate": f"{day}T10:51:00.000Z"} for code in ("F8735", "F8736")]
    return json.dumps(
        {
            "patientCR": f"CR{number % patients:07d}",
            "paymentMode": "sha",
            "facilityFrCode": FACILITY.fr_code,
            "claimID": f"FILL-{number}",
            "services": services,
        }
    )
