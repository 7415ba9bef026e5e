"""What a hospital system sends to ask for a cost distribution: read strictly, every problem named at once."""

import hashlib
from typing import Any, Final, cast

from kiungo.base.errors import Detail, Incorrect
from kiungo.base.time import parse_instant, to_us
from kiungo.domains.vems.errors import INVALID_DATE, invalid
from kiungo.domains.vems.model import PAYMENT_MODES, BookingRequest, PaymentMode, RequestedService
from kiungo.kernel import json

SERVICES_MAX: Final = 50
TEXTS_MAX: Final = {"patientCR": 64, "facilityFrCode": 64, "claimID": 128, "paymentMode": 32}
DIAGNOSIS_MAX: Final = 32
CODE_MAX: Final = 32


def parse(body: bytes) -> BookingRequest:
    """Read the body of a cost distribution request.

    Raises: Incorrect when it is not JSON (400); Incorrect BOOKING_INVALID with a detail for each wrong field (422).
    """
    sent = json.loads_body(body)
    problems: list[Detail] = []
    if not isinstance(sent, dict):
        raise invalid([Detail("body", "The body must be an object with the fields of a booking.")])
    texts = {name: _required_text(sent.get(name), name, most, problems) for name, most in TEXTS_MAX.items()}
    mode = texts["paymentMode"]
    if mode and mode not in PAYMENT_MODES:
        problems.append(Detail("paymentMode", "The selected paymentMode is invalid."))
    diagnosis = None
    if sent.get("diagnosisCode") not in (None, ""):
        diagnosis = _required_text(sent["diagnosisCode"], "diagnosisCode", DIAGNOSIS_MAX, problems)
    services = _services(sent.get("services"), problems)
    if problems:
        raise invalid(problems)
    return BookingRequest(
        facility=texts["facilityFrCode"],
        claim_id=texts["claimID"],
        patient=texts["patientCR"],
        mode=cast("PaymentMode", mode),
        services=services,
        diagnosis=diagnosis,
    )


def wire_of(request: BookingRequest) -> dict[str, Any]:
    """The request as it is kept in a booking's history: the same meaning gives the same bytes."""
    return {
        "patientCR": request.patient,
        "paymentMode": request.mode,
        "facilityFrCode": request.facility,
        "claimID": request.claim_id,
        "diagnosisCode": request.diagnosis,
        "services": [{"serviceCode": service.code, "at_us": service.at_us} for service in request.services],
    }


def kept_form(request: BookingRequest) -> bytes:
    """The same as text: equal for two bodies that ask for the same, however their times and spaces are written."""
    return json.dumps(wire_of(request))


def fingerprint(kept: bytes) -> bytes:
    """What tells a request from another one, of its kept form."""
    return hashlib.sha256(kept).digest()


def _required_text(value: Any, field: str, most: int, problems: list[Detail]) -> str:
    if value is None or value == "":
        problems.append(Detail(field, f"The {field} field is required."))
        return ""
    if not isinstance(value, str):
        problems.append(Detail(field, f"The {field} must be a string."))
        return ""
    text = value.strip()
    if not text:
        problems.append(Detail(field, f"The {field} field is required."))
    elif len(text) > most:
        problems.append(Detail(field, f"The {field} must not be greater than {most} characters."))
    elif not text.isprintable():
        problems.append(Detail(field, f"The {field} must not hold control characters."))
    return text


def _services(value: Any, problems: list[Detail]) -> tuple[RequestedService, ...]:
    if value is None or value == []:
        problems.append(Detail("services", "The services field is required."))
        return ()
    if not isinstance(value, list):
        problems.append(Detail("services", "The services must be an array."))
        return ()
    if len(value) > SERVICES_MAX:
        problems.append(Detail("services", f"The services must not have more than {SERVICES_MAX} items."))
        return ()
    read: list[RequestedService] = []
    for index, item in enumerate(value):
        where = f"services.{index}"
        if not isinstance(item, dict):
            problems.append(Detail(where, f"The {where} must be an object."))
            continue
        code = _required_text(item.get("serviceCode"), f"{where}.serviceCode", CODE_MAX, problems)
        service = RequestedService(code, _moment(item.get("serviceDate"), f"{where}.serviceDate", problems))
        if code and service in read:
            problems.append(Detail(where, f"The {where} repeats services.{read.index(service)}."))
        read.append(service)
    return tuple(read)


def _moment(value: Any, field: str, problems: list[Detail]) -> int:
    if value is None or value == "":
        problems.append(Detail(field, f"The {field} field is required."))
        return 0
    try:
        return to_us(parse_instant(value, field=field))
    except Incorrect:
        problems.append(Detail(field, f"The {field} {INVALID_DATE}"))
        return 0
