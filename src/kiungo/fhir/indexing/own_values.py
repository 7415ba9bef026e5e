"""The index rows of a resource for own parameters: FHIRPath finds the values, the usual makers make the rows."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any

import structlog

from kiungo.base.errors import KiungoError
from kiungo.fhir.fhirpath import Node, Temporal, compile
from kiungo.fhir.fhirpath.values import Value
from kiungo.fhir.indexing import emit
from kiungo.fhir.indexing.expressions import NotUnderstood
from kiungo.fhir.indexing.extraction import Rows
from kiungo.fhir.indexing.parameters import Parameter

VALUES_MAX = 1_000
log = structlog.get_logger(__name__)
Maker = Callable[..., None]


def with_own_rows(rows: Rows, parameters: Iterable[Parameter], resource: dict[str, Any]) -> Rows:
    """The rows of R4's parameters and those of own ones together; the ones given are not touched."""
    made = replace(
        rows,
        token=set(rows.token),
        reference=set(rows.reference),
        date=set(rows.date),
        number=set(rows.number),
        string=set(rows.string),
        uri=set(rows.uri),
    )
    for parameter in parameters:
        add_rows(made, parameter, resource)
    return made


def add_rows(rows: Rows, parameter: Parameter, resource: dict[str, Any]) -> None:
    """Add what one parameter finds in a resource.

    An expression that fails on this resource finds nothing in it: a definition must not keep records from being
    written.
    """
    key, found = parameter.key, Rows()
    adders = [found.token.add, found.reference.add, found.date.add, found.number.add, found.string.add, found.uri.add]
    for type_name, value in values_at(parameter, resource):
        maker = _maker(parameter.kind, type_name)
        if maker is not None:
            maker(value, *adders)
    rows.token |= {(key, code, system) for _, code, system in found.token}
    rows.reference |= {(key, target) for _, target in found.reference}
    rows.date |= {(key * 2 + wide, low, high) for wide, low, high in found.date}
    rows.number |= {(key * 2 + wide, low, high, system, unit) for wide, low, high, system, unit in found.number}
    rows.string |= {(key, text, spelling) for _, text, spelling in found.string}
    rows.uri |= {(key, text) for _, text in found.uri}


def values_at(parameter: Parameter, resource: dict[str, Any]) -> list[tuple[str, Any]]:
    """(type, JSON value) of everything the expression finds."""
    try:
        items = compile(parameter.expression)(resource)
    except KiungoError as error:
        log.warning("fhir.own_parameter_failed", parameter=parameter.code, code=error.code)
        return []
    return [typed for item in items[:VALUES_MAX] if (typed := _typed(item)) is not None]


def _typed(item: Value) -> tuple[str, Any] | None:
    if isinstance(item, Node):
        return (item.type.name, item.value) if item.value is not None else None
    if isinstance(item, bool):
        return "boolean", item
    if isinstance(item, str):
        return "string", item
    if isinstance(item, Temporal):
        return "dateTime", str(item)
    return ("decimal", item) if isinstance(item, int | Decimal) else None


@cache
def _maker(kind: str, type_name: str) -> Maker | None:
    """The function that makes the rows of one value, under key 0; None where the kind has none for the type."""
    blank = Parameter("", "", kind, 0, "", (), "", (), ())
    try:
        lines = emit.lines(blank, type_name, "v", "", person=False)
    except NotUnderstood:
        return None
    head = "def make(v, token, reference, date, number, string, uri):"
    names = dict(emit.NAMES)
    # The lines are our own, chosen by kind and type; nothing of the definition is in them.
    exec("\n".join([head, *(f"    {line}" for line in lines), "    return None"]), names)  # noqa: S102
    maker: Maker = names["make"]
    return maker
