"""Accounts, journals, holds, reversals, statements: what is allowed, what is refused, on both engines."""

from datetime import date

import pytest

from kiungo.base.errors import Conflict, Incorrect, KiungoError, NotFound
from kiungo.base.money import Money
from kiungo.kernel import ledger
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.ledger import Journal, Posting

DAY = date(2026, 3, 2)


def kes(text: str) -> Money:
    return Money.parse(text, "KES")


def move(debit: str, credit: str, amount: str) -> Posting:
    return Posting(debit, credit, kes(amount))


@pytest.fixture
def books(stepped_database: Database) -> Database:
    def open_all(unit: Unit) -> None:
        ledger.open_account(unit, 1, "bank", "KES", "none")
        ledger.open_account(unit, 1, "provider", "KES", "dr_le_cr")
        ledger.open_account(unit, 1, "receivable", "KES", "cr_le_dr")
        ledger.open_account(unit, 1, "fees", "KES", "none")

    stepped_database.write(open_all)
    return stepped_database


def post(books: Database, key: str, *postings: Posting, effective: date = DAY, memo: str = "") -> Journal:
    return books.write(
        lambda unit: ledger.post(unit, 1, key=key, kind="test", postings=postings, effective=effective, memo=memo)
    )


def account(books: Database, id: str) -> ledger.Account:
    return books.read(lambda unit: ledger.balance(unit, 1, id, "KES"))


def is_whole(books: Database) -> bool:
    lines = books.read(lambda unit: ledger.trial_balance(unit, 1))
    balanced = sum(line.debit_minor for line in lines) == sum(line.credit_minor for line in lines)
    return balanced and books.read(lambda unit: ledger.verify(unit, 1)) == []


def code_of(books: Database, key: str, *postings: Posting) -> str:
    with pytest.raises(KiungoError) as refusal:
        post(books, key, *postings)
    return refusal.value.code


def test_a_journal_moves_money_and_can_be_read_again(books: Database) -> None:
    journal = post(books, "k1", move("bank", "provider", "100.00"), move("bank", "fees", "2.50"), memo="CLM-1")
    assert account(books, "bank").balance.posted_dr == 10_250
    assert account(books, "provider").available() == kes("100.00")
    assert books.read(lambda unit: ledger.find_journal(unit, 1, journal.id)) == journal
    assert is_whole(books)


def test_the_same_key_and_body_returns_the_first_journal(books: Database) -> None:
    first = post(books, "k1", move("bank", "provider", "100.00"))
    assert post(books, "k1", move("bank", "provider", "100.00")) == first
    assert account(books, "bank").balance.posted_dr == 10_000


def test_a_repeat_returns_the_first_even_when_the_money_is_gone_since(books: Database) -> None:
    post(books, "in", move("bank", "provider", "100.00"))
    paid = post(books, "out", move("provider", "bank", "100.00"))
    assert post(books, "out", move("provider", "bank", "100.00")) == paid


@pytest.mark.parametrize(
    "other",
    [
        {"postings": (move("bank", "provider", "100.01"),)},
        {"postings": (move("bank", "fees", "100.00"),)},
        {"memo": "other"},
        {"effective": date(2026, 3, 3)},
    ],
)
def test_the_same_key_with_another_body_is_a_conflict(books: Database, other: dict) -> None:
    said = {"postings": (move("bank", "provider", "100.00"),), "effective": DAY, "memo": ""}
    books.write(lambda unit: ledger.post(unit, 1, key="k1", kind="test", **said))
    with pytest.raises(Conflict, match="says something else"):
        books.write(lambda unit: ledger.post(unit, 1, key="k1", kind="test", **(said | other)))
    assert account(books, "bank").balance.posted_dr == 10_000


