"""How each datatype becomes index rows for each kind of parameter: lines of source, and what they call."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from kiungo.fhir.indexing import values
from kiungo.fhir.indexing.combinations import combine
from kiungo.fhir.indexing.expressions import NotUnderstood
from kiungo.fhir.indexing.parameters import PARTS, Parameter
from kiungo.fhir.indexing.values import DAY_MS, NUMBER_MAX, NUMBER_MIN, TIME_MAX, TIME_MIN

# The sort date of a record that has none: before every date, so it comes last when newest come first.
NO_DATE = TIME_MIN - 1
TEXT_TYPES = frozenset({"string", "code", "id", "uri", "url", "canonical", "markdown", "oid", "uuid"})
QUANTITIES = frozenset({"Quantity", "SimpleQuantity", "Age", "Count", "Distance", "Duration"})
Row = Callable[[tuple[Any, ...]], None]


def lines(parameter: Parameter, type_name: str, v: str, system: str, *, person: bool) -> list[str]:
    """The source lines that emit the rows of one value `v`. Raises: NotUnderstood."""
    made = _MAKERS[parameter.kind](parameter.key, type_name, v, system, parameter)
    if made is None:
        raise NotUnderstood(f"{parameter.type}.{parameter.code}: {parameter.kind} of {type_name}")
    if person and type_name == "Reference":
        made.append(f"if p is None: p = person_of({v})")
    return made


def _token(key: int, type_name: str, v: str, system: str, _: Parameter) -> list[str] | None:
    if type_name == "boolean":
        return [f"token(({key}, TRUE if {v} else FALSE, 0))"]
    if type_name in TEXT_TYPES:
        return [f"token(({key}, hash64({v}), {values.hash32(system)}))"]
    if type_name == "Coding":
        return [
            f"c = {v}.get('code')",
            f"if c is not None: token(({key}, hash64(c), hash32({v}.get('system') or '')))",
            *_text(key, v, "display"),
        ]
    if type_name == "CodeableConcept":
        return [
            f"for c in {v}.get('coding') or ():",
            "    d = c.get('code')",
            f"    if d is not None: token(({key}, hash64(d), hash32(c.get('system') or '')))",
            "    d = c.get('display')",
            f"    if d: string(({key}, usual(d), 0))",
            *_text(key, v, "text"),
        ]
    if type_name in ("Identifier", "ContactPoint"):
        made = [
            f"c = {v}.get('value')",
            f"if c is not None: token(({key}, identifier_hash(c), hash32({v}.get('system') or '')))",
        ]
        typed = f"if {v}.get('type') is not None: identifier_type({key}, {v}, token, string)"
        return made if type_name == "ContactPoint" else [*made, typed]
    return None


def _text(key: int, v: str, member: str) -> list[str]:
    """The words people read for a code, for `:text`; they stand among the strings under the token's key."""
    return [f"d = {v}.get({member!r})", f"if d: string(({key}, usual(d), 0))"]


def _reference(key: int, type_name: str, v: str, _system: str, _: Parameter) -> list[str] | None:
    if type_name == "Reference":
        return [
            f"c = {v}.get('reference')",
            "if c is not None:",
            "    c = reference_target(c)",
            f"    if c is not None: reference(({key}, c))",
            f"c = {v}.get('identifier')",
            "if c is not None:",
            "    d = c.get('value')",
            f"    if d is not None: token(({key}, identifier_hash(d), hash32(c.get('system') or '')))",
        ]
    if type_name in ("canonical", "uri", "url"):
        return [f"canonical_targets({key}, {v}, reference)"]
    if type_name == "Resource":
        return [f"c = {v}.get('id')", f"if c: reference(({key}, target_of({v}['resourceType'], c)))"]
    if type_name in ("CodeableConcept", "string", "Attachment"):
        return []
    return None


def _date(key: int, type_name: str, v: str, _system: str, _: Parameter) -> list[str] | None:
    if type_name in ("date", "dateTime", "instant"):
        return [f"c = date_span({v})", f"date((({key * 2 + 1} if c[1] - c[0] > {DAY_MS} else {key * 2}), *c))"]
    if type_name == "Period":
        return [f"period({key * 2}, {v}, date)"]
    if type_name == "Timing":
        return [f"timing({key * 2}, {v}, date)"]
    return [] if type_name in ("string", "Age", "Range", "CodeableConcept", "boolean") else None


def _number(key: int, type_name: str, v: str, _system: str, _: Parameter) -> list[str] | None:
    if type_name in ("decimal", "integer", "positiveInt", "unsignedInt"):
        return [f"c = float({v})", f"number(({key * 2}, c, c, 0, 0))"]
    if type_name in QUANTITIES:
        return [f"quantity({key * 2}, {v}, number)"]
    if type_name == "Money":
        return [f"money({key * 2}, {v}, number)"]
    if type_name == "Range":
        return [f"number_range({key * 2}, {v}, number)"]
    return [] if type_name in ("SampledData", "Ratio", "CodeableConcept") else None


def _string(key: int, type_name: str, v: str, _system: str, parameter: Parameter) -> list[str] | None:
    if type_name in TEXT_TYPES:
        return [f"string(({key}, normal({v}), hash32({v})))"]
    made = []
    for part in PARTS.get(type_name, ()):
        if part in parameter.skipped_parts:
            continue
        if part in ("given", "prefix", "suffix", "line"):
            made.append(f"for c in {v}.get({part!r}) or ():")
            made.append(f"    if c: string(({key}, normal(c), hash32(c)))")
        else:
            made.append(f"c = {v}.get({part!r})")
            made.append(f"if c: string(({key}, normal(c), hash32(c)))")
    return made or None


