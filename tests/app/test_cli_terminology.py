"""`kiungo fhir terminology` and `kiungo fhir view`, as a person uses them."""

from pathlib import Path

import pytest

from kiungo.app.cli.output import EXIT_WRONG
from kiungo.kernel import json
from tests.app.conftest import Run
from tests.fhir.terminology.test_importing import icd_release

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "make-tables-of-resources.md"


def test_a_release_is_imported_listed_and_refused_twice(run: Run, tmp_path: Path) -> None:
    folder = icd_release(tmp_path / "icd", "junk\n")
    done = run("fhir", "terminology", "import", "icd-10-cm", str(folder))
    assert (done.exit_code, "ICD-10-CM 2026: 5 concepts" in done.stdout) == (0, True)
    assert "line 6" in done.stderr
    (listed,) = json.loads(run("fhir", "terminology", "list", "--json").stdout)
    assert (listed["state"], listed["concepts"], listed["row_errors"]) == ("ready", 5, 1)
    again = run("fhir", "terminology", "import", "icd-10-cm", str(folder))
    assert (again.exit_code, "--replace" in again.stderr) == (EXIT_WRONG, True)
    nothing = run("fhir", "terminology", "import", "icd-10-cm", str(tmp_path / "none"))
    assert (nothing.exit_code, "nothing at" in nothing.stderr) == (EXIT_WRONG, True)


def test_the_view_of_the_page_gives_rows(run: Run, tmp_path: Path) -> None:
    view = tmp_path / "heart-rates.json"
    view.write_text(PAGE.read_text().split("```json\n")[1].split("```")[0])
    beat = {
        "resourceType": "Observation",
        "id": "o1",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2024-05-01",
        "valueQuantity": {"value": 72},
    }
    other = {**beat, "id": "o2", "code": {"text": "something else"}}
    source = tmp_path / "observations.ndjson"
    source.write_bytes(b"\n".join(json.dumps(one) for one in (beat, other)) + b"\n")
    shown = run("fhir", "view", str(view), "--from", str(source))
    assert shown.stdout.splitlines() == ["id,patient,at,beats", "Observation/o1,Patient/p1,2024-05-01,72"]
    target = tmp_path / "rows.parquet"
    pytest.importorskip("duckdb")
    assert (
        run("fhir", "view", str(view), "--from", str(source), "--format", "parquet", "--out", str(target)).exit_code
        == 0
    )
    assert target.read_bytes()[:4] == b"PAR1"
    assert run("fhir", "view", str(view), "--format", "csv").stdout.splitlines() == ["id,patient,at,beats"]
    assert run("fhir", "view", str(view), "--format", "parquet").exit_code == EXIT_WRONG
    assert run("fhir", "view", str(view), "--format", "xlsx").exit_code == EXIT_WRONG
