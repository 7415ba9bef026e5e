"""AfyaLink's answers as values of the registry port. Pure; an absent or odd field is empty, never a guess."""

from collections.abc import Mapping, Sequence
from typing import Any

from kiungo.base.errors import Incorrect
from kiungo.base.time import parse_date
from kiungo.ports.registry import Eligibility, RegisteredFacility, RegisteredPatient

GENDERS = {"male": "male", "m": "male", "female": "female", "f": "female", "other": "other"}
OPERATIONAL = ("active", "operational", "licensed")


def patient(body: Mapping[str, Any], cr_number: str) -> RegisteredPatient | None:
    """The one client whose CR number was asked for, or None when the answer holds no such client."""
    message = body.get("message")
    found = message.get("result") if isinstance(message, dict) else None
    for person in found if isinstance(found, list) else ():
        if isinstance(person, dict) and _text(person, "id") == cr_number:
            return _patient(person, cr_number)
    return None


def facility(body: Mapping[str, Any], fr_code: str) -> RegisteredFacility | None:
    """The facility that was asked for, or None when it was not found."""
    message = body.get("message")
    if not isinstance(message, dict) or message.get("found") != 1:
        return None
    found = _facility(message)
    return found if found.fr_code == fr_code else None


def facilities(body: Mapping[str, Any]) -> Sequence[RegisteredFacility]:
    """Every facility of a list."""
    message = body.get("message")
    found = message.get("result") if isinstance(message, dict) else None
    return [_facility(item) for item in found or () if isinstance(item, dict) and _text(item, "id")]


def eligibility(body: Mapping[str, Any] | None) -> Eligibility:
    """Whether the person is covered: only the number 1 says yes."""
    message = (body or {}).get("message")
    if not isinstance(message, dict):
        return Eligibility(False, solution="The insurer knows nobody of this identification")
    funds = message.get("funds")
    return Eligibility(
        eligible=message.get("eligible") == 1,
        funds=tuple(str(fund) for fund in funds) if isinstance(funds, list) else (),
        solution=_text(message, "possible_solution") or _text(message, "reason"),
    )


def _patient(person: Mapping[str, Any], cr_number: str) -> RegisteredPatient:
    names = (_text(person, part) for part in ("first_name", "middle_name", "last_name"))
    return RegisteredPatient(
        cr_number=cr_number,
        name=" ".join(name for name in names if name),
        phone=_text(person, "phone"),
        birth_date=_day(_text(person, "date_of_birth")),
        gender=GENDERS.get(_text(person, "gender").lower(), ""),
        identification_type=_text(person, "identification_type"),
        identification_no=_text(person, "identification_number"),
    )


def _facility(item: Mapping[str, Any]) -> RegisteredFacility:
    return RegisteredFacility(
        fr_code=_text(item, "id"),
        name=_text(item, "facility_name"),
        county=_text(item, "county").title(),
        level=_text(item, "facility_level"),
        kind=_text(item, "facility_type"),
        operational=_text(item, "operational_status").lower() in OPERATIONAL,
        vems_enabled=item.get("vems_enabled") == 1,
    )


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    return value.strip() if isinstance(value, str) else str(value) if isinstance(value, int) else ""


def _day(text: str) -> str:
    try:
        return parse_date(text[:10]).isoformat()
    except Incorrect:
        return ""
