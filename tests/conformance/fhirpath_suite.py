"""The official FHIRPath suite as cases, and its XML inputs as JSON resources."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from kiungo.fhir.fhirpath.types import Type, find_type
from kiungo.kernel.json import loads

FHIR = "{http://hl7.org/fhir}"
XHTML = "{http://www.w3.org/1999/xhtml}"


@dataclass(frozen=True)
class Case:
    """One test. Shapes: `outputs` are pairs of type (or "") and text; `invalid` is "" or the kind of error wanted."""

    name: str
    group: str
    text: str
    input: str
    invalid: str
    predicate: bool
    ordered: bool
    outputs: tuple[tuple[str, str], ...]


def cases(path: Path) -> Iterator[Case]:
    """All tests of a suite file."""
    for group in ElementTree.parse(path).getroot():
        for test in group.findall("test"):
            expression = test.find("expression")
            assert expression is not None
            yield Case(
                name=test.get("name", ""),
                group=group.get("name", ""),
                text=expression.text or "",
                input=test.get("inputfile", ""),
                invalid=expression.get("invalid", ""),
                predicate=test.get("predicate") == "true",
                ordered=test.get("ordered") != "false",
                outputs=tuple((o.get("type", ""), o.text or "") for o in test.findall("output")),
            )


@cache
def resource(path: Path) -> dict[str, Any]:
    """An input file as a JSON resource."""
    if path.suffix == ".json":
        found: dict[str, Any] = loads(path.read_bytes())
        return found
    return _resource(ElementTree.parse(path).getroot())


def _resource(element: ElementTree.Element) -> dict[str, Any]:
    name = element.tag.removeprefix(FHIR)
    type_ = find_type(name)
    assert type_ is not None
    return {"resourceType": name, **_object(element, type_)}


def _object(element: ElementTree.Element, type_: Type) -> dict[str, Any]:
    found: dict[str, Any] = {name: value for name, value in element.attrib.items() if name in ("id", "url")}
    for child in element:
        if child.tag.startswith(XHTML):
            found["div"] = ElementTree.tostring(child, encoding="unicode").replace("html:", "").replace(":html=", "=")
            continue
        key = child.tag.removeprefix(FHIR)
        definition = next(d for d in type_.children.values() if key in d.by_key)
        kind = definition.by_key[key]
        if kind.name == "Resource":
            value: Any = _resource(child[0])
        elif kind.is_primitive:
            value = _primitive(child.get("value"), kind)
            beside = _object(child, kind)
            if beside:
                _put(found, "_" + key, beside, definition.is_list)
        else:
            value = _object(child, kind)
        if value is not None:
            _put(found, key, value, definition.is_list)
    return found


def _put(found: dict[str, Any], key: str, value: Any, is_list: bool) -> None:
    if is_list:
        found.setdefault(key, []).append(value)
    else:
        found[key] = value


def _primitive(text: str | None, type_: Type) -> Any:
    if text is None:
        return None
    if type_.system == "Boolean":
        return text == "true"
    if type_.system == "Integer":
        return int(text)
    return Decimal(text) if type_.system == "Decimal" else text