def test_keys_and_accounts_belong_to_their_tenant(books: Database) -> None:
    post(books, "k1", move("bank", "provider", "100.00"))

    def second_tenant(unit: Unit) -> Journal:
        ledger.open_account(unit, 2, "bank", "KES")
        ledger.open_account(unit, 2, "provider", "KES")
        return ledger.post(unit, 2, key="k1", kind="test", postings=[move("bank", "provider", "7.00")], effective=DAY)

    other = books.write(second_tenant)
    assert account(books, "bank").balance.posted_dr == 10_000
    with pytest.raises(NotFound):
        books.read(lambda unit: ledger.find_journal(unit, 1, other.id))
    with pytest.raises(NotFound):
        books.write(lambda unit: ledger.reverse(unit, 1, other.id, "r"))


def test_refusals_name_their_reason_and_write_nothing(books: Database) -> None:
    post(books, "in", move("bank", "provider", "100.00"))
    assert code_of(books, "a", move("provider", "bank", "100.01")) == "LEDGER_BALANCE_TOO_LOW"
    assert code_of(books, "b", move("bank", "receivable", "0.01")) == "LEDGER_BALANCE_TOO_LOW"
    assert code_of(books, "c", move("bank", "nobody", "1.00")) == "LEDGER_ACCOUNT_NOT_FOUND"
    assert code_of(books, "d", Posting("bank", "fees", Money(100, "USD"))) == "LEDGER_ACCOUNT_NOT_FOUND"
    assert code_of(books, "e", move("bank", "bank", "1.00")) == "LEDGER_POSTING_WRONG"
    assert code_of(books, "f", move("bank", "fees", "0.00")) == "LEDGER_POSTING_WRONG"
    assert code_of(books, "g", move("bank", "fees", "-1.00")) == "LEDGER_POSTING_WRONG"
    assert code_of(books, "h") == "LEDGER_POSTING_WRONG"
    assert books.read(lambda unit: unit.value("SELECT COUNT(*) FROM ledger_journal")) == 1
    assert is_whole(books)


def test_a_refusal_caught_inside_a_unit_leaves_nothing_of_the_refused_journal(books: Database) -> None:
    def unit_that_goes_on(unit: Unit) -> None:
        with pytest.raises(Conflict):
            ledger.post(unit, 1, key="a", kind="t", postings=[move("provider", "bank", "1.00")], effective=DAY)
        ledger.post(unit, 1, key="b", kind="t", postings=[move("bank", "provider", "1.00")], effective=DAY)

    books.write(unit_that_goes_on)
    assert books.read(lambda unit: unit.rows("SELECT key FROM ledger_journal")) == [("b",)]
    assert is_whole(books)


def test_totals_stay_within_what_the_engines_count_exactly(books: Database) -> None:
    largest = Money(10**17, "KES")
    for number in range(90):
        post(books, f"k{number}", Posting("bank", "fees", largest))
    assert code_of(books, "one more", Posting("bank", "fees", largest)) == "LEDGER_TOTAL_TOO_LARGE"
    assert is_whole(books)


def test_an_account_opens_once_and_keeps_its_rule(books: Database) -> None:
    again = books.write(lambda unit: ledger.open_account(unit, 1, "provider", "KES", "dr_le_cr"))
    assert again.rule == "dr_le_cr"
    with pytest.raises(Conflict, match="rule"):
        books.write(lambda unit: ledger.open_account(unit, 1, "provider", "KES", "none"))
    with pytest.raises(Incorrect):
        books.write(lambda unit: ledger.open_account(unit, 1, "provider", "XXX", "none"))


def hold(books: Database, key: str, *postings: Posting) -> Journal:
    return books.write(lambda unit: ledger.hold(unit, 1, key=key, kind="test", postings=postings, effective=DAY))


def test_a_hold_reserves_and_is_posted_whole(books: Database) -> None:
    post(books, "in", move("bank", "provider", "100.00"))
    held = hold(books, "h", move("provider", "bank", "60.00"))
    assert account(books, "provider").available() == kes("40.00")
    assert code_of(books, "x", move("provider", "bank", "40.01")) == "LEDGER_BALANCE_TOO_LOW"
    posted = books.write(lambda unit: ledger.post_hold(unit, 1, held.id, "p"))
    assert posted.settles == held.id
    assert posted.postings == held.postings
    assert account(books, "provider").balance == ledger.Balance(6_000, 10_000, 0, 0)
    assert books.write(lambda unit: ledger.post_hold(unit, 1, held.id, "p")) == posted
    assert is_whole(books)


