"""The official FHIRPath suite as cases, and its inputs as resources."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kiungo.fhir.xml import from_xml
from kiungo.kernel.json import loads


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
    return from_xml(path.read_bytes(), in_order=False)
