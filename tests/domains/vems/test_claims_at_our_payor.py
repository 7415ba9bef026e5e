"""Bookings whose claims a real payor decides: submitted by the hospital or by us, found by polling or by a notice."""

import asyncio
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from kiungo.base.errors import Conflict
from kiungo.base.time import SystemClock
from kiungo.domains.payor.payments import pay
from kiungo.domains.vems import answers
from kiungo.domains.vems.desk import Booked
from kiungo.domains.vems.events import TOPICS
from kiungo.domains.vems.loading import load_sample
from kiungo.domains.vems.lookup import BookingLookup
from kiungo.domains.vems.polling import FOLLOW
from kiungo.domains.vems.rules.following import FollowPolicy
from kiungo.domains.vems.service import Vems, open_vems
from kiungo.domains.vems.store import bookings, claims
from kiungo.domains.vems.store.claims import ClaimRow
from kiungo.fhir.repository import Repository
from kiungo.kernel import json
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import Database
from kiungo.kernel.jobs.worker import run_due
from kiungo.kernel.outbox import Outbox
from tests.domains.vems.cases import CLAIM_ID, body
from tests.domains.vems.conftest import JOHN, Heard, heard_outbox
from tests.domains.vems.payors import SECRET, RunningPayor, running_payor

CALL = system_call(1)
HOSPITAL_CLAIM = {
    "patient_name": "John Kamau Mwangi",
    "insurance_id": "CR1234567",
    "diagnosis_code": "8B20",
    "amount": "31000.00",
    "provider_claim_id": CLAIM_ID,
    "lines": [
        {"procedure_code": "F8735", "amount": "15000.00", "date_of_service": "2026-11-02"},
        {"procedure_code": "F8736", "amount": "16000.00", "date_of_service": "2026-11-03"},
    ],
}
SERVICES = [
    {"serviceCode": "F8735", "serviceDate": "2026-11-02T10:51:00.000Z"},
    {"serviceCode": "F8736", "serviceDate": "2026-11-03T14:30:00.000Z"},
]


class World:
    """Bookings on one side, a payor behind its API on the other, in one database."""

    def __init__(self, database: Database, heard: Heard, vems: Vems, payor: RunningPayor) -> None:
        self.database, self.heard, self.vems, self.payor = database, heard, vems, payor

    def book(self, **changes: Any) -> Booked:
        sent = json.dumps(body(**{"services": SERVICES} | changes))

        async def run() -> Booked:
            asked = await self.vems.desk.prepare(CALL, sent)
            return await self.database.write_async(lambda unit: self.vems.desk.book(unit, CALL, asked))

        return asyncio.run(run())

    def poll(self) -> None:
        """Make every claim due and run the pollers once."""
        self.database.write(
            lambda unit: unit.execute("UPDATE vems_claim SET next_poll_us = 0 WHERE next_poll_us IS NOT NULL")
        )
        self.database.write(lambda unit: self.vems.claims.poller.ensure(unit, 1))
        self.database.write(lambda unit: unit.execute("UPDATE job SET run_at_us = 0 WHERE kind = ?", (FOLLOW,)))
        self.run()

    def run(self) -> None:
        run_due(self.database, self.vems.jobs(), Random(1), steps_max=200)

    def claim(self, booking_no: str) -> ClaimRow:
        found = self.database.read(lambda unit: claims.find(unit, 1, booking_no))
        assert found is not None
        return found

    def shown(self, booking_no: str) -> Any:
        def work(unit: Any) -> Any:
            booked = self.vems.desk.find(unit, CALL, booking_no)
            return answers.status(booked.row, booked.lines, self.vems.desk.patient(unit, CALL, booked.row))

        return self.database.read(work)

    @property
    def topics(self) -> list[str]:
        return self.heard.topics


