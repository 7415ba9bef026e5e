"""Our own payor and bookings in one system: a claim fixes its booking in its own unit; facilities are told."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kiungo.base.errors import Conflict
from kiungo.base.time import SystemClock
from kiungo.domains.vems.events import TOPICS
from kiungo.domains.vems.listening import hear_claims, tell_facility, webhook_body
from kiungo.domains.vems.loading import load_sample
from kiungo.domains.vems.lookup import BookingLookup
from kiungo.domains.vems.service import open_vems
from kiungo.fhir.repository import Repository
from kiungo.kernel import json
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.outbox import Event, Outbox
from tests.domains.vems.cases import FR_CODE, body
from tests.domains.vems.conftest import JOHN, heard_outbox
from tests.domains.vems.payors import running_payor
from tests.domains.vems.test_claims_at_our_payor import HOSPITAL_CLAIM, SERVICES, World

CALL = system_call(1)


@pytest.fixture
def world(database: Database, tmp_path: Path) -> Iterator[World]:
    outbox, heard = heard_outbox(TOPICS)
    hearing: list[Any] = []

    def later(unit: Unit, event: Event) -> None:
        hearing[0](unit, event)

    flows = {"claim.submitted": (later,)}
    with running_payor(database, tmp_path, Outbox(flows), bookings=BookingLookup()) as payor:
        vems = open_vems(
            database,
            Repository(SystemClock()),
            outbox,
            payers={"hcms": payor.port()},
            payer_of_mode={"sha": "hcms"},
        )
        hearing.append(hear_claims(vems.claims, "hcms"))
        database.write(lambda unit: load_sample(vems.contracts, unit, CALL))
        database.write(lambda unit: vems.people.keep(unit, CALL, JOHN))
        heard.events.clear()
        yield World(database, heard, vems, payor)
        vems.people.close()


def test_a_booking_is_fixed_the_moment_its_claim_is_taken(world: World) -> None:
    number = world.book().row.booking_no
    claim_id = world.payor.submit(**HOSPITAL_CLAIM, booking_no=number)["claim"]["claim_id"]
    row = world.claim(number)
    assert (row.reference, row.status) == (claim_id, "unknown")
    assert world.topics == ["booking.created", "booking.claim_submitted"]
    with pytest.raises(Conflict, match="a claim was submitted for it"):
        world.book(diagnosisCode="X")
    world.poll()
    assert world.topics == ["booking.created", "booking.claim_submitted", "booking.claim_approved"]


def test_a_claim_without_a_booking_is_none_of_ours(world: World) -> None:
    world.payor.submit(**HOSPITAL_CLAIM)
    assert world.topics == []


def test_a_revision_and_a_claim_at_once_end_in_one_order(world: World) -> None:
    """Either the claim came first and the revision is refused, or the payer judged the revised booking."""
    number = world.book().row.booking_no
    sent = json.dumps(body(services=SERVICES[:1]))

    async def revise() -> str:
        try:
            asked = await world.vems.desk.prepare(CALL, sent)
            await world.database.write_async(lambda unit: world.vems.desk.book(unit, CALL, asked))
        except Conflict:
            return "refused"
        return "revised"

    async def both() -> tuple[str, dict[str, Any]]:
        claim = asyncio.to_thread(world.payor.submit, **HOSPITAL_CLAIM, booking_no=number)
        done, answer = await asyncio.gather(revise(), claim)
        return done, answer

    done, answer = asyncio.run(both())
    wanted = "approved" if done == "refused" else "under_review"
    assert answer["status"] == wanted


def test_a_facility_is_told_without_health_data(world: World) -> None:
    told: list[dict[str, Any]] = []

    def emit(unit: Unit, **delivery: Any) -> None:
        told.append(delivery)

    payload = {
        "bookingNo": "VB1", "claimID": "c", "facility": FR_CODE, "mode": "sha", "state": "confirmed",
        "approval": "approved", "revision": 1, "currency": "KES", "totalMinor": 3_100_000, "lines": [],
        "approvedMinor": 3_100_000, "paidMinor": None, "payer": "sha", "reference": "CLM-1", "reason": None,
    }  # fmt: skip
    event = Event(1, 1, "booking.claim_approved", "VB1", 0, payload)
    world.database.write(lambda unit: tell_facility(emit)(unit, event))
    assert (told[0]["owner"], told[0]["event"], told[0]["subject"]) == (FR_CODE, "booking_status_update", "VB1")
    assert json.loads(json.dumps(webhook_body(event))) == {
        "event_type": "booking_status_update",
        "timestamp": "1970-01-01T00:00:00Z",
        "change": "booking.claim_approved",
        "bookingNo": "VB1",
        "claimID": "c",
        "facilityFrCode": FR_CODE,
        "bookingStatus": "confirmed",
        "approvalStatus": "approved",
        "totalAmount": Decimal("31000.00"),
        "approvedAmount": Decimal("31000.00"),
        "payer": "sha",
        "reference": "CLM-1",
    }
