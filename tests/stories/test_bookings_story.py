"""The bookings story is a test: its sums are the documents', and a changed contract is noticed."""

import dataclasses
from decimal import Decimal

import pytest

from kiungo.app import demo
from kiungo.app.demo.bookings import tell_bookings
from kiungo.app.system import System
from kiungo.domains.vems import sample
from kiungo.domains.vems.model import Amounts
from kiungo.domains.vems.store import contracts
from kiungo.kernel.auth import system_call


@pytest.fixture(autouse=True)
def only_bookings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "STORIES", (tell_bookings,))


def test_the_booking_is_shared_approved_paid_and_proved() -> None:
    story = demo.run(None)
    assert not story.wrong
    told = {(step.title, figure.name): figure.actual for step in story.steps for figure in step.figures}
    paid = "The vendor is paid by M-Pesa, the facility by its bank"
    assert told[paid, "vendor"] == "21000.00 by mpesa: posted"
    assert told[paid, "facility"] == "9000.00 by bank: posted"
    assert told["Money moved", "paid out and kept"] == Decimal("31000.00")
    assert story.steps[-1].title == "Money moved"


def test_a_sabotaged_share_makes_the_story_fail() -> None:
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

    story = demo.run(None, prepare=sabotage)
    wrong = {figure.name for figure in story.wrong}
    assert {"vendor shares", "facility shares"} <= wrong
    assert "totalAmount" not in wrong


def _shifted(terms: object) -> Amounts:
    assert isinstance(terms, Amounts)
    one = sample._kes("1.00")
    return Amounts(terms.vendor - one, terms.facility + one, terms.fee)