def _uri(key: int, type_name: str, v: str, _system: str, _: Parameter) -> list[str] | None:
    return [f"uri(({key}, {v}))"] if type_name in TEXT_TYPES else None


def _composite(key: int, _type: str, v: str, _system: str, parameter: Parameter) -> list[str] | None:
    parts = ", ".join(
        f"(part_{key}_{n}, {'v0' if component.from_resource else v}, {component.kind!r})"
        for n, component in enumerate(parameter.components)
    )
    return [f"combine({key}, ({parts}), composite)"]


def _special(key: int, _type: str, v: str, _system: str, _: Parameter) -> list[str] | None:
    return [f"place({key}, {v}, position)"]


_MAKERS = {
    "composite": _composite,
    "special": _special,
    "token": _token,
    "reference": _reference,
    "date": _date,
    "number": _number,
    "quantity": _number,
    "string": _string,
    "uri": _uri,
}


def _canonical_targets(key: int, url: str, reference: Row) -> None:
    """A canonical is found by its URL alone, and by URL and version where it has one."""
    target = values.reference_target(url)
    if target is not None:
        reference((key, target))
        if "|" in url:
            reference((key, values.url_target(url)))


def _period(wide_key: int, period: dict[str, Any], date: Row) -> None:
    start, end = period.get("start"), period.get("end")
    low = values.date_span(start)[0] if start else TIME_MIN
    high = values.date_span(end)[1] if end else TIME_MAX
    if start or end:
        date((wide_key + (high - low > DAY_MS), low, high))


def _timing(wide_key: int, timing: dict[str, Any], date: Row) -> None:
    """The whole time the events cover, not each repetition."""
    spans = [values.date_span(event) for event in timing.get("event") or () if event]
    if spans:
        low, high = min(s[0] for s in spans), max(s[1] for s in spans)
        date((wide_key + (high - low > DAY_MS), low, high))
    bounds = (timing.get("repeat") or {}).get("boundsPeriod")
    if bounds:
        _period(wide_key, bounds, date)


def _quantity(wide_key: int, quantity: dict[str, Any], number: Row) -> None:
    value = quantity.get("value")
    if value is None:
        return
    low = high = float(value)
    comparator = quantity.get("comparator")
    if comparator:
        low, high = (NUMBER_MIN, high) if comparator[0] == "<" else (low, NUMBER_MAX)
    unit = quantity.get("code") or quantity.get("unit") or ""
    system = values.hash32(quantity.get("system") or "")
    number((wide_key + (low != high), low, high, system, values.hash32(unit)))


def _money(wide_key: int, money: dict[str, Any], number: Row) -> None:
    value = money.get("value")
    if value is not None:
        unit = values.hash32(money.get("currency") or "")
        number((wide_key, float(value), float(value), values.hash32("urn:iso:std:iso:4217"), unit))


def _number_range(wide_key: int, both: dict[str, Any], number: Row) -> None:
    low, high = both.get("low") or {}, both.get("high") or {}
    first = float(low["value"]) if "value" in low else NUMBER_MIN
    last = float(high["value"]) if "value" in high else NUMBER_MAX
    unit = low.get("code") or low.get("unit") or high.get("code") or high.get("unit") or ""
    system = values.hash32(low.get("system") or high.get("system") or "")
    number((wide_key + (first != last), first, last, system, values.hash32(unit)))


def _identifier_type(key: int, identifier: dict[str, Any], token: Row, string: Row) -> None:
    """What `:of-type` and `:text` find an identifier by: its type's codes with its value, and its type's text."""
    kind, value = identifier["type"], identifier.get("value")
    for coding in kind.get("coding") or ():
        if value is not None and coding.get("code") is not None:
            token((key, values.typed_hash(coding.get("system") or "", coding["code"], value), values.OF_TYPE))
    if kind.get("text"):
        string((key, _usual(kind["text"]), 0))


def _place(key: int, position: dict[str, Any], add: Row) -> None:
    latitude, longitude = position.get("latitude"), position.get("longitude")
    if latitude is not None and longitude is not None and abs(latitude) <= 90 and abs(longitude) <= 180:
        add((key, float(latitude), *values.sphere_point(float(latitude), float(longitude))))


def _person_of(reference: dict[str, Any]) -> str | None:
    """The id of the Patient a reference of this server points to."""
    text = reference.get("reference")
    if not text or not text.startswith("Patient/"):
        return None
    parts = values.split_reference(text)
    return parts[2] if parts else None


def _has_extension(element: dict[str, Any], url: str) -> bool:
    return any(item.get("url") == url for item in element.get("extension") or ())


@lru_cache(maxsize=8192)
def _usual(text: str) -> str:
    """As `normal`, remembered: the words for codes come again and again."""
    return values.normal(text)


NAMES: dict[str, Any] = {
    "combine": combine,
    "identifier_type": _identifier_type,
    "place": _place,
    "usual": _usual,
    "TRUE": values.hash64("true"),
    "FALSE": values.hash64("false"),
    "hash64": values.hash64,
    "hash32": values.hash32,
    "identifier_hash": values.identifier_hash,
    "normal": values.normal,
    "date_span": values.date_span,
    "reference_target": values.reference_target,
    "reference_is": values.reference_is,
    "target_of": values.target_of,
    "canonical_targets": _canonical_targets,
    "period": _period,
    "timing": _timing,
    "quantity": _quantity,
    "money": _money,
    "number_range": _number_range,
    "person_of": _person_of,
    "has_extension": _has_extension,
}
