"""What a provider sends to POST /api/claims/: read strictly, with every problem named at once.

Amounts stay as they were written until the member's plan says in which currency they are.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, cast

from kiungo.base.errors import Detail, Incorrect, KiungoError
from kiungo.base.money import Money
from kiungo.base.time import parse_date
from kiungo.domains.payor.errors import VALIDATION_ERROR
from kiungo.domains.payor.model import Claim, Line, Priority
from kiungo.kernel import json

Amount = str | int | Decimal

LINES_MAX: Final = 100
UNITS_MAX: Final = 9_999
DIAGNOSES_MAX: Final = 24
MODIFIERS_MAX: Final = 4
UNKNOWN_MAX: Final = 50
PRIORITIES: Final = ("low", "medium", "high", "urgent")
GENDERS: Final = ("M", "F", "Other")
TEXTS_MAX: Final[Mapping[str, int]] = {
    "patient_name": 200,
    "insurance_id": 64,
    "diagnosis_code": 16,
    "procedure_code": 16,
    "diagnosis_description": 500,
    "procedure_description": 500,
    "notes": 4_000,
    "patient_id": 64,
    "provider_id": 64,
    "provider_name": 200,
    "provider_claim_id": 64,
    "booking_no": 64,
    "referring_physician": 200,
    "prior_authorization": 64,
    "replaces": 64,
}
REQUIRED: Final = ("patient_name", "insurance_id", "diagnosis_code", "amount")
FIELDS: Final = frozenset(TEXTS_MAX) | {
    "amount",
    "date_of_service",
    "priority",
    "patient_dob",
    "patient_gender",
    "emergency",
    "lines",
    "diagnosis_codes",
    "modifiers",
    "units",
    "other_payer_paid",
}
OF_A_LINE: Final = ("modifiers", "units", "other_payer_paid")
"""Beside `lines` these would say nothing: what another payer paid is never dropped in silence."""
LINE_FIELDS: Final = frozenset(
    {"procedure_code", "procedure_description", "amount", "date_of_service", "units", "modifiers", "other_payer_paid"}
)


@dataclass(frozen=True, slots=True)
class StatedLine:
    """A line as it was sent."""

    procedure: str | None
    description: str | None
    service_date: str | None
    amount: Amount
    units: int
    modifiers: tuple[str, ...]
    prior_paid: Amount | None


@dataclass(frozen=True, slots=True)
class Stated:
    """A claim as it was sent: well formed, not yet looked up. Shapes: `itemized` when it came with lines."""

    texts: Mapping[str, str]
    diagnoses: tuple[str, ...]
    lines: tuple[StatedLine, ...]
    amount: Amount
    itemized: bool
    priority: Priority
    emergency: bool
    birth_date: str | None
    gender: str | None
    ignored: tuple[str, ...]

    @property
    def insurance_id(self) -> str:
        """The member's number with this payor."""
        return self.texts["insurance_id"]

    @property
    def dated(self) -> bool:
        """Whether the provider said of every line when it was."""
        return all(line.service_date is not None for line in self.lines)


class _Problems:
    """Collects what is wrong, so that the sender learns it all from one answer."""

    def __init__(self) -> None:
        self.found: list[Detail] = []

    def add(self, field: str, message: str) -> None:
        self.found.append(Detail(field, message))

    def raise_any(self) -> None:
        if self.found:
            message = "; ".join(f"{detail.field} {detail.message}" for detail in self.found[:5])
            raise Incorrect(
                VALIDATION_ERROR,
                message,
                field=self.found[0].field,
                hint="Correct the named fields and send the claim again",
                details=tuple(self.found),
            )


def parse(body: bytes) -> Stated:
    """Read the body of a submission.

    Raises: Incorrect VALIDATION_ERROR with a detail for each wrong field; Incorrect when it is not JSON.
    """
    sent = json.loads_body(body)
    problems = _Problems()
    if not isinstance(sent, dict):
        problems.add("body", "must be a JSON object with the fields of a claim")
        problems.raise_any()
    ignored = _unknown(sent, FIELDS, "", problems)
    for name in REQUIRED:
        if sent.get(name) is None or sent[name] == "":
            problems.add(name, "is required")
    texts = {name: text for name in TEXTS_MAX if (text := _text(sent, name, problems)) is not None}
    stated = Stated(
        texts=texts,
        diagnoses=_diagnoses(sent, texts, problems),
        lines=_lines(sent, texts, problems),
        amount=_amount(sent, "amount", problems) or 0,
        itemized="lines" in sent,
        priority=cast("Priority", _choice(sent, "priority", PRIORITIES, problems) or "medium"),
        emergency=_boolean(sent, "emergency", problems),
        birth_date=_date(sent, "patient_dob", problems),
        gender=_choice(sent, "patient_gender", GENDERS, problems),
        ignored=ignored,
    )
    problems.raise_any()
    return stated


