"""Payment runs: what is owed back is kept back first, days are possible ones, and long runs are many short units."""

import json
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.base.errors import Incorrect
from kiungo.base.money import Money
from kiungo.domains.payor import payments as runs
from kiungo.domains.payor.payments import pay, split
from kiungo.domains.payor.store.payments import Payment
from kiungo.kernel import ledger
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import Unit
from tests.domains.payor.conftest import GUIDE, House, person
from tests.domains.payor.serving import Served, served
from tests.domains.payor.test_review import cents, consistent

ANN = person("ann")
OWED = "payor:recoverable:PROV-001"


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Served]:
    with served(database_url, tmp_path / "data") as running:
        yield running


def run(house: House, **options: object) -> tuple[Payment, ...]:
    return house.write(lambda unit: pay(house.payor, unit, ANN, **options)).payments


def approved(house: House, amount: str, number: int = 0) -> str:
    return house.submit(**{**GUIDE, "amount": amount, "modifiers": ["76"], "provider_claim_id": f"N-{number}"}).claim_id


def owed_back(house: House, amount: str) -> None:
    claim_id = approved(house, amount)
    run(house)
    house.write(lambda unit: house.desk.void(unit, ANN, claim_id, reason="Never happened"))


def test_what_is_owed_back_is_kept_back_first(house: House) -> None:
    owed_back(house, "1250.00")
    assert cents(house, OWED) == 100_000
    small, large = approved(house, "250.00", 1), approved(house, "2000.00", 2)
    (payment,) = run(house)
    assert (payment.amount.text(), payment.recovered.text(), payment.claims) == ("800.00", "1000.00", 2)
    assert (cents(house, OWED), cents(house, "payor:payable:PROV-001")) == (0, 0)
    assert cents(house, "payor:cash") == -100_000 - 80_000
    told = {
        e.payload["body"]["claim_id"]: e.payload["body"]["payment_details"]
        for e in house.heard
        if e.topic == "claim.paid"
    }
    assert (told[small]["paid_amount"].text(), told[small]["recovered_amount"].text()) == ("0.00", "200.00")
    assert (told[large]["paid_amount"].text(), told[large]["recovered_amount"].text()) == ("800.00", "800.00")
    shown = json.loads(house.row(large).wire)["payment"]
    assert (shown["paid_amount"], shown["recovered_amount"]) == (800, 800)
    row = house.row(large)
    stored = house.database.read(
        lambda unit: house.payor.repository.read(unit, system_call(1), "ExplanationOfBenefit", row.benefit_fhir).body
    )
    paid = json.loads(stored)["payment"]
    assert (paid["amount"]["value"], paid["adjustment"]["value"]) == (800.0, 800.0)
    consistent(house)


def test_what_is_left_to_recover_is_carried_on(house: House) -> None:
    owed_back(house, "1250.00")
    approved(house, "250.00", 1)
    (first,) = run(house)
    assert (first.amount.minor, first.recovered.minor, cents(house, OWED)) == (0, 20_000, 80_000)
    approved(house, "1500.00", 2)
    (second,) = run(house)
    assert (second.amount.minor, second.recovered.minor, cents(house, OWED)) == (40_000, 80_000, 0)
    approved(house, "130.00", 3)
    (third,) = run(house)
    assert (third.amount.minor, third.recovered.minor) == (10_400, 0)
    details = [e.payload["body"]["payment_details"] for e in house.heard if e.topic == "claim.paid"][-1]
    assert "recovered_amount" not in details
    consistent(house)


@given(st.lists(st.tuples(st.sampled_from(["pay", "void"]), st.integers(0, 10**12)), max_size=30))
def test_cash_and_recovered_are_always_the_payable(events: list[tuple[str, int]]) -> None:
    """Whatever is paid and voided in whatever order: never negative, never more than owed, nothing lost."""
    owed = paid = payable = recovered = voided = 0
    for kind, minor in events:
        if kind == "void":
            owed, voided = owed + minor, voided + minor
            continue
        kept = split(Money(minor, "KES"), Money(owed, "KES")).minor
        assert 0 <= kept <= min(minor, owed)
        assert kept in (minor, owed), "all that can be kept back is"
        owed, paid, payable, recovered = owed - kept, paid + minor - kept, payable + minor, recovered + kept
    assert paid + recovered == payable
    assert owed == voided - recovered >= 0


