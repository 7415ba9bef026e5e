"""A family's caps under parallel claims of its members: reached to the cent and never passed, on either engine."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

from kiungo.base.money import Money
from kiungo.domains.payor.book import Plan
from kiungo.domains.payor.model import Coverage, Member
from kiungo.domains.payor.registers import Registers
from kiungo.fhir.repository import Repository
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import Unit, open_database

from .conftest import CLAIM, Installed
from .running import Platform

AT_ONCE = 8
DAYS = 6
DEDUCTIBLE, CAP = 3_001, 10_003
CHARGE = "17.77"
PLAN = Plan(
    plan_id="RACE",
    name="Half of everything, up to a cap",
    currency="USD",
    payor_id="PAY001",
    coinsurance_bp=5_000,
    filing_days=3_650,
    unlisted_diagnosis="accept",
    unlisted_procedure="accept",
    deductible_family=Money(DEDUCTIBLE, "USD"),
    out_of_pocket_family=Money(CAP, "USD"),
)
MEMBERS = tuple(
    Member(f"RACE-{n}", "FAM-RACE", f"Racer {n}", (Coverage("RACE", "2020-01-01"),), "1990-01-01", "male")
    for n in range(AT_ONCE)
)


def install(url: str) -> None:
    database = open_database(url, stepped=True)
    registers, call = Registers(Repository(database.clock)), system_call(1, name="test")

    def fill(unit: Unit) -> None:
        registers.put_plan(unit, call, PLAN)
        for member in MEMBERS:
            registers.put_member(unit, call, member)

    try:
        database.write(fill)
    finally:
        database.close()


def totals(url: str) -> dict[str, int]:
    questions = {
        "claims": "SELECT count(*) FROM payor_claim WHERE state = 'approved'",
        "charged": "SELECT SUM(charge_minor) FROM payor_claim",
        "paid": "SELECT SUM(paid_minor) FROM payor_claim",
        "patients": "SELECT SUM(patient_minor) FROM payor_claim",
        "cap used": "SELECT used FROM payor_accumulator WHERE member_id = '' AND bucket = 'out_of_pocket:RACE'",
        "deductible used": "SELECT used FROM payor_accumulator WHERE member_id = '' AND bucket = 'deductible:RACE'",
        "cap entries": "SELECT SUM(amount) FROM payor_entry WHERE member_id = '' AND bucket = 'out_of_pocket:RACE'",
        "member entries": "SELECT SUM(amount) FROM payor_entry WHERE member_id <> '' AND bucket = 'out_of_pocket:RACE'",
    }
    database = open_database(url, stepped=True)
    try:
        return database.read(lambda unit: {name: int(unit.value(sql) or 0) for name, sql in questions.items()})
    finally:
        database.close()


def test_eight_members_at_once_fill_their_familys_cap_to_the_cent(installed: Installed) -> None:
    install(installed.url)
    first = date(2025, 3, 3)

    with Platform(installed.url, installed.folder) as platform:

        def claims_of(member: Member) -> list[int]:
            statuses = []
            with platform.client(installed.provider_key) as client:
                for day in range(DAYS):
                    claim = CLAIM | {
                        "insurance_id": member.member_id,
                        "patient_name": member.name,
                        "amount": CHARGE,
                        "date_of_service": (first + timedelta(days=day)).isoformat(),
                    }
                    statuses.append(client.post("/api/claims/", json=claim).status_code)
            return statuses

        with ThreadPoolExecutor(AT_ONCE) as threads:
            answers = [status for statuses in threads.map(claims_of, MEMBERS) for status in statuses]
    assert answers == [201] * (AT_ONCE * DAYS), platform.errors
    charged = AT_ONCE * DAYS * 1_777
    assert totals(installed.url) == {
        "claims": AT_ONCE * DAYS,
        "charged": charged,
        "paid": charged - CAP,
        "patients": CAP,
        "cap used": CAP,
        "deductible used": DEDUCTIBLE,
        "cap entries": CAP,
        "member entries": CAP,
    }