@pytest.fixture(params=[1, 50])
def world(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    outbox, heard = heard_outbox(TOPICS)
    with running_payor(database, tmp_path, Outbox({}), bookings=BookingLookup()) as payor:
        vems = open_vems(
            database,
            Repository(SystemClock()),
            outbox,
            payers={"hcms": payor.port(batch_max=request.param)},
            payer_of_mode={"sha": "hcms"},
            policy=FollowPolicy(interval_s=60, tick_s=1),
        )
        database.write(lambda unit: load_sample(vems.contracts, unit, CALL))
        database.write(lambda unit: vems.people.keep(unit, CALL, JOHN))
        heard.events.clear()
        yield World(database, heard, vems, payor)
        vems.people.close()


def test_a_claim_the_hospital_submitted_is_found_and_approved_whole(world: World) -> None:
    number = world.book().row.booking_no
    world.poll()
    assert (world.claim(number).status, world.topics) == ("unknown", ["booking.created"])

    claim_id = world.payor.submit(**HOSPITAL_CLAIM, booking_no=number)["claim"]["claim_id"]
    world.poll()
    row = world.claim(number)
    assert (row.reference, row.status, row.approved_minor, row.version) == (claim_id, "approved", 3_100_000, 1)
    assert world.shown(number)["approvalStatus"] == "approved"
    assert world.topics == ["booking.created", "booking.claim_submitted", "booking.claim_approved"]

    event = world.heard.events[-1].payload
    assert (event["bookingNo"], event["payer"], event["reference"]) == (number, "hcms", claim_id)
    assert (event["approvedMinor"], event["currency"], event["version"]) == (3_100_000, "KES", 1)
    shares = [
        (line["approvedMinor"], line["vendorMinor"], line["facilityMinor"], line["feeMinor"], line["vendorPayee"])
        for line in event["lines"]
    ]
    assert shares == [
        (1_500_000, 1_000_000, 450_000, 50_000, "V364"),
        (1_600_000, 1_100_000, 450_000, 50_000, "V364"),
    ]
    world.poll()
    world.poll()
    assert (world.claim(number).version, len(world.topics)) == (1, 3)


def test_payment_is_noticed_and_ends_the_polling(world: World) -> None:
    number = world.book().row.booking_no
    world.payor.submit(**HOSPITAL_CLAIM, booking_no=number)
    world.poll()
    assert world.claim(number).next_poll_us is not None
    world.database.write(lambda unit: pay(world.payor.payor, unit, CALL))
    world.poll()
    row = world.claim(number)
    assert (row.state, row.paid_minor, row.next_poll_us) == ("closed", 3_100_000, None)
    assert row.payment_date is not None
    assert world.topics[-1] == "booking.claim_paid"
    assert world.heard.events[-1].payload["paidMinor"] == 3_100_000


def _noticed(world: World, claim_id: str, number: str) -> None:
    told = {"event_type": "claim_status_update", "claim_id": claim_id, "booking_no": number, "new_status": "approved"}
    sent = json.dumps(told)
    signature = "sha256=" + hmac.new(SECRET.encode(), sent, hashlib.sha256).hexdigest()
    headers = {"x-webhook-signature": signature, "webhook-id": f"about {claim_id} {len(world.topics)}"}
    world.database.write(lambda unit: world.vems.claims.receive(unit, 1, "hcms", headers, sent))
    world.run()


SCAN = [{"procedure_code": "F8735", "amount": "15000.00", "date_of_service": "2026-11-02"}]
CAPITATED = {"serviceCode": "F8740", "serviceDate": "2026-11-03T14:30:00.000Z"}


def test_a_claim_for_a_booking_is_for_what_is_not_capitated(world: World) -> None:
    booked = world.book(claimID="mixed", services=[SERVICES[0], CAPITATED])
    number = booked.row.booking_no
    claim = {**HOSPITAL_CLAIM, "provider_claim_id": "mixed", "amount": "15000.00"} | {"lines": SCAN}
    assert world.payor.submit(**claim, booking_no=number)["claim"]["status"] == "approved"
    world.poll()
    row = world.claim(number)
    assert (row.status, row.approved_minor) == ("approved", 1_500_000)
    approved = [line["approvedMinor"] for line in world.heard.events[-1].payload["lines"]]
    assert approved == [1_500_000, 0]


def test_we_submit_what_is_not_capitated(world: World) -> None:
    number = world.book(claimID="ours", services=[CAPITATED, SERVICES[0]]).row.booking_no
    world.database.write(lambda unit: world.vems.submissions.ask(unit, CALL, number, "8B20"))
    world.run()
    world.poll()
    row = world.claim(number)
    assert (row.status, row.approved_minor) == ("approved", 1_500_000)
    assert [line["approvedMinor"] for line in world.heard.events[-1].payload["lines"]] == [0, 1_500_000]


def test_a_booking_of_capitated_services_alone_has_no_claim(world: World) -> None:
    number = world.book(claimID="prepaid", services=[CAPITATED], diagnosisCode="8B20").row.booking_no
    assert world.database.read(lambda unit: claims.find(unit, 1, number)) is None
    with pytest.raises(Conflict, match="capitated"):
        world.database.write(lambda unit: world.vems.submissions.ask(unit, CALL, number, "8B20"))
    with pytest.raises(Conflict, match="capitated"):
        world.database.write(lambda unit: world.vems.claims.link(unit, CALL, number, "CLM-1"))
    claim = {**HOSPITAL_CLAIM, "provider_claim_id": "prepaid", "amount": "15000.00"} | {"lines": SCAN}
    assert world.payor.submit(**claim, booking_no=number)["claim"]["status"] == "under_review"


def test_a_second_claim_that_the_payer_refuses_takes_nothing_from_the_first(world: World) -> None:
    number = world.book().row.booking_no
    first = world.payor.submit(**HOSPITAL_CLAIM, booking_no=number)["claim"]["claim_id"]
    world.poll()
    again = world.payor.submit(**{**HOSPITAL_CLAIM, "provider_claim_id": "again"}, booking_no=number)["claim"]
    assert again["status"] == "rejected"
    world.poll()
    _noticed(world, again["claim_id"], number)
    world.poll()
    row = world.claim(number)
    assert (row.reference, row.status, row.approved_minor, row.version) == (first, "approved", 3_100_000, 1)
    assert world.topics == ["booking.created", "booking.claim_submitted", "booking.claim_approved"]


def test_a_claim_that_was_replaced_is_followed_in_the_new_one(world: World) -> None:
    number = world.book().row.booking_no
    old = world.payor.submit(**HOSPITAL_CLAIM, booking_no=number)["claim"]["claim_id"]
    world.poll()
    new = world.payor.submit(**{**HOSPITAL_CLAIM, "diagnosis_code": "CA40.0"}, booking_no=number, replaces=old)["claim"]
    assert new["status"] == "approved"
    world.poll()
    for told in (new["claim_id"], old):
        _noticed(world, told, number)
    world.poll()
    row = world.claim(number)
    assert (row.reference, row.status, row.approved_minor) == (new["claim_id"], "approved", 3_100_000)
    assert world.shown(number)["approvalStatus"] == "approved"


def test_one_claim_pays_one_booking(world: World) -> None:
    first, second = (world.book(claimID=one).row.booking_no for one in ("one", "two"))
    claim_id = world.payor.submit(**HOSPITAL_CLAIM, booking_no=first)["claim"]["claim_id"]
    linked = lambda unit: world.vems.claims.link(unit, CALL, second, claim_id)  # noqa: E731
    world.database.write(linked)  # before anything is known of whose it is
    world.poll()
    assert (world.claim(first).status, world.claim(second).status) == ("approved", "unknown")
    with pytest.raises(Conflict) as refused:
        world.database.write(linked)
    assert refused.value.code == "CLAIM_LINKED"
    with pytest.raises(Conflict):
        world.database.write(lambda unit: world.vems.claims.link(unit, CALL, first, "CLM-20260101-OTHER1"))
    world.poll()
    assert world.topics.count("booking.claim_approved") == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"insurance_id": "BC-789-456", "diagnosis_code": "J20.9"}, "is a claim for another patient"),
        (
            {"amount": "15000.00", "lines": HOSPITAL_CLAIM["lines"][:1]},
            "is a claim of KES 15000.00, not of KES 31000.00",
        ),
    ],
)
def test_a_claim_of_something_else_decides_no_booking(world: World, changes: dict[str, Any], why: str) -> None:
    """A facility may link a claim that names no booking: one that it handed in without the number."""
    number = world.book().row.booking_no
    other = world.payor.submit(**{**HOSPITAL_CLAIM, "provider_claim_id": "elsewhere", **changes})["claim"]["claim_id"]
    world.database.write(lambda unit: world.vems.claims.link(unit, CALL, number, other))
    world.poll()
    row = world.claim(number)
    assert (row.status, world.shown(number)["approvalStatus"]) == ("unknown", "pending")
    assert why in str(row.note)
    own = world.payor.submit(**HOSPITAL_CLAIM)["claim"]["claim_id"]
    world.database.write(lambda unit: world.vems.claims.link(unit, CALL, number, own))
    world.poll()
    assert world.claim(number).reference == own
    assert world.claim(number).note is None


