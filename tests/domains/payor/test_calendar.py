"""Each plan has its own days: at 22:30 UTC it is tomorrow for the national scheme, and still today for the others."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from kiungo.base.errors import Incorrect
from kiungo.base.time import TurnedClock, to_us
from kiungo.domains.payor.imports.kinds import build
from kiungo.domains.payor.payments import pay
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import Database
from tests.domains.payor.conftest import GUIDE, House, make_house, person

LATE = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)
TODAY_UTC, TODAY_NAIROBI = "2026-11-23", "2026-11-24"
SCAN = {
    "patient_name": "John Kamau Mwangi", "insurance_id": "CR1234567", "diagnosis_code": "CA20.1", "amount": "15000.00",
    "procedure_code": "F8735", "provider_id": "PROV-004",
}  # fmt: skip
VISIT = {name: value for name, value in GUIDE.items() if name != "date_of_service"}


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock(LATE)


@pytest.fixture
def late(stepped_database: Database) -> House:
    return make_house(stepped_database)


def record(house: House, kind: str, id: str) -> dict[str, Any]:
    read = house.payor.repository.read
    return json.loads(house.database.read(lambda unit: read(unit, system_call(1), kind, id)).body)


def test_a_claim_without_a_date_of_service_is_of_the_plans_own_day(late: House) -> None:
    scan, visit = late.submit(**SCAN).claim_id, late.submit(**VISIT).claim_id
    assert late.claim(scan)["date_of_service"] == TODAY_NAIROBI
    assert late.claim(visit)["date_of_service"] == TODAY_UTC
    assert record(late, "Claim", late.row(scan).claim_fhir)["created"] == "2026-11-24T01:30:00+03:00"
    assert record(late, "Claim", late.row(visit).claim_fhir)["created"] == "2026-11-23T22:30:00Z"


def test_the_filing_limit_counts_the_plans_own_days(late: House) -> None:
    in_time = late.submit(**SCAN, date_of_service="2026-08-26").claim_id
    assert late.claim(in_time)["status"] == "approved"
    too_late = late.submit(**SCAN, date_of_service="2026-08-25").claim_id
    assert late.claim(too_late)["status"] == "rejected", "91 days in Nairobi, 90 in UTC"


def test_a_payment_is_of_the_plans_own_day_and_so_are_its_books(late: House) -> None:
    late.submit(**SCAN)
    late.submit(**VISIT)
    made = late.write(lambda unit: pay(late.payor, unit, person("ann"))).payments
    assert {one.currency: one.payment_date for one in made} == {"KES": TODAY_NAIROBI, "USD": TODAY_UTC}
    booked = late.database.read(lambda unit: unit.rows("SELECT memo, effective FROM ledger_journal"))
    assert dict(booked) == {one.payment_id: one.payment_date for one in made}


def test_a_stated_payment_date_may_not_be_before_a_decision_where_it_was_taken(late: House) -> None:
    late.submit(**SCAN)

    def on(day: date) -> Any:
        return late.write(lambda unit: pay(late.payor, unit, person("ann"), payment_date=day))

    with pytest.raises(Incorrect, match=TODAY_NAIROBI):
        on(date(2026, 11, 23))
    assert on(date(2026, 11, 24)).payments[0].payment_date == TODAY_NAIROBI


def test_what_is_read_back_from_the_record_was_received_on_the_plans_own_day(late: House) -> None:
    first = late.submit(**SCAN, date_of_service="2026-08-26").claim_id
    late.database.clock.turn(days=30)
    again = late.submit(**SCAN | {"amount": "14000.00"}, date_of_service="2026-08-26", replaces=first).claim_id
    assert late.claim(again)["status"] == "approved", "it keeps the place in time of the first"
    assert to_us(LATE) < late.row(again).submitted_us


@pytest.mark.parametrize("zone", ["Nairobi", "Africa/Nowhere", "../etc/passwd", "UTC+3"])
def test_a_zone_that_is_none_is_refused_by_its_column(zone: str) -> None:
    with pytest.raises(Incorrect) as refused:
        build("plans", {"plan_id": "P", "name": "P", "currency": "KES", "payor_id": "X", "time_zone": zone})
    assert refused.value.field == "time_zone"
