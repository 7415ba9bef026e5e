"""CSV files of banks, each described by a profile: data, not code.

A profile says how a bank writes amounts, dates and columns. There is no national format in Kenya, so a new bank is a
new profile in TOML; the profiles themselves lie with the connector that uses them.

    [file]       name, delimiter, encoding, header (true/false), extension, line_end
    [[column]]   of payment files: title, content ("{account}"), length_max
    [statement]  of statements: which column holds what
    [answer]     of answers: which column holds what, and which words mean what
"""

import csv
import io
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from kiungo.base.errors import Incorrect, define
from kiungo.base.money import Money
from kiungo.formats.bank_statements.model import (
    AnswerStatus,
    Entry,
    FileAnswer,
    Part,
    PaymentFile,
    Statement,
    Transfer,
    TransferAnswer,
    malformed,
)

BANK_PROFILE_WRONG = define("BANK_PROFILE_WRONG", Incorrect, "A bank's CSV profile is incomplete or unreadable.")

STANDARD = "CSV"
BYTES_MAX = 20_000_000
ROWS_MAX = 200_000
FIELDS = ("end_to_end", "amount", "name", "account", "bank_code", "branch_code", "sort_code", "text", "execute_on")
STATUSES: tuple[AnswerStatus, ...] = ("received", "accepted", "booked", "rejected", "pending")
# A spreadsheet would run a cell that begins like this as a formula.
_FORMULA = re.compile(r"[=+\-@\t]")
_PLACE = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a payment file. Shapes: `content` is text with places such as {account}."""

    title: str
    content: str
    length_max: int


@dataclass(frozen=True, slots=True)
class Profile:
    """How one bank writes its files. Shapes: `statement` and `answer` map our names to the bank's column titles."""

    name: str
    delimiter: str
    encoding: str
    header: bool
    extension: str
    date_format: str
    columns: tuple[Column, ...]
    statement: Mapping[str, str]
    answer: Mapping[str, str]
    answer_words: Mapping[str, AnswerStatus]