def complete(stated: Stated, *, currency: str, provider_id: str, today: str, provider_name: str | None = None) -> Claim:
    """The claim adjudication judges: amounts in the plan's currency, absent dates today, the provider known.

    Raises: Incorrect for amounts the currency cannot hold, lines that do not sum up, and days yet to come.
    """
    problems = _Problems()
    latest = (date.fromisoformat(today) + timedelta(days=1)).isoformat()  # it may be tomorrow where they are
    total = _money(stated.amount, currency, "amount", problems)
    lines = []
    for index, line in enumerate(stated.lines):
        where = f"lines[{index}]." if stated.itemized else ""
        charge = _money(line.amount, currency, f"{where}amount", problems) if stated.itemized else total
        prior = None
        if line.prior_paid is not None:
            prior = _money(line.prior_paid, currency, f"{where}other_payer_paid", problems, zero=True)
        day = line.service_date or today
        if day > latest:
            problems.add(f"{where}date_of_service", f"{day} is in the future")
        lines.append(Line(index + 1, day, line.procedure, charge, line.units, line.modifiers, prior, line.description))
    if stated.itemized and not problems.found:
        summed = Money(sum(line.charge.minor for line in lines), currency)
        if summed != total:
            problems.add("amount", f"is {total.text()}, the lines sum to {summed.text()}")
    if stated.birth_date is not None and stated.birth_date > latest:
        problems.add("patient_dob", f"{stated.birth_date} is in the future")
    problems.raise_any()
    texts = stated.texts
    return Claim(
        member_id=stated.insurance_id,
        patient_name=texts["patient_name"],
        provider_id=provider_id,
        received_on=today,
        diagnoses=stated.diagnoses,
        lines=tuple(lines),
        total=total,
        priority=stated.priority,
        emergency=stated.emergency,
        diagnosis_description=texts.get("diagnosis_description"),
        provider_name=texts.get("provider_name") or provider_name,
        provider_claim_id=texts.get("provider_claim_id"),
        booking_no=texts.get("booking_no"),
        prior_authorization=texts.get("prior_authorization"),
        referring_physician=texts.get("referring_physician"),
        patient_id=texts.get("patient_id"),
        patient_birth_date=stated.birth_date,
        patient_gender=stated.gender,
        notes=texts.get("notes"),
        replaces=texts.get("replaces"),
        itemized=stated.itemized,
        ignored_fields=stated.ignored,
    )


def as_of_the_day_before(claim: Claim, stated: Stated) -> Claim:
    """The claim as it would have read the day before: lines nobody dated are of the day a claim comes."""
    before = (date.fromisoformat(claim.received_on) - timedelta(days=1)).isoformat()
    lines = zip(claim.lines, stated.lines, strict=True)
    return replace(claim, lines=tuple(replace(line, service_date=sent.service_date or before) for line, sent in lines))


def _unknown(sent: Mapping[str, Any], known: frozenset[str], where: str, problems: _Problems) -> tuple[str, ...]:
    """A name close to a known one is a typing mistake and refused; any other is kept out and noted."""
    ignored = []
    unknown = sent.keys() - known
    if len(unknown) > UNKNOWN_MAX:
        problems.add(where.rstrip(".") or "body", f"has {len(unknown)} fields that a claim does not have")
        return ()
    for name in unknown:
        near = difflib.get_close_matches(name[:64], known, n=1, cutoff=0.8)
        if near and near[0] not in sent:
            problems.add(f"{where}{name[:64]}", f"is not a field of a claim; did you mean {near[0]}?")
        else:
            ignored.append(name[:64])
    return tuple(sorted(ignored)[:20])


def _text(sent: Mapping[str, Any], name: str, problems: _Problems, where: str = "") -> str | None:
    value = sent.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        problems.add(f"{where}{name}", "must be a text")
        return None
    text = value.strip()
    if not text:
        problems.add(f"{where}{name}", "must not be blank")
        return None
    if len(text) > TEXTS_MAX[name]:
        problems.add(f"{where}{name}", f"must have at most {TEXTS_MAX[name]} characters")
        return None
    if any(character < " " and character not in "\t\n\r" for character in text):
        problems.add(f"{where}{name}", "must not hold control characters")
        return None
    return text


