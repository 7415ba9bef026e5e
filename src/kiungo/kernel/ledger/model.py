"""The ledger's values, and the pure rules that decide whether balances may change."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from kiungo.base.errors import Conflict, Incorrect, NotFound, define
from kiungo.base.money import Money

LEDGER_ACCOUNT_NOT_FOUND = define(
    "LEDGER_ACCOUNT_NOT_FOUND", NotFound, "A posting names an account that is not open in its currency."
)
LEDGER_ACCOUNT_DIFFERS = define("LEDGER_ACCOUNT_DIFFERS", Conflict, "The account is open already, with another rule.")
LEDGER_BALANCE_TOO_LOW = define(
    "LEDGER_BALANCE_TOO_LOW", Conflict, "The movement would overdraw an account that may not be overdrawn."
)
LEDGER_POSTING_WRONG = define(
    "LEDGER_POSTING_WRONG", Incorrect, "A posting is not a positive amount between two different accounts."
)
LEDGER_TOTAL_TOO_LARGE = define(
    "LEDGER_TOTAL_TOO_LARGE", Incorrect, "An account's total would pass what the ledger can hold."
)

Rule = Literal["none", "dr_le_cr", "cr_le_dr"]
"""dr_le_cr: debits never exceed credits (money we owe or hold); cr_le_dr: the other way (money owed to us)."""

Phase = Literal["posted", "held", "voided"]
AccountKey = tuple[str, str]
"""Account id and currency."""

POSTINGS_MAX = 1_000
TOTAL_MAX = 9 * 10**18


@dataclass(frozen=True, slots=True)
class Posting:
    """An amount from the credit account to the debit account. Shapes: amount above zero, accounts differ."""

    debit: str
    credit: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Journal:
    """Postings that happened together. `settles` and `reverses` name earlier journals.

    Units: `posted_us` is when we wrote it, `effective` the day it counts for.
    """

    id: int
    key: str
    kind: str
    phase: Phase
    effective: date
    posted_us: int
    memo: str
    settles: int | None
    reverses: int | None
    postings: tuple[Posting, ...]


@dataclass(frozen=True, slots=True)
class Balance:
    """An account's totals. Units: minor units of the currency; pending are holds not yet posted or voided."""

    posted_dr: int = 0
    posted_cr: int = 0
    pending_dr: int = 0
    pending_cr: int = 0

    def plus(self, other: "Balance") -> "Balance":
        """Add totals; a change may be negative."""
        return Balance(
            self.posted_dr + other.posted_dr,
            self.posted_cr + other.posted_cr,
            self.pending_dr + other.pending_dr,
            self.pending_cr + other.pending_cr,
        )

    @property
    def net_dr(self) -> int:
        """Posted debits less posted credits."""
        return self.posted_dr - self.posted_cr


@dataclass(frozen=True, slots=True)
class Account:
    """An account in one currency with its rule and its cached balance."""

    id: str
    currency: str
    rule: Rule
    balance: Balance

    def available(self) -> Money:
        """What may still be taken under the rule: holds count as taken, expected income does not."""
        held = self.balance
        if self.rule == "cr_le_dr":
            return Money(held.posted_dr - held.posted_cr - held.pending_cr, self.currency)
        return Money(held.posted_cr - held.posted_dr - held.pending_dr, self.currency)


def check_postings(postings: Sequence[Posting]) -> None:
    """Refuse what can never be posted. Raises: Incorrect LEDGER_POSTING_WRONG."""
    if not 1 <= len(postings) <= POSTINGS_MAX:
        raise _wrong(f"a journal has 1 to {POSTINGS_MAX} postings, not {len(postings)}", "postings")
    for number, posting in enumerate(postings):
        if posting.amount.minor <= 0:
            raise _wrong(f"posting {number + 1} moves {posting.amount.text()}", f"postings[{number}].amount")
        if posting.debit == posting.credit:
            raise _wrong(f"posting {number + 1} moves from {posting.debit} to itself", f"postings[{number}]")


def changes_of(postings: Sequence[Posting], *, pending: int = 0, posted: int = 0) -> dict[AccountKey, Balance]:
    """How postings change each account: `pending` and `posted` are +1 to add, -1 to take back, 0 to leave."""
    changes: dict[AccountKey, Balance] = defaultdict(Balance)
    for posting in postings:
        minor, currency = posting.amount.minor, posting.amount.currency
        for account, change in (
            (posting.debit, Balance(posted_dr=posted * minor, pending_dr=pending * minor)),
            (posting.credit, Balance(posted_cr=posted * minor, pending_cr=pending * minor)),
        ):
            changes[account, currency] = changes[account, currency].plus(change)
    return dict(changes)


def merge(*parts: Mapping[AccountKey, Balance]) -> dict[AccountKey, Balance]:
    """Add up changes, in the order in which accounts are locked."""
    merged: dict[AccountKey, Balance] = defaultdict(Balance)
    for part in parts:
        for key, change in part.items():
            merged[key] = merged[key].plus(change)
    return dict(sorted(merged.items()))


def apply(account: Account, change: Balance) -> Account:
    """The account after a change.

    Raises: Conflict LEDGER_BALANCE_TOO_LOW; Incorrect LEDGER_TOTAL_TOO_LARGE.
    """
    after = account.balance.plus(change)
    broken = (account.rule == "dr_le_cr" and after.posted_dr + after.pending_dr > after.posted_cr) or (
        account.rule == "cr_le_dr" and after.posted_cr + after.pending_cr > after.posted_dr
    )
    if broken:
        raise Conflict(
            LEDGER_BALANCE_TOO_LOW,
            f"Account {account.id} has {account.available().text()} {account.currency} available, which is too little",
            field="postings",
            hint="Move less, or wait until more has been posted to the account",
        )
    if max(after.posted_dr, after.posted_cr, after.pending_dr, after.pending_cr) > TOTAL_MAX:
        raise Incorrect(
            LEDGER_TOTAL_TOO_LARGE,
            f"The totals of account {account.id} would become too large",
            field="postings",
            hint="Open a new account for the next period and carry the balance forward",
        )
    return replace(account, balance=after)


def missing_account(key: AccountKey) -> NotFound:
    """The error for an account that is not open."""
    return NotFound(
        LEDGER_ACCOUNT_NOT_FOUND,
        f"Account {key[0]} is not open in {key[1]}",
        field="postings",
        hint="Open it with open_account, in this currency",
    )


def _wrong(why: str, field: str) -> Incorrect:
    return Incorrect(
        LEDGER_POSTING_WRONG,
        f"These postings are not possible: {why}",
        field=field,
        hint="Every posting moves an amount above zero from one account to another",
    )