def test_we_submit_it_ourselves_once(world: World) -> None:
    number = world.book(diagnosisCode="8B20").row.booking_no
    ask = lambda unit: world.vems.submissions.ask(unit, CALL, number, None)  # noqa: E731
    assert world.database.write(ask).state == "submitting"
    assert world.database.write(ask).state == "submitting"
    world.run()
    row = world.claim(number)
    assert (row.status, row.approved_minor, row.state) == ("approved", 3_100_000, "decided")
    assert world.database.read(lambda unit: unit.value("SELECT count(*) FROM payor_claim")) == 1
    assert world.topics == ["booking.created", "booking.claim_submitted", "booking.claim_approved"]


def test_a_claim_the_payer_refuses_leaves_the_booking_to_be_corrected(world: World) -> None:
    stranger = replace(JOHN, cr_number="CR7654321", name="Amina Otieno", identification_no="87654321")
    world.database.write(lambda unit: world.vems.people.keep(unit, CALL, stranger))
    number = world.book(patientCR="CR7654321", diagnosisCode="8B20").row.booking_no
    world.database.write(lambda unit: world.vems.submissions.ask(unit, CALL, number, None))
    world.run()
    row = world.claim(number)
    assert (row.state, row.status, row.reference) == ("open", "unknown", None)
    assert "Insurance ID CR7654321 not found" in (row.note or "")
    steps = world.database.read(lambda unit: bookings.steps_of(unit, 1, number))
    assert [step.what for step in steps] == ["booking.created", "claim.asked_for", "claim.refused"]
    assert world.book(patientCR="CR1234567", diagnosisCode="8B20").row.booking_no == number
    world.database.write(lambda unit: world.vems.submissions.ask(unit, CALL, number, None))
    world.run()
    assert world.claim(number).status == "approved"


