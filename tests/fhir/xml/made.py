"""Resources made from the type table: every element of every type comes up, with values that are awkward in XML."""

from decimal import Decimal
from random import Random
from typing import Any

from kiungo.fhir.xml.table import children_of

TEXTS = ("a", 'quo"te', "<&>'", " spaces ", "tab\tline\nreturn\r.", "é 漢字 🩺", "]]>", "&amp;", "\u2028")
DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p class="x">a &lt; b &amp; c<br/></p><td></td></div>'
DEEPEST = 4


def made(rng: Random, resource_type: str, fullness: float = 0.5, depth: int = 0) -> dict[str, Any]:
    """A resource with some of its elements; the inner ones ever sparser, so that it ends."""
    return {"resourceType": resource_type} | _members(rng, resource_type, fullness, depth)


def _members(rng: Random, type_name: str, fullness: float, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    positions: set[int] = set()
    for child in children_of(type_name).values():
        if child.position in positions or rng.random() > fullness:
            continue
        if depth >= DEEPEST and child.form in ("complex", "resource"):
            continue
        positions.add(child.position)
        count = rng.randint(1, 2) if child.is_list else 1
        if child.form == "primitive":
            found |= _primitive(rng, child.name, child.type, count, child.is_list, depth)
            continue
        values = [_value(rng, child.form, child.type, fullness / 3, depth + 1) for _ in range(count)]
        if all(values):
            found[child.name] = values if child.is_list else values[0]
    return found


def _value(rng: Random, form: str, type_name: str, fullness: float, depth: int) -> Any:
    if form == "attribute":
        return rng.choice(TEXTS)
    if form == "xhtml":
        return DIV
    if form == "resource":
        return made(rng, rng.choice(("Patient", "Observation", "Binary", "Bundle")), fullness, depth)
    return _members(rng, type_name, max(fullness, 0.05), depth)


def _primitive(rng: Random, name: str, type_name: str, count: int, is_list: bool, depth: int) -> dict[str, Any]:
    """Values and what stands beside them: some have one, some the other, some both."""
    values: list[Any] = [rng.random() < 0.9 or None for _ in range(count)]
    values = [_plain(rng, type_name) if one else None for one in values]
    beside = [_beside(rng, depth) if one is None or rng.random() < 0.2 else None for one in values]
    if not is_list:
        pair = {name: values[0], "_" + name: beside[0]}
        return {key: one for key, one in pair.items() if one is not None}
    lists = {name: values, "_" + name: beside}
    return {key: some for key, some in lists.items() if any(one is not None for one in some)}


def _beside(rng: Random, depth: int) -> dict[str, Any]:
    extension = {"url": "urn:x", "valueDecimal": Decimal("1.10"), "_valueDecimal": {"id": "deep"}}
    return {"id": rng.choice(TEXTS)} if depth >= DEEPEST or rng.random() < 0.5 else {"extension": [extension]}


def _plain(rng: Random, type_name: str) -> Any:
    if type_name == "boolean":
        return rng.random() < 0.5
    if type_name in ("integer", "positiveInt", "unsignedInt"):
        return rng.randint(1, 2**31 - 1)
    if type_name == "decimal":
        return rng.choice(
            (0, -7, Decimal("1.10"), Decimal("-0.000"), Decimal("12345678901234567890.123"), Decimal("1E+3"))
        )
    return rng.choice(TEXTS)
