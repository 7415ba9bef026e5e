"""Random histories and races: balances are always what a plain model says, and nobody overdraws."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kiungo.base.errors import Conflict, KiungoError
from kiungo.base.money import Money
from kiungo.kernel import ledger
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.ledger import Balance, Posting

DAY = date(2026, 3, 2)
RULES = {"a": "none", "b": "none", "owed": "dr_le_cr", "due": "cr_le_dr"}

posting = st.builds(
    lambda accounts, minor, currency: Posting(*accounts, Money(minor, currency)),
    st.sampled_from([(x, y) for x in RULES for y in RULES if x != y]),
    st.integers(1, 5_000),
    st.sampled_from(["KES", "JPY"]),
)
step = st.one_of(
    st.tuples(st.just("post"), st.lists(posting, min_size=1, max_size=3), st.integers(0, 4)),
    st.tuples(st.just("hold"), st.lists(posting, min_size=1, max_size=3), st.integers(0, 4)),
    st.tuples(st.sampled_from(["settle", "part", "void", "reverse"]), st.just([]), st.integers(0, 30)),
)


class Model:
    """The ledger as a list of what happened; balances are added up each time."""

    def __init__(self) -> None:
        self.posted: list[tuple[Posting, ...]] = []
        self.held: dict[int, tuple[Posting, ...]] = {}

    def balance(self, id: str, currency: str) -> Balance:
        def side(journals: list[tuple[Posting, ...]], name: str) -> int:
            return sum(
                p.amount.minor
                for journal in journals
                for p in journal
                if getattr(p, name) == id and p.amount.currency == currency
            )

        held = list(self.held.values())
        return Balance(
            side(self.posted, "debit"), side(self.posted, "credit"), side(held, "debit"), side(held, "credit")
        )

    def obeys_rules(self) -> bool:
        for currency in ("KES", "JPY"):
            owed, due = self.balance("owed", currency), self.balance("due", currency)
            if owed.posted_dr + owed.pending_dr > owed.posted_cr:
                return False
            if due.posted_cr + due.pending_cr > due.posted_dr:
                return False
        return True


def run(unit: Unit, model: Model, verb: str, postings: list[Posting], number: int, key: str) -> None:
    """One step on both; a refusal by the ledger must leave it as it was."""
    if verb in ("post", "hold"):
        act = ledger.post if verb == "post" else ledger.hold
        journal = act(unit, 1, key=key, kind="p", postings=postings, effective=DAY)
        if verb == "post":
            model.posted.append(journal.postings)
        else:
            model.held[journal.id] = journal.postings
        return
    if verb == "reverse":
        undone = ledger.reverse(unit, 1, number, key, effective=DAY)
        model.posted.append(undone.postings)
        return
    holds = sorted(model.held)
    if not holds:
        return
    chosen = holds[number % len(holds)]
    if verb == "void":
        ledger.void_hold(unit, 1, chosen, key)
    else:
        share = 1 if verb == "settle" else 2
        amounts = [Money(max(p.amount.minor // share, 1), p.amount.currency) for p in model.held[chosen]]
        model.posted.append(ledger.post_hold(unit, 1, chosen, key, amounts=amounts).postings)
    del model.held[chosen]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(step, min_size=1, max_size=25), seed=st.integers(0, 2**32))
def test_random_histories_agree_with_a_plain_model(
    stepped_database: Database, steps: list[tuple[str, list[Posting], int]], seed: int
) -> None:
    prefix = f"{seed}-{random.random()}"
    accepted = 0

    class Undo(Exception):
        pass

    def history(unit: Unit) -> None:
        nonlocal accepted
        base = unit.value("SELECT COALESCE(MAX(id), 0) FROM ledger_journal")
        for id, rule in RULES.items():
            for currency in ("KES", "JPY"):
                ledger.open_account(unit, 1, id, currency, rule)
        model = Model()
        for number, (verb, postings, chosen) in enumerate(steps):
            target = base + 1 + chosen % (number + 1) if verb == "reverse" else chosen
            try:
                run(unit, model, verb, postings, target, f"{prefix}-{number}")
                accepted += 1
            except KiungoError:
                assert verb != "void"
            assert model.obeys_rules()
        for id in RULES:
            for currency in ("KES", "JPY"):
                assert ledger.balance(unit, 1, id, currency).balance == model.balance(id, currency)
        assert ledger.verify(unit, 1) == []
        for currency in ("KES", "JPY"):
            lines = [line for line in ledger.trial_balance(unit, 1) if line.currency == currency]
            assert sum(line.debit_minor for line in lines) == sum(line.credit_minor for line in lines)
        raise Undo  # the next example starts from an empty ledger: nothing of a journal can be deleted

    with pytest.raises(Undo):
        stepped_database.write(history)


def test_eight_threads_that_overdraw_are_stopped_to_the_cent(database: Database) -> None:
    def begin(unit: Unit) -> None:
        ledger.open_account(unit, 1, "bank", "KES")
        for number in range(3):
            ledger.open_account(unit, 1, f"provider-{number}", "KES", "dr_le_cr")
            fund = [Posting("bank", f"provider-{number}", Money(50_000, "KES"))]
            ledger.post(unit, 1, key=f"fund-{number}", kind="in", postings=fund, effective=DAY)

    database.write(begin)

    def draw(thread: int) -> tuple[int, int]:
        rng = random.Random(thread)
        taken = refused = 0
        for number in range(40):
            first, second = rng.sample(range(3), 2)
            minor = rng.randint(1, 3_000)
            postings = [
                Posting(f"provider-{first}", "bank", Money(minor, "KES")),
                Posting(f"provider-{second}", "bank", Money(minor, "KES")),
            ]
            try:
                database.write(
                    lambda unit, key=f"{thread}-{number}", postings=postings: ledger.post(
                        unit, 1, key=key, kind="out", postings=postings, effective=DAY
                    )
                )
                taken += 2 * minor
            except Conflict:
                refused += 1
        return taken, refused

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(draw, range(8)))
    left = [
        database.read(lambda unit, n=number: ledger.balance(unit, 1, f"provider-{n}", "KES")).available().minor
        for number in range(3)
    ]
    assert min(left) >= 0
    assert sum(left) == 150_000 - sum(taken for taken, _ in results)
    assert sum(refused for _, refused in results) > 0
    assert database.read(lambda unit: ledger.verify(unit, 1)) == []


def test_one_key_posted_by_eight_threads_is_one_journal(database: Database) -> None:
    def begin(unit: Unit) -> None:
        ledger.open_account(unit, 1, "a", "KES")
        ledger.open_account(unit, 1, "b", "KES")

    database.write(begin)
    together = threading.Barrier(8)

    def post_all(_: int) -> list[int]:
        together.wait()
        return [
            database.write(
                lambda unit, key=f"k{number}": ledger.post(
                    unit, 1, key=key, kind="t", postings=[Posting("a", "b", Money(100, "KES"))], effective=DAY
                )
            ).id
            for number in range(20)
        ]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post_all, range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert database.read(lambda unit: unit.value("SELECT COUNT(*) FROM ledger_journal")) == 20
    assert database.read(lambda unit: ledger.balance(unit, 1, "a", "KES")).balance.posted_dr == 2_000


def test_a_hold_posted_and_voided_at_once_is_settled_once(database: Database) -> None:
    def begin(unit: Unit) -> list[int]:
        ledger.open_account(unit, 1, "a", "KES")
        ledger.open_account(unit, 1, "b", "KES")
        return [
            ledger.hold(
                unit, 1, key=f"h{n}", kind="t", postings=[Posting("a", "b", Money(100, "KES"))], effective=DAY
            ).id
            for n in range(20)
        ]

    holds = database.write(begin)

    def settle(thread: int) -> int:
        done = 0
        for held in holds:
            verb = ledger.post_hold if thread % 2 else ledger.void_hold
            try:
                database.write(lambda unit, verb=verb, held=held: verb(unit, 1, held, f"{thread}-{held}"))
                done += 1
            except Conflict:
                continue
        return done

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(settle, range(4))) == len(holds)
    assert database.read(lambda unit: ledger.verify(unit, 1)) == []