def read_profile(text: str) -> Profile:
    """Read a profile from TOML. Raises: Incorrect BANK_PROFILE_WRONG, naming what is missing."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _wrong("file", f"is not TOML ({error})") from None
    file: dict[str, Any] = data.get("file", {})
    for required in ("name", "date_format"):
        if not isinstance(file.get(required), str):
            raise _wrong(f"file.{required}", "is missing")
    columns = tuple(
        Column(str(column.get("title", "")), str(column.get("content", "")), int(column.get("length_max", 140)))
        for column in data.get("column", ())
    )
    for column in columns:
        unknown = set(_PLACE.findall(column.content)) - set(FIELDS)
        if unknown:
            raise _wrong(f"column {column.title!r}", f"names {sorted(unknown)}, which no transfer has")
    words = {str(word): status for status, said in data.get("answer_words", {}).items() for word in said}
    if not set(words.values()) <= set(STATUSES):
        raise _wrong("answer_words", f"maps to something other than {', '.join(STATUSES)}")
    return Profile(
        file["name"], file.get("delimiter", ","), file.get("encoding", "utf-8"), bool(file.get("header", True)),
        file.get("extension", "csv"), file["date_format"], columns, data.get("statement", {}), data.get("answer", {}),
        words,
    )  # fmt: skip


def render_payments(file: PaymentFile, profile: Profile) -> bytes:
    """Write a payment file; too long a value, or one a spreadsheet would run, is refused rather than cut.

    Raises: Incorrect BANK_FILE_MALFORMED.
    """
    output = io.StringIO(newline="")
    writer = csv.writer(output, delimiter=profile.delimiter, lineterminator="\r\n")
    if profile.header:
        writer.writerow([column.title for column in profile.columns])
    for number, transfer in enumerate(file.transfers):
        writer.writerow([_cell(column, transfer, file, profile, number) for column in profile.columns])
    try:
        return output.getvalue().encode(profile.encoding)
    except UnicodeEncodeError:
        raise malformed(STANDARD, f"a name cannot be written in {profile.encoding}", field="transfers") from None


def parse_statement(body: bytes, profile: Profile, *, account: str, currency: str) -> Statement:
    """Read a statement with a running balance; rows are in the order of booking.

    Raises: Incorrect BANK_FILE_MALFORMED.
    """
    rows = _named_rows(body, profile, profile.statement)
    if not rows:
        raise malformed(STANDARD, "it has no rows")
    entries = tuple(_entry(row, profile, currency) for row in rows)
    balances = [_money(row["balance"], currency, "balance") for row in rows]
    opening = balances[0] - entries[0].signed
    first, last = entries[0].booked_on, entries[-1].booked_on
    # An export later the same day has more rows: it is another statement, whose known lines are known by themselves.
    statement_id = f"{first:%Y%m%d}-{last:%Y%m%d}-{len(rows)}-{balances[-1].minor}"
    return Statement(account, statement_id, 0, opening, first, balances[-1], last, entries)


def parse_answer(body: bytes, profile: Profile, *, message_id: str, original_message_id: str) -> FileAnswer:
    """Read the bank's answer, one row for each transfer; an unknown word is pending.

    Raises: Incorrect BANK_FILE_MALFORMED.
    """
    rows = _named_rows(body, profile, profile.answer)
    transfers = tuple(
        TransferAnswer(row["end_to_end"], profile.answer_words.get(row["status"], "pending"), "", row.get("reason", ""))
        for row in rows
    )
    return FileAnswer(message_id, original_message_id, None, "", transfers)


def _cell(column: Column, transfer: Transfer, file: PaymentFile, profile: Profile, number: int) -> str:
    values = {
        "end_to_end": transfer.end_to_end,
        "amount": transfer.amount.text(),
        "name": transfer.name,
        "account": transfer.account,
        "bank_code": transfer.bank_code,
        "branch_code": transfer.branch_code,
        "sort_code": transfer.bank_code + transfer.branch_code,
        "text": transfer.text,
        "execute_on": file.execute_on.strftime(profile.date_format),
    }
    text = _PLACE.sub(lambda place: values[place.group(1)], column.content)
    if len(text) > column.length_max or any(ord(character) < 32 for character in text):
        raise malformed(
            STANDARD,
            f"{column.title} has more than {column.length_max} characters, or a control character",
            field=f"transfers.{number}",
        )
    if _FORMULA.match(text):
        raise malformed(STANDARD, f"{column.title} begins like a formula", field=f"transfers.{number}")
    return text


def _entry(row: Mapping[str, str], profile: Profile, currency: str) -> Entry:
    booked_on = _day(row["booked_on"], profile)
    paid_in, paid_out = row.get("paid_in", "").strip(), row.get("paid_out", "").strip()
    if bool(paid_in.strip("0.,-")) == bool(paid_out.strip("0.,-")):
        raise malformed(STANDARD, "a row has neither or both of money in and money out", field="amount")
    into = bool(paid_in.strip("0.,-"))
    is_taken_back = into and paid_in.startswith("-")  # a credit taken back; a minus is usual where money goes out
    amount = _money((paid_in if into else paid_out).lstrip("-"), currency, "amount")
    part = Part(amount, row.get("end_to_end", ""), row.get("party", ""), row.get("text", ""))
    return Entry(
        booked_on,
        booked_on,
        amount,
        "credit" if into and not is_taken_back else "debit",
        row.get("reference", ""),
        "",
        parts=(part,),
    )


def _named_rows(body: bytes, profile: Profile, names: Mapping[str, str]) -> list[dict[str, str]]:
    rows = _rows(body, profile)
    titles = [title.strip() for title in rows[0]] if rows else []
    missing = [title for title in names.values() if title not in titles]
    if missing:
        raise malformed(STANDARD, f"it has no column {missing[0]!r}", field=missing[0])
    places = {ours: titles.index(title) for ours, title in names.items()}
    return [
        {ours: row[place].strip() if place < len(row) else "" for ours, place in places.items()}
        for row in rows[1:]
        if any(cell.strip() for cell in row)
    ]


def _rows(body: bytes, profile: Profile) -> list[list[str]]:
    if len(body) > BYTES_MAX:
        raise malformed(STANDARD, f"it has more than {BYTES_MAX} bytes")
    try:
        text = body.decode(profile.encoding).removeprefix("﻿")
        rows = [
            row
            for row, _ in zip(
                csv.reader(io.StringIO(text), delimiter=profile.delimiter), range(ROWS_MAX + 1), strict=False
            )
        ]
    except (UnicodeDecodeError, csv.Error):
        raise malformed(STANDARD, f"it is not {profile.delimiter}-separated text in {profile.encoding}") from None
    if len(rows) > ROWS_MAX:
        raise malformed(STANDARD, f"it has more than {ROWS_MAX} rows")
    return rows


def _day(text: str, profile: Profile) -> date:
    try:
        return datetime.strptime(text.strip(), profile.date_format).date()
    except ValueError:
        raise malformed(
            STANDARD, f"{text[:20]!r} is not a date like {profile.date_format}", field="booked_on"
        ) from None


def _money(text: str, currency: str, field: str) -> Money:
    return Money.parse(text.replace(",", "").strip(), currency, field=field)


def _wrong(field: str, problem: str) -> Incorrect:
    return Incorrect(
        BANK_PROFILE_WRONG,
        f"The bank profile's {field} {problem}",
        field=field,
        hint="Compare it with the profiles that come with the connector",
    )
