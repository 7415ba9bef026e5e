"""The values behind every bank format: statements, payment files and the bank's answers to them."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from kiungo.base.errors import Incorrect, define
from kiungo.base.money import Money

BANK_FILE_MALFORMED = define("BANK_FILE_MALFORMED", Incorrect, "A bank file breaks the rules of its format.")

Direction = Literal["credit", "debit"]
AnswerStatus = Literal["received", "accepted", "booked", "rejected", "pending"]


@dataclass(frozen=True, slots=True)
class Part:
    """One payment inside an entry. Shapes: `end_to_end` is the payer's reference, empty when the bank gave none."""

    amount: Money
    end_to_end: str = ""
    party: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One booking. Shapes: `amount` above zero, `direction` seen from the account's owner: credit is money in.

    `reference` is the bank's own for this entry; a batch has several parts, which sum to its amount.
    """

    booked_on: date
    value_on: date
    amount: Money
    direction: Direction
    reference: str = ""
    code: str = ""
    is_reversal: bool = False
    is_pending: bool = False
    parts: tuple[Part, ...] = ()

    @property
    def signed(self) -> Money:
        """The amount as it changes the balance."""
        return self.amount if self.direction == "credit" else -self.amount


@dataclass(frozen=True, slots=True)
class Statement:
    """An account from one balance to the next. Shapes: balances are negative when overdrawn."""

    account: str
    statement_id: str
    number: int
    opening: Money
    opening_on: date
    closing: Money
    closing_on: date
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Transfer:
    """One credit transfer of a payment file. Shapes: `end_to_end` comes back in answers and on statements."""

    end_to_end: str
    amount: Money
    name: str
    account: str
    bank_code: str
    branch_code: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class PaymentFile:
    """Credit transfers from one account, on one day. Shapes: `message_id` unique for ever at the bank."""

    message_id: str
    made_at_us: int
    execute_on: date
    debtor_name: str
    debtor_account: str
    debtor_bank_code: str
    transfers: tuple[Transfer, ...]


@dataclass(frozen=True, slots=True)
class TransferAnswer:
    """What the bank says of one transfer."""

    end_to_end: str
    status: AnswerStatus
    reason_code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """What the bank says of a payment file: of the whole (`status`), and of single transfers.

    Shapes: `status` None when it speaks of single transfers only.
    """

    message_id: str
    original_message_id: str
    status: AnswerStatus | None
    reason: str
    transfers: tuple[TransferAnswer, ...]


def malformed(standard: str, problem: str, *, field: str = "file") -> Incorrect:
    """The refusal of a file that cannot be read."""
    return Incorrect(
        BANK_FILE_MALFORMED,
        f"This is not a usable {standard} file: {problem}",
        field=field,
        hint="Ask the bank to send the file again, or correct its profile",
    )