def test_a_rejected_claim_carries_its_reason(world: World) -> None:
    number = world.book().row.booking_no
    late = [{**line, "date_of_service": "2026-01-05"} for line in HOSPITAL_CLAIM["lines"]]
    answer = world.payor.submit(**{**HOSPITAL_CLAIM, "lines": late}, booking_no=number)
    assert answer["status"] == "rejected"
    world.poll()
    row = world.claim(number)
    assert (row.status, row.state, row.approved_minor, row.next_poll_us) == ("rejected", "closed", 0, None)
    assert row.reason
    assert (world.topics[-1], world.heard.events[-1].payload["reason"]) == ("booking.claim_rejected", row.reason)
    assert world.shown(number)["approvalStatus"] == "rejected"


def test_many_claims_are_asked_about_in_one_go(world: World) -> None:
    numbers = [world.book(claimID=f"claim-{index}").row.booking_no for index in range(3)]
    for index, number in enumerate(numbers):
        days = [f"2026-11-{day + index:02d}" for day in (2, 6)]
        lines = [{**line, "date_of_service": day} for line, day in zip(HOSPITAL_CLAIM["lines"], days, strict=True)]
        sent = {**HOSPITAL_CLAIM, "lines": lines, "provider_claim_id": f"claim-{index}"}
        world.payor.submit(**sent, booking_no=number)
    world.poll()
    assert [world.claim(number).status for number in numbers] == ["approved"] * 3


def test_a_signed_notice_does_the_same_at_once_and_only_once(world: World) -> None:
    number = world.book().row.booking_no
    claim_id = world.payor.submit(**HOSPITAL_CLAIM, booking_no=number)["claim"]["claim_id"]
    sent = json.dumps(
        {"event_type": "claim_status_update", "claim_id": claim_id, "booking_no": number, "new_status": "approved"}
    )
    signature = "sha256=" + hmac.new(SECRET.encode(), sent, hashlib.sha256).hexdigest()
    headers = {"x-webhook-signature": signature, "webhook-id": "msg_1"}
    world.vems.claims.check_notice("hcms", headers, sent)
    receive = lambda unit: world.vems.claims.receive(unit, 1, "hcms", headers, sent)  # noqa: E731
    assert world.database.write(receive)
    assert not world.database.write(receive)
    world.run()
    assert world.claim(number).status == "approved"
    assert world.topics.count("booking.claim_approved") == 1


def test_a_booking_with_a_claim_is_fixed(world: World) -> None:
    number = world.book().row.booking_no
    world.payor.submit(**HOSPITAL_CLAIM, booking_no=number)
    world.poll()
    with pytest.raises(Exception, match="a claim was submitted for it"):
        world.book(paymentMode="sha", patientCR="CR1234567", diagnosisCode="X")


def test_the_payor_checks_the_booking_it_is_claimed_for(world: World) -> None:
    number = world.book().row.booking_no
    wrong = {**HOSPITAL_CLAIM, "amount": "15000.00", "lines": HOSPITAL_CLAIM["lines"][:1]}
    answer = world.payor.submit(**wrong, booking_no=number)
    assert answer["status"] == "under_review"
    world.poll()
    assert world.claim(number).status == "pending"