def _diagnoses(sent: Mapping[str, Any], texts: Mapping[str, str], problems: _Problems) -> tuple[str, ...]:
    codes = [texts["diagnosis_code"]] if "diagnosis_code" in texts else []
    more = _texts(sent, "diagnosis_codes", DIAGNOSES_MAX, 16, problems)
    return tuple(dict.fromkeys([*codes, *more]))


def _texts(
    sent: Mapping[str, Any], name: str, most: int, length_most: int, problems: _Problems, where: str = ""
) -> tuple[str, ...]:
    value = sent.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > most:
        problems.add(f"{where}{name}", f"must be a list of at most {most} codes")
        return ()
    for item in value:
        if not isinstance(item, str) or not 0 < len(item.strip()) <= length_most:
            problems.add(f"{where}{name}", f"must hold texts of 1 to {length_most} characters")
            return ()
    return tuple(item.strip() for item in value)


def _lines(sent: Mapping[str, Any], texts: Mapping[str, str], problems: _Problems) -> tuple[StatedLine, ...]:
    lines = sent.get("lines")
    if lines is None:
        return (_line(sent, "", problems, texts),)
    for name in OF_A_LINE:
        if sent.get(name) is not None:
            problems.add(name, "belongs to a line: say it for each of lines")
    if not isinstance(lines, list) or not 1 <= len(lines) <= LINES_MAX:
        problems.add("lines", f"must be a list of 1 to {LINES_MAX} lines")
        return ()
    read = []
    for index, line in enumerate(lines):
        where = f"lines[{index}]."
        if not isinstance(line, dict):
            problems.add(where[:-1], "must be an object")
            continue
        _unknown(line, LINE_FIELDS, where, problems)
        own = {
            name: text
            for name in ("procedure_code", "procedure_description")
            if (text := _text(line, name, problems, where)) is not None
        }
        if line.get("amount") is None:
            problems.add(f"{where}amount", "is required")
        read.append(_line({"date_of_service": sent.get("date_of_service"), **line}, where, problems, own))
    return tuple(read)


def _line(sent: Mapping[str, Any], where: str, problems: _Problems, texts: Mapping[str, str]) -> StatedLine:
    units = sent.get("units", 1)
    if type(units) is not int or not 1 <= units <= UNITS_MAX:
        problems.add(f"{where}units", f"must be a whole number from 1 to {UNITS_MAX}")
        units = 1
    prior: Amount | None = None
    if sent.get("other_payer_paid") is not None:
        prior = _amount(sent, "other_payer_paid", problems, where)
    return StatedLine(
        procedure=texts.get("procedure_code"),
        description=texts.get("procedure_description"),
        service_date=_date(sent, "date_of_service", problems, where),
        amount=(_amount(sent, "amount", problems, where) or 0) if where else 0,
        units=units,
        modifiers=_texts(sent, "modifiers", MODIFIERS_MAX, 2, problems, where),
        prior_paid=prior,
    )


def _amount(sent: Mapping[str, Any], name: str, problems: _Problems, where: str = "") -> Amount | None:
    value = sent.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        problems.add(f"{where}{name}", 'must be an amount, such as "1250.00" or 1250.00')
        return None
    return value


def _choice(sent: Mapping[str, Any], name: str, choices: tuple[str, ...], problems: _Problems) -> str | None:
    value = sent.get(name)
    if value is None or value == "":
        return None
    if value not in choices:
        problems.add(name, f"must be one of {', '.join(choices)}")
        return None
    return str(value)


def _boolean(sent: Mapping[str, Any], name: str, problems: _Problems) -> bool:
    value = sent.get(name)
    if value is not None and not isinstance(value, bool):
        problems.add(name, "must be true or false")
    return value is True


def _date(sent: Mapping[str, Any], name: str, problems: _Problems, where: str = "") -> str | None:
    value = sent.get(name)
    if value is None or value == "":
        return None
    try:
        day = parse_date(value, field=name)
    except Incorrect:
        problems.add(f"{where}{name}", "is not a day of the calendar written as YYYY-MM-DD")
        return None
    if day < _EARLIEST:
        problems.add(f"{where}{name}", f"is before {_EARLIEST.isoformat()}")
        return None
    return day.isoformat()


_EARLIEST = date(1900, 1, 1)


def _money(value: Amount, currency: str, field: str, problems: _Problems, *, zero: bool = False) -> Money:
    try:
        amount = Money.parse(value, currency, field=field)
    except KiungoError as error:
        problems.add(field, error.message.removeprefix(f"{field} ").removeprefix("Amount "))
        return Money.zero(currency)
    if amount.minor < 0 or (amount.minor == 0 and not zero):
        problems.add(field, "must be above zero" if not zero else "must not be negative")
        return Money.zero(currency)
    return amount
