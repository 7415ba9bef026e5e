"""The second artifact: invariants, targets, bindings, profiles; built the same each time, and without sentences."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from scripts import build_fhir_rules

from kiungo.fhir.definitions import rules

THING: dict[str, Any] = {
    "resourceType": "StructureDefinition",
    "url": "http://hl7.org/fhir/StructureDefinition/Thing",
    "type": "Thing",
    "kind": "resource",
    "derivation": "specialization",
    "snapshot": {
        "element": [
            {
                "path": "Thing",
                "definition": "some prose",
                "constraint": [
                    {"key": "ele-1", "severity": "error", "expression": "x"},
                    {"key": "thg-1", "severity": "error", "human": "some prose", "expression": "kind.exists()"},
                ],
            },
            {
                "path": "Thing.kind",
                "type": [{"code": "code"}],
                "binding": {"strength": "extensible", "valueSet": "http://x/vs|1", "description": "some prose"},
            },
            {
                "path": "Thing.form",
                "type": [
                    {
                        "code": "canonical",
                        "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Questionnaire"],
                    }
                ],
            },
            {
                "path": "Thing.owner",
                "type": [{"code": "Reference", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Patient"]}],
            },
        ]
    },
}
SMALL: dict[str, Any] = {
    **THING,
    "url": "http://hl7.org/fhir/StructureDefinition/small",
    "derivation": "constraint",
    "description": "some prose",
    "differential": {"element": [{"id": "Thing.kind", "path": "Thing.kind", "short": "some prose", "min": 1}]},
}


def test_r4_is_there() -> None:
    keys = {one.key for one in rules.type_rules("Observation").invariants}
    assert {"obs-6", "obs-7"} <= keys
    assert rules.element_rules("Observation", "encounter").targets == ("Encounter",)
    assert rules.element_rules("Observation", "subject").targets == ("Device", "Group", "Location", "Patient")
    assert rules.element_rules("QuestionnaireResponse", "questionnaire").canonicals == ("Questionnaire",)
    assert rules.element_rules("Observation", "encounter").canonicals == ()
    assert {"Questionnaire", "ValueSet", "StructureDefinition"} <= rules.canonical_types()
    assert rules.type_rules("SimpleQuantity") == rules.type_rules("Quantity")
    assert rules.find_profile("http://hl7.org/fhir/StructureDefinition/bp") is not None
    assert rules.find_profile("http://hl7.org/fhir/StructureDefinition/nothing") is None
    assert len(rules.profile_urls()) > 400


def test_building_is_deterministic_and_takes_no_prose(tmp_path: Path) -> None:
    path = tmp_path / "examples.tgz"
    with tarfile.open(path, "w:gz") as package:
        for name, content in (("Thing", THING), ("small", SMALL)):
            raw = json.dumps(content).encode()
            member = tarfile.TarInfo(f"package/StructureDefinition-{name}.json")
            member.size = len(raw)
            package.addfile(member, io.BytesIO(raw))
    for name in ("one", "two"):
        build_fhir_rules.main(str(path), str(tmp_path / name))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    built = build_fhir_rules.build(str(path))
    assert "prose" not in json.dumps(built)
    assert built["rules"]["Thing"] == {
        "constraints": [["thg-1", "error", "kind.exists()"]],
        "elements": {
            "kind": {"binding": ["extensible", "http://x/vs"]},
            "form": {"canonicals": ["Questionnaire"]},
            "owner": {"targets": ["Patient"]},
        },
    }
    kept = built["profiles"]["http://hl7.org/fhir/StructureDefinition/small"]["differential"]
    assert kept == {"element": [{"id": "Thing.kind", "path": "Thing.kind", "min": 1}]}
