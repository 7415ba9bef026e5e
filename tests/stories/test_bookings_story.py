"""The bookings story is a test: its sums are the documents', and a changed contract or share is noticed."""

import dataclasses
from collections.abc import Sequence
from decimal import Decimal

import pytest
from rich.console import Console
from typer.testing import CliRunner

from kiungo.app import demo
from kiungo.app.cli import app
from kiungo.app.demo.bookings import book, tell_bookings
from kiungo.app.demo.hospital import CHARGES, Hospital, Visit
from kiungo.app.demo.receiver import BOOKINGS, receiver
from kiungo.app.demo.reckoning import HEADS
from kiungo.app.demo.stage import Stage
from kiungo.app.demo.story import Story
from kiungo.app.sample_data import FACILITY_KEY
from kiungo.app.system import System
from kiungo.domains.vems import sample
from kiungo.domains.vems.model import Amounts
from kiungo.domains.vems.rules.settlement_shares import entitlements
from kiungo.domains.vems.settlement import flows
from kiungo.domains.vems.settlement.model import Role
from kiungo.domains.vems.store import contracts
from kiungo.kernel import json
from kiungo.kernel.auth import system_call


@pytest.fixture(autouse=True)
def only_bookings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "STORIES", (tell_bookings,))


def test_every_booking_is_shared_decided_paid_and_proved() -> None:
    answer = CliRunner().invoke(app, ["demo", "--json"])
    told = json.loads(answer.stdout)
    assert told["right"], [figure for step in told["steps"] for figure in step["figures"] if not figure["right"]]
    assert answer.exit_code == 0
    figures = {
        (step["title"], figure["name"]): figure["actual"] for step in told["steps"] for figure in step["figures"]
    }
    paid = "The vendor is paid by M-Pesa, the facility by its bank; the fee stays"
    assert figures[paid, "vendor"] == "21000.00 by mpesa: posted"
    assert figures[paid, "facility"] == "9000.00 by bank: posted"
    sources = [figures[key] for key in figures if key[1] in ("how it became known", "known by a notice")]
    assert sources == ["poll", "notice"]
    last = told["steps"][-1]
    assert last["title"] == "Money moved"
    assert last["table"][-1] == dict(
        zip(HEADS, ("all", "66000.00", "44437.00", "19406.25", "2156.25", "0.50"), strict=True)
    )
    assert all(step["exchanges"] or step["figures"] for step in told["steps"])


def test_a_sabotaged_share_of_a_partial_payment_ends_it_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A share rounded another way in a partial payment is a wrong figure, and the command says so by its code."""
    monkeypatch.setattr(flows, "entitlements", _a_cent_less_for_the_vendor)
    answer = CliRunner().invoke(app, ["demo"])
    assert answer.exit_code == 1
    wrong = {line.strip().split(":")[0] for line in answer.stdout.splitlines() if "WRONG" in line}
    assert {"WRONG vendor is owed", "WRONG fee is owed", "WRONG approved in part", "WRONG all"} <= wrong
    assert "WRONG approved whole" not in wrong


def test_a_sabotaged_share_makes_the_story_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def up_to_the_booking(story: Story, here: Stage) -> None:
        with receiver(BOOKINGS) as target, story.http(here.url, here.keys[FACILITY_KEY]) as http:
            book(Hospital(story, here, http, http, target), Visit("approved whole", "sabotaged", CHARGES, days_ago=2))

    monkeypatch.setattr(demo, "STORIES", (up_to_the_booking,))

    def sabotage(system: System) -> None:
        call = system_call(1)
        shifted = dataclasses.replace(
            sample.CT_CONTRACT,
            terms={mode: _shifted(terms) for mode, terms in sample.CT_CONTRACT.terms.items()},
        )

        def change(unit) -> None:
            stored = contracts.find_contract(unit, 1, shifted.contract_id)
            system.vems.contracts.put(unit, call, dataclasses.replace(stored, terms=shifted.terms))

        system.database.write(change)

    told = demo.run(None, prepare=sabotage)
    wrong = {figure.name for figure in told.wrong}
    assert wrong == {"vendor shares", "facility shares"}


def test_a_step_is_told_in_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    story = Story(Console(soft_wrap=True))
    story.begin("A step")
    lines = [{"procedure_code": "F8735", "amount": Decimal("15000.00")}] * 40
    story.tell("POST", "/api/claims/", {"booking_no": "VB0", "lines": lines}, 201, {"success": True}, 3.21)
    for number in range(30):
        story.check(f"figure {number}", Decimal("1.00"), Decimal("1.00"))
    story.check("a wrong one", Decimal("1.0"), Decimal("1.00"))
    story.table(("booking", "approved"), [("one", "31000.00"), ("another", "1.00")])
    told = capsys.readouterr().out.splitlines()
    assert told[2].split() == ["POST", "/api/claims/", "201", "in", "3.2", "ms"]
    assert told[3].strip() == "-> booking_no VB0, 40 lines, procedure_code F8735, amount 15000.00"
    assert told[4].strip() == "<- nothing"
    assert sum("WRONG a wrong one: 1.0, it must be 1.00" in line for line in told) == 1
    assert [line.split() for line in told[-2:]] == [["one", "31000.00"], ["another", "1.00"]]
    assert len(told) < 20


def _shifted(terms: object) -> Amounts:
    assert isinstance(terms, Amounts)
    one = sample._kes("1.00")
    return Amounts(terms.vendor - one, terms.facility + one, terms.fee)


def _a_cent_less_for_the_vendor(shares: Sequence[tuple[Role, int]], base: int) -> tuple[int, ...]:
    parts = list(entitlements(shares, base))
    if 0 < base < sum(minor for _, minor in shares):
        roles = [role for role, _ in shares]
        parts[roles.index("vendor")] -= 1
        parts[roles.index("fee")] += 1
    return tuple(parts)
