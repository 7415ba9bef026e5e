"""The definitions artifact: what it holds, and that building it twice gives the same bytes."""

import importlib.util
import io
import json
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

from kiungo.fhir import definitions

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "build_fhir_definitions.py"


def test_all_of_r4_is_there() -> None:
    assert len(definitions.resource_types()) == 146
    claim = definitions.get_type("Claim")
    assert {e.name for e in claim.elements if e.min} == {
        *("status", "type", "use", "patient", "created", "provider", "priority", "insurance"),
    }
    component = next(e for e in definitions.get_type("Observation.component").elements if e.is_choice)
    assert ("valueQuantity", "Quantity") in component.written()
    assert definitions.value_set_codes("http://hl7.org/fhir/ValueSet/administrative-gender") == {
        "http://hl7.org/fhir/administrative-gender": ["female", "male", "other", "unknown"]
    }
    assert "subject" in definitions.compartment("Patient")["Observation"]
    assert definitions.find_type("Nothing") is None


def test_building_is_deterministic_and_takes_no_prose(tmp_path: Path) -> None:
    script = _script()
    structure = {
        "resourceType": "StructureDefinition",
        "kind": "resource",
        "abstract": False,
        "type": "Thing",
        "url": "http://hl7.org/fhir/StructureDefinition/Thing",
        "derivation": "specialization",
        "snapshot": {
            "element": [
                {"path": "Thing"},
                {"path": "Thing.id", "min": 0, "max": "1", "type": [{"code": "http://hl7.org/fhirpath/System.String"}]},
                {
                    "path": "Thing.kind",
                    "min": 1,
                    "max": "1",
                    "type": [{"code": "code"}],
                    "definition": "some prose",
                    "binding": {"strength": "required", "valueSet": "http://x/vs|1"},
                },
                {"path": "Thing.part", "min": 0, "max": "*", "type": [{"code": "BackboneElement"}]},
                {"path": "Thing.part.again", "min": 0, "max": "*", "contentReference": "#Thing.part"},
            ]
        },
    }
    quantity = {
        **structure,
        "kind": "complex-type",
        "type": "Quantity",
        "snapshot": {"element": [{"path": "Quantity"}]},
    }
    quantity["url"] = "http://hl7.org/fhir/StructureDefinition/Quantity"
    codes = {
        "url": "http://x/vs",
        "expansion": {"contains": [{"system": "http://s", "code": "b"}, {"system": "http://s", "code": "a"}]},
    }
    examples = _package(
        tmp_path / "a.tgz", {"StructureDefinition-Thing": structure, "StructureDefinition-Quantity": quantity}
    )
    expansions = _package(tmp_path / "b.tgz", {"ValueSet-vs": codes})
    for name in ("one", "two"):
        script.main(examples, expansions, str(tmp_path / name))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    built = script.build(examples, expansions)
    assert built["types"]["Thing"]["elements"] == [
        ["id", 0, 1, ["id"], None, 0],
        ["kind", 1, 1, ["code"], "http://x/vs", 0],
        ["part", 0, -1, ["Thing.part"], None, 0],
    ]
    assert built["types"]["Thing.part"]["elements"] == [["again", 0, -1, ["Thing.part"], None, 0]]
    assert built["value_sets"] == {"http://x/vs": {"http://s": ["a", "b"]}}
    assert "prose" not in json.dumps(built)


def _script() -> ModuleType:
    found = importlib.util.spec_from_file_location("build_fhir_definitions", SCRIPT)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def _package(path: Path, files: dict[str, Any]) -> str:
    with tarfile.open(path, "w:gz") as package:
        for name, content in files.items():
            raw = json.dumps(content).encode()
            member = tarfile.TarInfo(f"package/{name}.json")
            member.size = len(raw)
            package.addfile(member, io.BytesIO(raw))
    return str(path)
