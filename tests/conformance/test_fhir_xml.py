"""Real documents: whatever the reference validator takes is read, and comes back from both forms as it was."""

import json

from kiungo.base.errors import Incorrect
from kiungo.fhir.xml import from_xml, to_xml
from kiungo.kernel.json import loads
from tests.conformance.material import material


def test_documents_of_the_reference_validator() -> None:
    folder = material("validator")
    read, refused = 0, {}
    for case in json.loads((folder / "cases-r4.json").read_text()):
        expected = case["expected_base"]
        if not case["file"].endswith(".xml") or not expected:
            continue
        body = (folder / case["file"]).read_bytes()
        try:
            resource = from_xml(body)
        except Incorrect as error:
            if expected["valid_without_terminology_server"]:
                refused[case["name"]] = error.message
            continue
        read += 1
        assert from_xml(to_xml(resource)) == resource, case["name"]
    assert refused == {}
    assert read > 50


def test_documents_of_the_fhirpath_suite() -> None:
    for file in material("fhirpath", "input").glob("*.xml"):
        resource = from_xml(file.read_bytes(), in_order=False)
        assert from_xml(to_xml(resource)) == from_xml(to_xml(from_xml(to_xml(resource)))), file.name


def test_examples_in_json_come_back_from_xml() -> None:
    files = [*material("us-core-examples").glob("*.json"), *sorted(material("synthea").glob("*.json"))[:1]]
    assert files
    for file in files:
        written = to_xml(loads(file.read_bytes()))
        assert to_xml(from_xml(written)) == written, file.name
