"""What we need of a payment rail: submit once, learn the outcome however late, read the account's statement.

A rail says what it can do as data (`Capabilities`). Its answers are values: nothing a rail does is a reason to
submit again, except `not_taken`, which a rail gives only when it knows that the order was never received.

    accepted    queued; the outcome comes later
    paid        money moved, with a receipt
    failed      money did not move and will not; the cause must change first
    not_taken   the order was certainly not received; the same order may be submitted again
    unknown     nobody can say; never submitted again, only resolved
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, Protocol

from kiungo.base.money import Money

DestinationKind = Literal["wallet", "shortcode", "till", "bank_account"]
Status = Literal["accepted", "paid", "failed", "not_taken", "unknown"]
Cause = Literal["funds", "limit", "payee", "credential", "request", "busy", "other"]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a payee wants the money. Shapes: `number` is a phone (digits with country code), a short code, a till
    or a bank account; `bank_code` and `branch_code` only for bank accounts.
    """

    kind: DestinationKind
    number: str
    bank_code: str = ""
    branch_code: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """One payment to make. Shapes: `reference` is ours, at most 13 capitals and digits, unique for ever."""

    reference: str
    amount: Money
    destination: Destination
    payee_name: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Orders submitted together. Shapes: `reference` unique for ever; not more orders than `batch_max`."""

    reference: str
    orders: tuple[Order, ...]
    made_on: date


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a rail can do. Units: `amount_max_minor` of `currency`, for one payment; `whole_units` pays no cents;
    `batch_wait_s` is how long orders are collected, `silence_s` after how long without a word we ask.
    """

    rail: str
    currency: str
    destinations: frozenset[DestinationKind]
    amount_max_minor: int
    amount_max_by_kind: Mapping[DestinationKind, int] = field(default_factory=dict)
    whole_units: bool = False
    batch_max: int = 1
    batch_wait_s: float = 0.0
    silence_s: float = 300.0

    def limit_minor(self, kind: DestinationKind) -> int:
        """The largest single payment to this kind of destination."""
        return self.amount_max_by_kind.get(kind, self.amount_max_minor)


@dataclass(frozen=True, slots=True)
class Answer:
    """How one order stands. Shapes: `rail_ids` are the rail's own ids, to be kept; `receipt` only when paid."""

    status: Status
    reason: str = ""
    cause: Cause = "other"
    receipt: str = ""
    rail_ids: Mapping[str, str] = field(default_factory=dict)
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """What a rail tells by itself: a callback, an acknowledgement file, a return.

    Shapes: `reference` is our order's, or empty when the rail named only its own ids. `amount` and `destination` are
    what the rail says it paid, None when it did not say. A `returned` payment had been paid before.
    """

    reference: str
    answer: Answer
    amount: Money | None = None
    destination_number: str | None = None
    returned: bool = False


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One booking on our account. Shapes: `amount` is negative for money that left. `references` are every text
    that may hold our reference; `line_id` is unique on the account for ever.
    """

    line_id: str
    booked_on: date
    amount: Money
    references: tuple[str, ...]
    party: str
    text: str


@dataclass(frozen=True, slots=True)
class AccountStatement:
    """An account over a period, as its keeper states it."""

    account: str
    statement_id: str
    opening: Money
    closing: Money
    opened_on: date
    closed_on: date
    lines: tuple[StatementLine, ...]


class Rail(Protocol):
    """A way to move money. Calls block, retry nothing, and never raise for what the outside does."""

    @property
    def capabilities(self) -> Capabilities:
        """What this rail can do."""
        ...

    def submit(self, batch: Batch) -> Mapping[str, Answer]:
        """Submit orders once; an answer for each by its reference."""
        ...

    def query(self, order: Order, rail_ids: Mapping[str, str]) -> Answer:
        """Ask how one order stands; `accepted` when the answer itself comes later as a notice."""
        ...

    def read_statements(self, body: bytes, context: Mapping[str, str]) -> tuple[AccountStatement, ...]:
        """The statements in a stored file of the rail. Raises: Incorrect."""
        ...

    def read_notices(self, body: bytes, context: Mapping[str, str]) -> tuple[Notice, ...]:
        """What a stored message of the rail says; `context` is what its door knew. Raises: Incorrect."""
        ...
