"""CSV imports and the admin API: every wrong row is named, every good one can be used."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kiungo.base.errors import Incorrect
from kiungo.base.money import Money
from kiungo.domains.payor import sample
from kiungo.domains.payor.book import Fee
from kiungo.domains.payor.imports import csv_file
from kiungo.domains.payor.imports.csv_file import import_file, read
from kiungo.domains.payor.imports.kinds import BUILDERS, build, columns, npi_is_sound
from kiungo.domains.payor.opening import Snapshots
from kiungo.domains.payor.snapshot import Reference
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import Unit
from tests.domains.payor.conftest import GUIDE, House
from tests.domains.payor.serving import Served, served

MEMBERS = """insurance_id,family_id,name,birth_date,gender,plan_id,valid_from,valid_until,order,identifiers
NEW-1,FAM-N,Kofi Mensah,1970-02-03,male,STANDARD,2020-01-01,,,CR-1 P-77
NEW-2,FAM-N,Esi Mensah,1972-13-03,female,STANDARD,2020-01-01,,,
NEW-3,FAM-N,Ama Mensah,,,NO-SUCH-PLAN,2020-01-01,,,
NEW-4,,Yaw Mensah,,robot,STANDARD,2024-01-01,2023-01-01,,
NEW-1,FAM-N,Kofi Mensah,1970-02-03,male,FAMILY-PLUS,2019-01-01,2019-12-31,,CR-1 P-77
"""


def run(house: House, kind: str, text: str, **options: Any) -> csv_file.Imported:
    return import_file(house.database, house.registers, system_call(1), kind, text, **options)


def test_good_rows_are_written_and_every_wrong_one_is_named(house: House) -> None:
    seen: list[tuple[int, int]] = []
    done = run(house, "members", MEMBERS, progress=lambda now, whole: seen.append((now, whole)))
    assert done.written == 2
    assert [(problem.row, problem.field) for problem in done.problems] == [
        (3, "birth_date"),
        (4, "plan_id"),
        (5, "valid_until"),
        (5, "gender"),
    ]
    assert seen == [(3, 3)]
    answer = house.submit(**{**GUIDE, "insurance_id": "NEW-1", "patient_name": "Kofi Mensah"})
    assert answer.status == 201
    body = house.value("SELECT body FROM payor_member WHERE member_id = 'NEW-1'")
    assert body.count(b'"plan_id"') == 2


def test_an_import_again_changes_nothing_and_a_fee_change_is_seen_at_once(house: House) -> None:
    visit = {**GUIDE, "insurance_id": "BC-200-001", "procedure_code": "99396", "date_of_service": None}
    fees = "fee_schedule,code,amount,currency,valid_from\nFAMILY-FEES-2024,99396,{},USD,2020-01-01\n"
    run(house, "fees", fees.format("100.00"))
    run(house, "fees", fees.format("100.00"))
    assert house.claim(house.submit(**visit).claim_id)["expected_payment"] == 100
    run(house, "fees", fees.format("90.00"))
    changed = house.submit(**{**visit, "provider_claim_id": "2", "modifiers": ["76"]})
    assert house.claim(changed.claim_id)["expected_payment"] == 90


def test_a_benefit_joins_its_plan_and_replaces_the_one_of_its_name(house: House) -> None:
    text = (
        "plan_id,currency,name,codes,copay,coinsurance_percent,deductible\n"
        "FAMILY-PLUS,USD,Preventive,99396,10.00,0,no\n"
        "STANDARD,USD,Laboratory,85025 80053,,5,\n"
        "STANDARD,KES,Imaging,76700,,5,\n"
        "GONE,USD,Imaging,76700,,5,\n"
    )
    done = run(house, "benefits", text)
    assert (done.written, [(one.row, one.field) for one in done.problems]) == (2, [(4, "currency"), (5, "plan_id")])
    blood = house.submit(**{**GUIDE, "procedure_code": "85025", "amount": "100.00"}).claim_id
    assert house.claim(blood)["patient_responsibility"] == 5
    visit = {**GUIDE, "insurance_id": "BC-200-001", "procedure_code": "99396", "date_of_service": None}
    assert house.claim(house.submit(**{**visit, "amount": "210.00"}).claim_id)["patient_responsibility"] == 10


def test_fees_are_in_the_money_of_the_plans_that_use_them(house: House) -> None:
    fees = "fee_schedule,code,amount,currency\n{},99396,100.00,{}\n"
    done = run(house, "fees", fees.format("FAMILY-FEES-2024", "KES"))
    assert [(one.field, one.message) for one in done.problems] == [
        ("currency", "currency must be USD, as plan FAMILY-PLUS of FAMILY-FEES-2024 is")
    ]
    assert run(house, "fees", fees.format("NEW-FEES", "KES")).written == 1
    plans = "plan_id,name,currency,payor_id,fee_schedule\n{},New,{},PAY001,NEW-FEES\n"
    assert [one.field for one in run(house, "plans", plans.format("DOLLARS", "USD")).problems] == ["fee_schedule"]
    assert run(house, "plans", plans.format("SHILLINGS", "KES")).written == 1


def test_a_change_while_reference_data_is_read_is_not_missed(house: House) -> None:
    """Outside a transaction another may write between two reads; what was read must then count as old."""
    changed = Reference("FAMILY-FEES-2024", Fee("99396", Money.parse("77.00", "USD")))
    written: list[bool] = []

    class Interrupted(Unit):
        def rows(self, sql: str, parameters: Any = ()) -> Any:
            found = super().rows(sql, parameters)
            if "payor_reference" in sql and not written:
                written.append(True)
                house.write(lambda unit: house.registers.put_items(unit, system_call(1), [changed]))
            return found

    async def read() -> Any:
        return await house.database.point_read(
            lambda unit: snapshots.current(Interrupted(unit.engine, unit._cursor, unit.now_us), 1)
        )

    snapshots = Snapshots()
    asyncio.run(read())
    assert written
    snapshot = house.database.read(lambda unit: snapshots.current(unit, 1))
    fee = snapshot.plans["FAMILY-PLUS"].fee_for("99396", (), "2024-10-03")
    assert fee is not None
    assert fee.amount.text() == "77.00"


@pytest.mark.parametrize(
    ("kind", "text", "field", "words"),
    [
        ("fees", "", "header", "name each column"),
        ("fees", "code,code\n", "header", "name each column"),
        ("fares", "a\n", "kind", "must be one of"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(kind: str, text: str, field: str, words: str) -> None:
    with pytest.raises(Incorrect, match=words) as refused:
        read(kind, text)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("kind", "row", "field"),
    [
        ("fees", {"fee_schedule": "F", "code": "1", "amount": "1.005", "currency": "USD"}, "amount"),
        ("fees", {"fee_schedule": "F", "code": "1", "amount": "1", "currency": "usd"}, "currency"),
        ("fees", {"fee_schedule": "F", "code": "1", "amount": "-1", "currency": "USD"}, "amount"),
        ("fees", {"fee_schedule": "F", "code": "1", "amount": "1", "currency": "USD", "colour": "x"}, "colour"),
        ("pairs", {"first": "1", "second": "1"}, "second"),
        ("unit-limits", {"code": "1", "most": "many"}, "most"),
        ("limits", {"limit_id": "L", "plan_id": "P", "codes": "*", "unit": "h", "period": "year", "most": "1"}, "unit"),
        ("exclusions", {"plan_id": "P", "kind": "procedure", "codes": "15879-15775"}, "codes"),
        ("providers", {"provider_id": "P", "name": "N", "npi": "1234567890"}, "npi"),
        ("plans", {"plan_id": "P", "name": "N", "currency": "USD", "payor_id": "X", "copay": "ten"}, "copay"),
        ("plans", {"plan_id": "P", "name": "N", "currency": "USD", "payor_id": "X", "procedure_pattern": "(a+)+"},
         "procedure_pattern"),
    ],
)  # fmt: skip
def test_a_wrong_cell_is_named(kind: str, row: dict[str, str | None], field: str) -> None:
    with pytest.raises(Incorrect) as refused:
        build(kind, row)
    assert refused.value.field == field


def test_rows_with_too_many_cells_and_broken_quotes_are_named() -> None:
    sheet = read("pairs", 'first,second\n1,2\n3,4,5\n6,"7"x\n')
    assert [problem.row for problem in sheet.problems] == [3, 4]
    assert len(sheet.rows) == 1


def test_every_kind_knows_its_columns() -> None:
    for kind in BUILDERS:
        assert columns(kind)


def test_sample_provider_numbers_are_sound() -> None:
    assert all(npi_is_sound(provider.npi) for provider in sample.PROVIDERS if provider.npi)


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Served]:
    with served(database_url, tmp_path / "data") as running:
        yield running


def put(site: Served, path: str, body: Any) -> Any:
    return site.client.put(path, json=body, headers={"X-API-Key": site.keys["plan manager"]})


def test_what_a_plan_shows_can_be_sent_back(site: Served) -> None:
    plans = site.get("/api/admin/plans", key="plan manager").json()["plans"]
    assert {plan["plan_id"] for plan in plans} == {"STANDARD", "FAMILY-PLUS", "NATIONAL"}
    for plan in plans:
        body = {name: value for name, value in plan.items() if name != "plan_id"}
        answer = put(site, f"/api/admin/plans/{plan['plan_id']}", body)
        assert answer.status_code == 200, answer.text
        assert answer.json() == plan


def test_a_plan_change_is_judged_by_at_once(site: Served) -> None:
    plan = site.get("/api/admin/plans/STANDARD", key="plan manager").json()
    assert put(site, "/api/admin/plans/STANDARD", {**plan, "coinsurance_percent": "30"}).status_code == 200
    body = site.post("/api/claims/", GUIDE).json()
    assert body["claim"]["expected_payment"] == 875.0
    wrong = put(site, "/api/admin/plans/STANDARD", {**plan, "currency": "KES", "copay": None})
    assert wrong.status_code == 400
    assert put(site, "/api/admin/plans/NEW", {**plan, "plan_id": "NEW", "no_fee": "maybe"}).status_code == 400
    assert site.get("/api/admin/plans/NEW", key="plan manager").status_code == 404
    assert site.get("/api/admin/plans", key="reviewer").status_code == 403


def test_rows_are_written_listed_and_removed(site: Served) -> None:
    row = {"first": "99213", "second": "93000", "bypass": True}
    path = "/api/admin/reference/pairs"
    assert site.post(path, {"rows": [row]}, key="plan manager").json() == {"written": 1}
    listed = site.get(path, key="plan manager").json()["rows"]
    assert "99213|93000" in [entry["key"] for entry in listed]
    headers = {"X-API-Key": site.keys["plan manager"]}
    gone = site.client.delete(f"{path}?key=99213%7C93000", headers=headers)
    assert gone.json() == {"removed": True}
    refused = site.post(path, {"rows": [row, {"first": "1"}]}, key="plan manager")
    assert refused.status_code == 400
    assert "rows[1].second" in refused.text
    assert site.get("/api/admin/reference/members", key="plan manager").status_code == 400


def test_a_csv_over_http_is_all_or_none(site: Served) -> None:
    def send(text: str) -> Any:
        headers = {"X-API-Key": site.keys["plan manager"], "content-type": "text/csv"}
        return site.client.post("/api/admin/imports/members", content=text.encode(), headers=headers)

    refused = send(MEMBERS)
    assert refused.status_code == 400
    assert "row 3 birth_date" in refused.text
    assert site.get("/api/admin/members/NEW-1", key="plan manager").status_code == 404
    good = "\n".join(MEMBERS.splitlines()[:2])
    assert send(good).json() == {"written": 1}
    shown = site.get("/api/admin/members/NEW-1", key="plan manager").json()
    assert (shown["name"], shown["identifiers"], shown["accumulators"]) == ("Kofi Mensah", ["CR-1", "P-77"], [])
