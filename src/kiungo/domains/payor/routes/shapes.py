"""The OpenAPI of the claims API: what is sent, what comes back, and what each field means."""

from collections.abc import Mapping
from typing import Any, Final

from kiungo.domains.payor.listing import LIMIT_MOST, STATUSES
from kiungo.domains.payor.stated import GENDERS, LINES_MAX, PRIORITIES, TEXTS_MAX, UNITS_MAX

Shape = dict[str, Any]

_ABOUT: Final[Mapping[str, str]] = {
    "patient_name": "Full name of the patient",
    "insurance_id": "The patient's number with this payor",
    "diagnosis_code": "Main diagnosis, in the plan's code system",
    "procedure_code": "The service, in the plan's code system",
    "provider_id": "Your provider id; the key's own when absent",
    "provider_claim_id": "Your own number of this claim; it can be found by it",
    "booking_no": "The equipment booking this claim belongs to",
    "prior_authorization": "Number of the permission given beforehand",
    "replaces": "Id of the claim this one takes the place of; that one becomes void",
}
AMOUNT: Final[Shape] = {
    "oneOf": [{"type": "string", "examples": ["1250.00"]}, {"type": "number", "exclusiveMinimum": 0}],
    "description": "Amount with at most the currency's decimals, above zero",
}
_DATE: Final[Shape] = {"type": ["string", "null"], "format": "date", "examples": ["2024-10-03"]}
_UNITS: Final[Shape] = {"type": "integer", "minimum": 1, "maximum": UNITS_MAX, "default": 1}
_MODIFIERS: Final[Shape] = {"type": "array", "items": {"type": "string"}, "maxItems": 4}


def _text(name: str) -> Shape:
    required = name in ("patient_name", "insurance_id", "diagnosis_code")
    shape: Shape = {"type": "string" if required else ["string", "null"], "maxLength": TEXTS_MAX[name]}
    if required:
        shape["minLength"] = 1
    if name in _ABOUT:
        shape["description"] = _ABOUT[name]
    return shape


LINE: Final[Shape] = {
    "type": "object",
    "required": ["amount"],
    "properties": {
        "procedure_code": _text("procedure_code"),
        "procedure_description": _text("procedure_description"),
        "amount": AMOUNT,
        "date_of_service": _DATE,
        "units": _UNITS,
        "modifiers": _MODIFIERS,
        "other_payer_paid": AMOUNT,
    },
}
CLAIM_SENT: Final[Shape] = {
    "type": "object",
    "required": ["patient_name", "insurance_id", "diagnosis_code", "amount"],
    "properties": {
        **{name: _text(name) for name in TEXTS_MAX},
        "amount": AMOUNT,
        "date_of_service": _DATE | {"description": "Absent means today"},
        "priority": {"enum": [*PRIORITIES, None], "default": "medium"},
        "patient_dob": _DATE,
        "patient_gender": {"enum": [*GENDERS, None]},
        "emergency": {"type": ["boolean", "null"], "default": False},
        "lines": {"type": "array", "items": LINE, "minItems": 1, "maxItems": LINES_MAX},
        "diagnosis_codes": {"type": "array", "items": {"type": "string"}, "maxItems": 24},
        "modifiers": _MODIFIERS,
        "units": _UNITS,
        "other_payer_paid": AMOUNT,
    },
}
CLAIM_SHOWN: Final[Shape] = {
    "type": "object",
    "required": ["claim_id", "status"],
    "properties": {
        "claim_id": {"type": "string", "examples": ["CLM-20241003-ABC123"]},
        "status": {"enum": list(STATUSES)},
        "coverage_validated": {"type": "boolean"},
        "coverage_message": {"type": "string"},
        "auto_approved": {"type": "boolean"},
        "amount": {"type": "number"},
        "expected_payment": {"type": ["number", "null"]},
        "patient_responsibility": {"type": ["number", "null"]},
        "review_reason": {"type": "string"},
        "rejection_reason": {"type": "string"},
    },
}
ERROR: Final[Shape] = {
    "type": "object",
    "required": ["error", "error_code", "claim_id", "suggestions"],
    "properties": {
        "error": {"type": "string"},
        "error_code": {"type": "string"},
        "claim_id": {"type": "null"},
        "suggestions": {"type": "array", "items": {"type": "string"}},
    },
}


