"""The OpenAPI of the administrators' API."""

from collections.abc import Mapping
from typing import Final

from kiungo.domains.vems.routes.describing import (
    LIMIT,
    OBJECT,
    TEXT,
    Operation,
    Schema,
    fields,
    many,
    one,
    operation,
    text,
)

TAG: Final = "Equipment contracts"
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


def listing(what: str, **query: Schema) -> Operation:
    """The operation that lists a kind of thing."""
    return operation(f"List {what}", f"The {what}", tag=TAG, schema=many(OBJECT), query=query)


def putting_master(kind: str) -> Operation:
    """The operation that writes a vendor, lot, service or machine."""
    return _putting(kind, MASTERS[kind])


def _putting(what: str, body: Schema) -> Operation:
    return operation(f"Write a {what}", f"The {what} as it now is", tag=TAG, writes=True, body=body)


NAMED: Final = fields(("name",), name=text())
MASTERS: Final[Mapping[str, Schema]] = {
    "vendor": NAMED,
    "lot": NAMED,
    "service": NAMED,
    "equipment": fields(
        ("name", "vendor", "facility", "lot"),
        **{name: text() for name in ("name", "vendor", "facility", "lot")},
        services={"type": "array", "items": text(32)},
        serialNumber=TEXT,
        inUse={"type": "boolean"},
    ),
}
PUT_FACILITY: Final = _putting(
    "facility", fields(("name",), name=text(), county=TEXT, isActive={"type": "boolean"})
)  # fmt: skip
PAGE: Final[dict[str, Schema]] = {"after": TEXT, "limit": LIMIT}
ENABLE: Final = operation(
    "Enable a facility of the national registry for bookings", "The facility", tag=TAG, writes=True
)
PATIENT: Final = operation("Validate a patient with the national registry", "The patient", tag=TAG)
ADD_CONTRACT: Final = operation("Make a contract", "The contract", tag=TAG, writes=True, status="201", body=CONTRACT)
PUT_CONTRACT: Final = operation(
    "Change a contract: its next version", "The contract as it now is", tag=TAG, writes=True, body=CONTRACT
)
SHOW_CONTRACT: Final = operation("A contract as it now is", "The contract", tag=TAG, schema=one(CONTRACT))
VERSIONS: Final = operation("Every version of a contract", "The versions, oldest first", tag=TAG, schema=many(OBJECT))
IMPORT: Final = operation(
    "Import contracts, all or none", "How many rows, which contracts", tag=TAG, writes=True, body=TEXT,
    media=("text/csv",),
)  # fmt: skip
