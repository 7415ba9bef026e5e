"""The SQL on FHIR conformance tests: every view gives the expected rows, or is refused where it must be."""

from pathlib import Path
from typing import Any

import pytest

from kiungo.base.errors import KiungoError
from kiungo.fhir.views import read_view
from kiungo.kernel import json
from tests.conformance.material import FOLDER, material

TESTS = FOLDER / "sql-on-fhir" / "tests"
FILES = sorted(TESTS.glob("*.json")) if TESTS.exists() else []
IN_SCOPE = "4.0.1"


def rows_of(view: dict[str, Any], resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    compiled = read_view(view)
    return [row for resource in resources for row in compiled.dictionaries(resource)]


def as_bag(rows: list[dict[str, Any]]) -> list[bytes]:
    """Rows without their order; columns without a value are there as null."""
    return sorted(json.dumps(dict(sorted(row.items()))) for row in rows)


def test_the_material_is_here() -> None:
    material("sql-on-fhir", "tests")
    assert FILES, "the folder is there and holds no suite"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_views(path: Path) -> None:
    suite = json.loads(path.read_bytes())
    if IN_SCOPE not in suite.get("fhirVersion", [IN_SCOPE]):
        pytest.skip(f"{path.name} is not about R4")
    wrong = []
    for case in suite["tests"]:
        try:
            found = rows_of(case["view"], suite["resources"])
        except KiungoError as error:
            if not case.get("expectError"):
                wrong.append(f"{case['title']}: {error.message}")
            continue
        if case.get("expectError"):
            wrong.append(f"{case['title']}: was not refused")
        elif "expect" in case and as_bag(found) != as_bag(case["expect"]):
            wrong.append(f"{case['title']}: {found}")
        if "expectColumns" in case and [c.name for c in read_view(case["view"]).columns] != case["expectColumns"]:
            wrong.append(f"{case['title']}: columns in another order")
        if "expectCount" in case and len(found) != case["expectCount"]:
            wrong.append(f"{case['title']}: {len(found)} rows")
    assert not wrong