def test_a_hold_posted_in_part_releases_the_rest(books: Database) -> None:
    post(books, "in", move("bank", "provider", "100.00"))
    held = hold(books, "h", move("provider", "bank", "60.00"), move("provider", "fees", "10.00"))
    amounts = (kes("25.00"), kes("0.00"))
    posted = books.write(lambda unit: ledger.post_hold(unit, 1, held.id, "p", amounts=amounts))
    assert posted.postings == (move("provider", "bank", "25.00"),)
    assert account(books, "provider").available() == kes("75.00")
    assert is_whole(books)


@pytest.mark.parametrize(
    "amounts",
    [("60.01", "0.00"), ("1.00",), ("0.00", "0.00"), ("-1.00", "2.00"), ("1.00", "1.00", "1.00")],
)
def test_amounts_that_do_not_fit_a_hold_are_refused(books: Database, amounts: tuple[str, ...]) -> None:
    post(books, "in", move("bank", "provider", "100.00"))
    held = hold(books, "h", move("provider", "bank", "60.00"), move("provider", "fees", "10.00"))
    with pytest.raises(Incorrect, match="do not fit"):
        books.write(lambda unit: ledger.post_hold(unit, 1, held.id, "p", amounts=[kes(text) for text in amounts]))
    assert is_whole(books)


def test_a_hold_is_settled_once(books: Database) -> None:
    post(books, "in", move("bank", "provider", "100.00"))
    held = hold(books, "h", move("provider", "bank", "60.00"))
    voided = books.write(lambda unit: ledger.void_hold(unit, 1, held.id, "v"))
    assert books.write(lambda unit: ledger.void_hold(unit, 1, held.id, "v")) == voided
    assert account(books, "provider").available() == kes("100.00")
    for settle in (ledger.post_hold, ledger.void_hold):
        with pytest.raises(Conflict, match="settled by journal"):
            books.write(lambda unit, settle=settle: settle(unit, 1, held.id, "again"))
    plain = post(books, "plain", move("bank", "fees", "1.00"))
    with pytest.raises(Conflict, match="is not a hold"):
        books.write(lambda unit: ledger.post_hold(unit, 1, plain.id, "again"))
    assert is_whole(books)


def test_a_reversal_undoes_a_journal_once(books: Database) -> None:
    paid = post(books, "in", move("bank", "provider", "100.00"), move("bank", "fees", "2.00"))
    undone = books.write(lambda unit: ledger.reverse(unit, 1, paid.id, "r", memo="mistake"))
    assert undone.reverses == paid.id
    for id in ("bank", "provider", "fees"):
        assert account(books, id).balance.net_dr == 0
    assert books.write(lambda unit: ledger.reverse(unit, 1, paid.id, "r", memo="mistake")) == undone
    with pytest.raises(Conflict, match="was reversed by journal"):
        books.write(lambda unit: ledger.reverse(unit, 1, paid.id, "r2"))
    with pytest.raises(Conflict, match="is itself a reversal"):
        books.write(lambda unit: ledger.reverse(unit, 1, undone.id, "r3"))
    held = hold(books, "h", move("bank", "fees", "1.00"))
    with pytest.raises(Conflict, match="is held"):
        books.write(lambda unit: ledger.reverse(unit, 1, held.id, "r4"))
    assert is_whole(books)


def test_a_reversal_repeated_on_another_day_is_the_same_reversal(books: Database, clock) -> None:
    paid = post(books, "in", move("bank", "provider", "100.00"))
    undone = books.write(lambda unit: ledger.reverse(unit, 1, paid.id, "r"))
    clock.turn(days=3)
    assert books.write(lambda unit: ledger.reverse(unit, 1, paid.id, "r")) == undone


