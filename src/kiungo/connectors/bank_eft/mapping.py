"""Between our orders and the bank's files. Pure."""

import hashlib
from collections import Counter
from collections.abc import Mapping

from kiungo.base.money import Money
from kiungo.connectors.bank_eft.settings import BankSettings
from kiungo.formats.bank_statements import camt053, csv_profile, mt940, pain001
from kiungo.formats.bank_statements.csv_profile import Profile
from kiungo.formats.bank_statements.model import Entry, FileAnswer, Part, PaymentFile, Statement, Transfer
from kiungo.ports.payment import AccountStatement, Answer, Batch, Notice, Order, StatementLine

FORMAT_BYTES = 1_000


def payment_file(batch: Batch, orders: tuple[Order, ...], settings: BankSettings, made_at_us: int) -> PaymentFile:
    """The payment file of some orders of a batch."""
    return PaymentFile(
        message_id=batch.reference,
        made_at_us=made_at_us,
        execute_on=batch.made_on,
        debtor_name=settings.account_name,
        debtor_account=settings.account,
        debtor_bank_code=settings.bank_code,
        transfers=tuple(transfer(order) for order in orders),
    )


def transfer(order: Order) -> Transfer:
    """One order as a transfer; our reference comes back in answers and on statements."""
    to = order.destination
    return Transfer(
        order.reference, order.amount, order.payee_name, to.number, to.bank_code, to.branch_code, order.purpose
    )


def problem_of(order: Order, file: PaymentFile) -> str:
    """Why the bank would refuse this order alone, or nothing."""
    alone = PaymentFile(
        file.message_id, file.made_at_us, file.execute_on, file.debtor_name, file.debtor_account,
        file.debtor_bank_code, (transfer(order),),
    )  # fmt: skip
    problems = pain001.validate(alone)
    return f"{problems[0].field} {problems[0].message}" if problems else ""


def notices(answer: FileAnswer) -> tuple[Notice, ...]:
    """What the bank's answer says of each transfer, or of the whole file. Only refusals and bookings are outcomes."""
    ids = {"batch": answer.original_message_id}
    said = tuple(
        Notice(one.end_to_end, _answer(one.status, one.reason_code, one.reason, answer.message_id, ids))
        for one in answer.transfers
    )
    if answer.status == "rejected" and not said:
        return (Notice("", Answer("failed", answer.reason or "the bank refused the file", "request", rail_ids=ids)),)
    return said


def statements(body: bytes, settings: BankSettings, profile: Profile | None) -> tuple[AccountStatement, ...]:
    """The statements of a file in the format it has: people upload what their portal gives. Raises: Incorrect."""
    kind = format_of(body) or ("csv" if profile is not None else settings.statement_format)
    if kind == "mt940":
        found = mt940.parse(body)
    elif kind == "camt053" or profile is None:
        found = camt053.parse(body)
    else:
        found = (
            csv_profile.parse_statement(body, profile, account=settings.account, currency=settings.currency),
        )  # fmt: skip
    return tuple(account_statement(statement) for statement in found)


def format_of(body: bytes) -> str:
    """camt053 or mt940 by how a file begins; nothing when it may be anything else."""
    start = body[:FORMAT_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<"):
        return "camt053"
    if start.startswith((b":20:", b"{1:")):
        return "mt940"
    return ""


def account_statement(statement: Statement) -> AccountStatement:
    """A bank's statement in the port's words: each part of a booked entry is a line."""
    seen: Counter[str] = Counter()
    lines = []
    for entry in statement.entries:
        if not entry.is_pending:
            for place, part in enumerate(entry.parts or (Part(entry.amount),)):
                lines.append(_line(entry, part, place, seen))
    # Some banks write the same id on every statement, and begin their numbers anew each year.
    statement_id = statement.statement_id
    if statement.number:
        statement_id = f"{statement_id}/{statement.number}/{statement.closing_on}"
    return AccountStatement(
        statement.account, statement_id, statement.opening, statement.closing, statement.opening_on,
        statement.closing_on, tuple(lines),
    )  # fmt: skip


def _line(entry: Entry, part: Part, place: int, seen: Counter[str]) -> StatementLine:
    amount = part.amount if entry.direction == "credit" else Money(-part.amount.minor, part.amount.currency)
    if entry.reference:
        line_id = f"{entry.reference}/{place}"
    else:
        # Without the bank's reference a line is known by what it says, and how many before it said the same that day.
        said = f"{entry.booked_on}|{amount.minor}|{part.end_to_end}|{part.party}|{part.text}"
        seen[said] += 1
        line_id = f"{entry.booked_on}/{hashlib.sha256(said.encode()).hexdigest()[:16]}/{seen[said]}"
    references = tuple(text for text in (part.end_to_end, part.text, entry.reference) if text)
    return StatementLine(line_id, entry.booked_on, amount, references, part.party, part.text)


def _answer(status: str, code: str, reason: str, message_id: str, ids: Mapping[str, str]) -> Answer:
    if status == "rejected":
        return Answer("failed", f"{code} {reason}".strip() or "the bank refused it", "payee", rail_ids=ids)
    if status == "booked":
        return Answer("paid", receipt=message_id, rail_ids=ids)
    return Answer("accepted", rail_ids=ids)