@pytest.mark.parametrize("seed", range(3))
def test_the_ledger_says_so_for_any_sequence(house: House, seed: int) -> None:
    rng, standing, made = random.Random(seed), [], []
    for number in range(14):
        standing.append(approved(house, f"{rng.randrange(1_000, 90_000) / 100:.2f}", number))
        if rng.random() < 0.5:
            made += run(house)
            if rng.random() < 0.7:
                gone = standing.pop(rng.randrange(len(standing)))
                house.write(lambda unit, gone=gone: house.desk.void(unit, ANN, gone, reason="x"))
    made += run(house) if any(not house.claim(one)["paid"] for one in standing) else []
    assert all(payment.amount_minor >= 0 and payment.recovered_minor >= 0 for payment in made)
    assert -cents(house, "payor:cash") == sum(payment.amount_minor for payment in made)
    assert cents(house, "payor:payable:PROV-001") == 0
    assert cents(house, OWED) >= 0
    # All cash went out for claims that stand, or is owed back.
    assert cents(house, "payor:expense") == sum(house.row(one).paid_minor for one in standing)
    assert -cents(house, "payor:cash") == cents(house, "payor:expense") + cents(house, OWED)
    lines = house.database.read(lambda unit: ledger.trial_balance(unit, 1, until=date(2999, 1, 1)))
    assert sum(line.debit_minor for line in lines) == sum(line.credit_minor for line in lines)
    consistent(house)


def test_a_payment_date_is_a_possible_one(house: House) -> None:
    approved(house, "1250.00")
    today = house.payor.clock.now().date()
    for wrong in (today - timedelta(days=1), today + timedelta(days=31), date(2999, 1, 1)):
        with pytest.raises(Incorrect) as caught:
            run(house, payment_date=wrong)
        assert caught.value.field == "payment_date"
    assert (
        run(house, payment_date=today + timedelta(days=30))[0].payment_date == (today + timedelta(days=30)).isoformat()
    )