def test_a_reversal_may_not_overdraw(books: Database) -> None:
    paid = post(books, "in", move("bank", "provider", "100.00"))
    post(books, "out", move("provider", "bank", "70.00"))
    with pytest.raises(Conflict) as refusal:
        books.write(lambda unit: ledger.reverse(unit, 1, paid.id, "r"))
    assert refusal.value.code == "LEDGER_BALANCE_TOO_LOW"


def test_a_statement_runs_by_effective_date(books: Database) -> None:
    post(books, "late", move("bank", "provider", "30.00"), effective=date(2026, 3, 5))
    post(books, "early", move("bank", "provider", "10.00"), effective=date(2026, 3, 1))
    post(books, "out", move("provider", "bank", "15.00"), effective=date(2026, 3, 5))
    hold(books, "h", move("provider", "bank", "5.00"))
    whole = books.read(
        lambda unit: ledger.statement(unit, 1, "provider", "KES", since=date(2026, 3, 2), until=date(2026, 3, 31))
    )
    assert (whole.opening_net_dr_minor, whole.closing_net_dr_minor) == (-1_000, -2_500)
    assert [(line.side, line.amount.text(), line.net_dr_minor) for line in whole.lines] == [
        ("credit", "30.00", -4_000),
        ("debit", "15.00", -2_500),
    ]
    assert {line.other_account for line in whole.lines} == {"bank"}


def test_a_trial_balance_of_an_earlier_day_counts_what_was_effective_then(books: Database) -> None:
    post(books, "a", move("bank", "provider", "10.00"), effective=date(2026, 3, 1))
    post(books, "b", move("bank", "fees", "30.00"), effective=date(2026, 3, 5))
    lines = books.read(lambda unit: ledger.trial_balance(unit, 1, until=date(2026, 3, 4)))
    assert [(line.account, line.debit_minor, line.credit_minor) for line in lines] == [
        ("bank", 1_000, 0),
        ("provider", 0, 1_000),
    ]


def test_verify_finds_a_cached_balance_that_was_tampered_with(books: Database) -> None:
    post(books, "a", move("bank", "provider", "10.00"))
    books.write(lambda unit: unit.execute("UPDATE ledger_account SET posted_dr = 999 WHERE id = 'bank'"))
    found = books.read(lambda unit: ledger.verify(unit, 1))
    assert [(one.account, one.cached.posted_dr, one.added_up.posted_dr) for one in found] == [("bank", 999, 1_000)]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE ledger_posting SET amount_minor = 1",
        "DELETE FROM ledger_posting",
        "UPDATE ledger_journal SET memo = 'x'",
        "DELETE FROM ledger_journal",
        "UPDATE ledger_account SET posted_dr = 100000000 WHERE id = 'provider'",
        "UPDATE ledger_account SET posted_cr = -1 WHERE id = 'provider'",
        "INSERT INTO ledger_posting (tn, journal, seq, phase, effective, debit, credit, currency, amount_minor)"
        " VALUES (1, 1, 9, 'posted', '2026-03-02', 'bank', 'nobody', 'KES', 5)",
        "INSERT INTO ledger_posting (tn, journal, seq, phase, effective, debit, credit, currency, amount_minor)"
        " VALUES (1, 1, 9, 'posted', '2026-03-02', 'bank', 'fees', 'KES', 0)",
        "INSERT INTO ledger_posting (tn, journal, seq, phase, effective, debit, credit, currency, amount_minor)"
        " VALUES (1, 1, 9, 'posted', '2026-03-02', 'bank', 'fees', 'USD', 5)",
    ],
)
def test_the_database_itself_refuses_what_the_ledger_forbids(books: Database, sql: str) -> None:
    post(books, "a", move("bank", "provider", "10.00"))
    with pytest.raises(Exception, match=r"(?i)append-only|constraint|foreign key|check"):
        books.write(lambda unit: unit.execute(sql))
    assert is_whole(books)
