"""The artifact of FHIR's own terminology: what it holds and leaves out, and that it is built alike twice."""

import gzip
import importlib.util
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from kiungo.fhir.terminology.shelves import artifact

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "build_fhir_terminology.py"


def package(path: Path, items: list[dict[str, Any]]) -> str:
    with tarfile.open(path, "w:gz") as made:
        for item in items:
            text = json.dumps(item).encode()
            entry = tarfile.TarInfo(f"package/{item['resourceType']}-{item['id']}.json")
            entry.size = len(text)
            made.addfile(entry, io.BytesIO(text))
    return str(path)


def test_what_r4_defines_is_there_and_what_others_own_is_not() -> None:
    content = artifact()
    assert (len(content["systems"]) > 1_000, len(content["value_sets"]) > 1_300, len(content["maps"]) > 70) == (
        True,
    ) * 3
    assert not {"http://snomed.info/sct", "http://loinc.org"} & set(content["systems"])
    listed = [
        concept
        for value_set in content["value_sets"].values()
        for rule in value_set["compose"].get("include", [])
        if rule.get("system") in ("http://snomed.info/sct", "http://loinc.org")
        for concept in rule.get("concept", [])
    ]
    assert listed
    assert all(len(concept) == 1 for concept in listed), "a display that belongs to its owner"


def test_building_is_deterministic_and_takes_no_prose(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("build_fhir_terminology", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    inner = {"code": "b", "definition": "some prose", "property": [{"code": "notSelectable", "valueBoolean": True}]}
    system = {
        "resourceType": "CodeSystem",
        "id": "a",
        "url": "http://a",
        "content": "complete",
        "description": "some prose",
        "concept": [{"code": "a", "display": "A", "concept": [inner]}],
    }
    currencies = {"resourceType": "ValueSet", "id": "currencies", "expansion": {"contains": [{"code": "KES"}]}}
    examples = package(tmp_path / "examples.tgz", [system])
    expansions = package(tmp_path / "expansions.tgz", [currencies])
    built = []
    for name in ("one", "two"):
        script.main(examples, expansions, str(tmp_path / name))
        built.append((tmp_path / name).read_bytes())
    text = gzip.decompress(built[0]).decode()
    assert built[0] == built[1]
    assert "prose" not in text
    assert json.loads(text)["systems"]["http://a"]["concepts"] == [["a", "A"], ["b", None, "a", 1]]
