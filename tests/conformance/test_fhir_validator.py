"""Structural validation against the verdicts of the reference validator, and against whole real-looking records."""

import json
import re

from kiungo.base.errors import KiungoError
from kiungo.fhir.prepare import prepare
from kiungo.fhir.validation import find_problems
from kiungo.fhir.validation.primitives import problem
from kiungo.kernel.json import loads
from tests.conformance.material import material

# Errors that are about structure; the others need profiles, invariants, terminology or other documents.
STRUCTURAL = re.compile(
    r"must be a JSON|Array cannot be empty|Invalid Resource id|Not a valid date|not a valid Base64|"
    r"not valid base64|Unable to find resourceType|UUIDs must be valid|If a date has a time|"
    r"Invalid element name in the XHTML|Unrecogni[sz]ed property|A Comma is missing|"
    r"minimum required = 1, but only found 0 \(from http://hl7.org/fhir/StructureDefinition/[A-Z][A-Za-z]+\|4.0.1\)"
)
# Valid for the reference validator, which takes comments, and placeholders of a matching language, for JSON.
NOT_JSON = {"json-comments-1-yes", "matchetype-pattern-1"}
PRIMITIVES = {
    "base64_binary": "base64Binary",
    "date_time": "dateTime",
    "positive_int": "positiveInt",
    "unsigned_int": "unsignedInt",
}


def _verdict(text: bytes) -> tuple[str, ...]:
    try:
        return tuple(p.message for p in find_problems(loads(text)))
    except KiungoError as error:
        return (error.message,)


def test_reference_validator_cases() -> None:
    folder = material("validator")
    cases = json.loads((folder / "cases-r4.json").read_text())
    refused, accepted, judged = {}, {}, 0
    for case in cases:
        expected = case["expected_base"]
        if not case["file"].endswith(".json") or not expected or case["name"] in NOT_JSON:
            continue
        judged += 1
        found = _verdict((folder / case["file"]).read_bytes())
        if expected["valid_without_terminology_server"]:
            if found:
                refused[case["name"]] = found[:2]
            continue
        texts = [e["text"] or "" for e in expected["errors"] or [] if not e["from_terminology_server"]]
        structural = [text for text in texts if STRUCTURAL.search(text)]
        if structural and not found:
            accepted[case["name"]] = structural[:2]
    assert judged > 150
    assert refused == {}
    assert accepted == {}


def test_primitive_formats() -> None:
    folder = material("primitives")
    wrong = []
    for path in sorted(folder.glob("*.ndjson")):
        name, verdict, _ = path.name.split(".")
        kind = PRIMITIVES.get(name, name)
        if kind == "reference":
            continue
        for line in path.read_text().splitlines():
            if _primitive_is_valid(kind, line) is not (verdict == "valid"):
                wrong.append((path.name, line))
    assert wrong == []


def _primitive_is_valid(kind: str, line: str) -> bool:
    """`null` stands for a value that is only extensions, which is right."""
    try:
        value = loads(line)
    except KiungoError:
        return False
    return value is None or problem(kind, value) is None


def test_us_core_examples_are_accepted_and_indexed() -> None:
    for path in sorted(material("us-core-examples").glob("*.json")):
        prepared = prepare(path.read_bytes())
        assert prepared.type == path.name.split("-")[0]


def test_synthea_bundles_are_accepted() -> None:
    for path in sorted(material("synthea").glob("*.json")):
        bundle = loads(path.read_bytes())
        assert find_problems(bundle) == ()
        for entry in bundle["entry"]:
            prepare(entry["resource"])