def _json(shape: Shape) -> Shape:
    return {"application/json": {"schema": shape}}


def _answer(description: str, shape: Shape) -> Shape:
    return {"description": description, "content": _json(shape)}


def _answered(shape: Shape) -> Shape:
    return {
        "type": "object",
        "required": ["success", "claim", "status"],
        "properties": {
            "success": {"const": True},
            "message": {"type": "string"},
            "claim": shape,
            "status": {"enum": list(STATUSES)},
            "auto_approved": {"type": "boolean"},
            "processing_time_ms": {"type": "integer"},
        },
    }


def _query(name: str, shape: Shape, description: str) -> Shape:
    return {"name": name, "in": "query", "schema": shape, "description": description}


PROVIDER_HEADER: Final[Shape] = {
    "name": "X-Provider-ID",
    "in": "header",
    "schema": {"type": "string"},
    "description": "The provider, where no key says it",
}
TAGS: Final = ["claims"]
SUBMIT: Final[Shape] = {
    "tags": TAGS,
    "summary": "Submit a claim and learn the decision",
    "operationId": "submit_claim",
    "parameters": [PROVIDER_HEADER],
    "requestBody": {"required": True, "content": _json(CLAIM_SENT)},
    "responses": {
        "201": _answer("Decided: approved, under review, or rejected", _answered(CLAIM_SHOWN)),
        "200": _answer("The same claim was sent before; this is it", _answered(CLAIM_SHOWN)),
        "400": _answer("Fields are missing, wrong or impossible; nothing was stored", ERROR),
        "403": _answer("The claim is another provider's", ERROR),
        "404": _answer("Nobody is insured under that id; nothing was stored", ERROR),
        "422": _answer("The Idempotency-Key was used with another body", ERROR),
    },
}
SHOW: Final[Shape] = {
    "tags": TAGS,
    "summary": "One claim",
    "operationId": "show_claim",
    "parameters": [PROVIDER_HEADER],
    "responses": {
        "200": _answer("The claim as it stands", _answered(CLAIM_SHOWN)),
        "404": _answer("No such claim, or another provider's", ERROR),
    },
}
EXPLAIN: Final[Shape] = {
    "tags": TAGS,
    "summary": "Why the claim came out as it did, to the cent",
    "operationId": "explain_claim",
    "parameters": [PROVIDER_HEADER],
    "responses": {
        "200": _answer("Lines, adjustments, patient's parts and every finding", {"type": "object"}),
        "404": _answer("No such claim, or another provider's", ERROR),
    },
}
LIST: Final[Shape] = {
    "tags": TAGS,
    "summary": "Claims, newest first, page by page",
    "operationId": "list_claims",
    "parameters": [
        PROVIDER_HEADER,
        _query("status", {"enum": list(STATUSES)}, "Only claims of this status"),
        _query("insurance_id", {"type": "string"}, "Only one member's"),
        _query("provider_id", {"type": "string"}, "Only one provider's"),
        _query("provider_claim_id", {"type": "string"}, "By the provider's own number"),
        _query("booking_no", {"type": "string"}, "By the equipment booking"),
        _query("plan_id", {"type": "string"}, "Only one plan's"),
        _query("void", {"enum": ["true", "false"]}, "Only void claims, or only those in force"),
        _query("paid", {"enum": ["true", "false"]}, "Only paid claims, or only unpaid ones"),
        _query("submitted_from", {"type": "string", "format": "date"}, "Submitted on this day or later, UTC"),
        _query("submitted_to", {"type": "string", "format": "date"}, "Submitted on this day or before, UTC"),
        _query("limit", {"type": "integer", "minimum": 1, "maximum": LIMIT_MOST}, "Claims a page"),
        _query("cursor", {"type": "string"}, "The `next` of the page before"),
    ],
    "responses": {
        "200": _answer(
            "One page",
            {
                "type": "object",
                "required": ["success", "count", "claims", "next"],
                "properties": {
                    "success": {"const": True},
                    "count": {"type": "integer"},
                    "claims": {"type": "array", "items": CLAIM_SHOWN},
                    "next": {"type": ["string", "null"]},
                },
            },
        ),
        "400": _answer("A parameter is unknown or wrong", ERROR),
    },
}
