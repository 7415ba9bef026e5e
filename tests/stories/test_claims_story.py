"""The demo is a test: every figure of the claims story is right, and a wrong fee is noticed."""

import dataclasses
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from kiungo.app import demo
from kiungo.app.cli import app
from kiungo.app.demo.claims import tell_claims
from kiungo.app.system import System
from kiungo.base.money import Money
from kiungo.domains.payor import sample
from kiungo.domains.payor.book import Fee
from kiungo.domains.payor.snapshot import Reference
from kiungo.kernel import json
from kiungo.kernel.auth import system_call


@pytest.fixture(autouse=True)
def only_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "STORIES", (tell_claims,))


def test_every_figure_of_the_story_is_right() -> None:
    answer = CliRunner().invoke(app, ["demo", "--json"])
    told = json.loads(answer.stdout)
    assert told["right"], [figure for step in told["steps"] for figure in step["figures"] if not figure["right"]]
    assert answer.exit_code == 0
    figures = {
        (step["title"], figure["name"]): figure["actual"] for step in told["steps"] for figure in step["figures"]
    }
    approved = "Submit the guide's claim: approved at once"
    assert str(figures[approved, "expected_payment"]) == "1000.00"
    assert str(figures[approved, "patient_responsibility"]) == "250.00"
    assert len(told["steps"]) >= 12


def test_a_sabotaged_fee_makes_the_story_fail() -> None:
    """With 99213 at 900.00 in a fee schedule of its plan, the guide's 1250.00 no longer come to 1000.00."""

    def sabotage(system: System) -> None:
        plan = next(plan for plan in sample.PLANS if plan.plan_id == sample.STANDARD)
        priced = dataclasses.replace(plan, fee_schedule="SABOTAGE")
        fee = Reference("SABOTAGE", Fee("99213", Money.parse("900.00", "USD")))
        system.database.write(lambda unit: system.registers.put_items(unit, system_call(1), [fee]))
        system.database.write(lambda unit: system.registers.put_plan(unit, system_call(1), priced))

    story = demo.run(None, prepare=sabotage)
    wrong = {(figure.name, figure.expected): figure.actual for figure in story.wrong}
    assert wrong["expected_payment", Decimal("1000.00")] == Decimal("720.00")
    assert wrong["patient_responsibility", Decimal("250.00")] == Decimal("180.00")


def test_a_sabotaged_coinsurance_makes_the_story_fail() -> None:
    def sabotage(system: System) -> None:
        plan = next(plan for plan in sample.PLANS if plan.plan_id == sample.STANDARD)
        dearer = dataclasses.replace(plan, coinsurance_bp=2_100)
        system.database.write(lambda unit: system.registers.put_plan(unit, system_call(1), dearer))

    story = demo.run(None, prepare=sabotage)
    wrong = {figure.name: figure.actual for figure in story.wrong}
    assert wrong["expected_payment"] != Decimal("1000.00")
    assert wrong["patient_responsibility"] != Decimal("250.00")


def test_the_command_ends_with_one_when_a_figure_is_wrong(monkeypatch) -> None:
    def broken(console, *, prepare=None):
        story = demo.Story(None)
        story.begin("a step")
        story.check("expected_payment", Decimal("999.99"), Decimal("1000.00"))
        return story

    monkeypatch.setattr(demo, "run", broken)
    answer = CliRunner().invoke(app, ["demo"])
    assert answer.exit_code == 1
    assert "WRONG" in answer.stdout
