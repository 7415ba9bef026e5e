"""The OpenAPI of the administrators' API."""

from typing import Any, Final

TAG: Final = ["Equipment contracts"]
_AMOUNT: Final = {"type": "number", "examples": [15000.00]}
_PERCENT: Final = {"type": "number", "examples": [66.67], "description": "At most two decimals"}
TERMS: Final = {
    "oneOf": [
        {
            "type": "object",
            "required": ["vendorShare", "facilityShare", "serviceFee"],
            "properties": {"vendorShare": _AMOUNT, "facilityShare": _AMOUNT, "serviceFee": _AMOUNT},
        },
        {
            "type": "object",
            "required": ["vendorPercent", "facilityPercent", "feePercent"],
            "properties": {
                "vendorPercent": _PERCENT,
                "facilityPercent": _PERCENT,
                "feePercent": _PERCENT,
                "total": _AMOUNT | {"description": "What is shared; absent means the whole SHA rate"},
            },
        },
    ]
}
CONTRACT: Final = {
    "type": "object",
    "required": ["facility", "vendor", "lot", "service", "effectiveFrom", "shaRate", "terms"],
    "properties": {
        **{name: {"type": "string"} for name in ("facility", "vendor", "lot", "service")},
        "effectiveFrom": {"type": "string", "format": "date"},
        "effectiveUntil": {"type": ["string", "null"], "format": "date"},
        "currency": {"type": "string", "const": "KES"},
        "shaRate": _AMOUNT,
        "terms": {
            "type": "object",
            "additionalProperties": TERMS,
            "description": "By payment mode, or any",
        },
        "isCapitated": {"type": "boolean"},
        "vendorPayee": {"type": "string"},
        "facilityPayee": {"type": "string"},
        "isActive": {"type": "boolean"},
        "version": {"type": "integer", "description": "The version you saw; another one now is refused"},
    },
}
_OBJECT: Final = {"type": "object"}


def _operation(summary: str, *, status: str = "200", body: Any = None, media: str = "application/json") -> Any:
    answer = {"description": summary, "content": {"application/json": {"schema": _OBJECT}}}
    operation: dict[str, Any] = {"summary": summary, "tags": TAG, "responses": {status: answer}}
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {media: {"schema": body}}}
    return operation


def listing(what: str) -> Any:
    """The operation that lists a kind of thing."""
    return _operation(f"List {what}")


def putting(what: str) -> Any:
    """The operation that writes one thing of a kind."""
    return _operation(f"Write a {what}", body=_OBJECT)


ENABLE: Final = _operation("Enable a facility of the national registry for bookings")
PATIENT: Final = _operation("Validate a patient with the national registry")
ADD_CONTRACT: Final = _operation("Make a contract", status="201", body=CONTRACT)
PUT_CONTRACT: Final = _operation("Change a contract: its next version", body=CONTRACT)
SHOW_CONTRACT: Final = _operation("A contract as it now is")
VERSIONS: Final = _operation("Every version of a contract")
IMPORT: Final = _operation("Import contracts, all or none", body={"type": "string"}, media="text/csv")