def test_a_long_run_is_many_short_units_and_one_answer(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kiungo.domains.payor.payments.CLAIMS_A_UNIT_MAX", 2)
    for number in range(7):
        site.post(
            "/api/claims/",
            {**GUIDE, "provider_claim_id": f"N-{number}", "modifiers": ["76"], "amount": f"{number + 1}00.00"},
        )
    assert site.post("/api/payments/runs", {"payment_date": "2020-01-01"}, key="cashier").status_code == 400
    part = site.post("/api/payments/runs", {"claims_max": 3}, key="cashier", Idempotency_Key="run-1").json()
    assert (sum(payment["claims"] for payment in part["payments"]), part["remaining"]) == (3, True)
    again = site.post("/api/payments/runs", {"claims_max": 3}, key="cashier", Idempotency_Key="run-1")
    assert (again.json(), again.headers["idempotency-replayed"]) == (part, "true")
    assert site.post("/api/payments/runs", {}, key="cashier", Idempotency_Key="run-1").status_code == 422
    rest = site.post("/api/payments/runs", {}, key="cashier").json()
    assert ([payment["claims"] for payment in rest["payments"]], rest["remaining"]) == ([2, 2], False)
    shown = site.get(f"/api/payments/runs/{rest['run_id']}", key="cashier").json()
    assert shown == {name: rest[name] for name in ("run_id", "payments")}
    assert sum(payment["amount"] for run in (part, rest) for payment in run["payments"]) == 2240.0
    assert site.post("/api/payments/runs", {}, key="cashier").status_code == 409


def test_runs_beside_each_other_pay_different_claims(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "CLAIMS_A_UNIT_MAX", 2)
    for number in range(3):
        approved(house, f"{number + 1}00.00", number=number)
    begun, paid = threading.Event(), []

    def slow(unit: Unit) -> int:
        count = sum(payment.claims for payment in runs.pay(house.payor, unit, ANN).payments)
        begun.set()
        time.sleep(0.5)
        return count

    thread = threading.Thread(target=lambda: paid.append(house.write(slow)))
    thread.start()
    begun.wait(10)
    paid.append(sum(payment.claims for payment in house.write(lambda u: runs.pay(house.payor, u, ANN)).payments))
    thread.join(20)
    assert sorted(paid) == [1, 2]


class Breaking:
    """A machine that stops before one of the units of a run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, before: int) -> None:
        self.left, self.whole = before, runs.pay
        monkeypatch.setattr("kiungo.domains.payor.payments.CLAIMS_A_UNIT_MAX", 2)
        monkeypatch.setattr("kiungo.domains.payor.routes.desk.pay", self)

    def __call__(self, *args: object, **options: object) -> runs.Run:
        self.left -= 1
        if self.left == 0:
            raise RuntimeError("the machine stops")
        return self.whole(*args, **options)


def waiting(site: Served, count: int) -> None:
    for number in range(count):
        claim = {**GUIDE, "provider_claim_id": f"N-{number}", "modifiers": ["76"], "amount": f"{number + 1}00.00"}
        assert site.post("/api/claims/", claim).json()["status"] == "approved"


def order(site: Served, body: dict[str, object], key: str = "run-1") -> httpx.Response:
    return site.post("/api/payments/runs", body, key="cashier", Idempotency_Key=key)


def paid_in(answer: httpx.Response) -> int:
    return sum(payment["claims"] for payment in answer.json()["payments"])


def test_a_run_broken_off_between_two_units_is_gone_on_with(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting(site, 3)
    Breaking(monkeypatch, before=2)
    assert order(site, {}).status_code == 500
    answer = order(site, {})
    assert sorted(payment["claims"] for payment in answer.json()["payments"]) == [1, 2]
    assert sum(payment["amount"] for payment in answer.json()["payments"]) == 480.0


def test_a_run_gone_on_with_pays_no_more_than_was_asked(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting(site, 7)
    Breaking(monkeypatch, before=2)
    assert order(site, {"claims_max": 3}).status_code == 500
    answer = order(site, {"claims_max": 3})
    assert (paid_in(answer), answer.json()["remaining"]) == (3, True)
    assert paid_in(order(site, {}, "run-2")) == 4, "nothing more was paid"


def test_a_run_broken_off_before_its_answer_is_not_paid_again(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting(site, 7)
    Breaking(monkeypatch, before=3)
    assert order(site, {"claims_max": 5}).status_code == 500
    first = order(site, {"claims_max": 5})
    again = order(site, {"claims_max": 5})
    assert (paid_in(first), again.content, again.headers["idempotency-replayed"]) == (5, first.content, "true")
    assert paid_in(order(site, {}, "run-2")) == 2


def test_another_order_under_the_key_of_a_run_pays_nothing(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting(site, 5)
    Breaking(monkeypatch, before=2)
    assert order(site, {"claims_max": 3}).status_code == 500
    other = order(site, {"claims_max": 5})
    assert (other.status_code, other.json()["error"]["code"]) == (422, "IDEMPOTENCY_BODY_DIFFERS")
    assert paid_in(order(site, {"claims_max": 3})) == 3
    assert paid_in(order(site, {}, "run-2")) == 2


def test_eight_orders_under_one_key_at_once_are_one_run(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kiungo.domains.payor.payments.CLAIMS_A_UNIT_MAX", 2)
    waiting(site, 9)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: order(site, {"claims_max": 5}), range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert {answer.content for answer in answers} == {answers[0].content}
    assert paid_in(answers[0]) == 5
    assert paid_in(order(site, {}, "run-2")) == 4
