"""`kiungo fhir path`: values with types and paths from JSON, XML and NDJSON, and errors that help."""

from pathlib import Path

from typer.testing import CliRunner

from kiungo.app.cli import app
from kiungo.app.cli.output import EXIT_WRONG
from kiungo.kernel import json

RUNNER = CliRunner()
PATIENT = b'{"resourceType":"Patient","id":"p","name":[{"family":"Otieno","given":["Amina"]}],"birthDate":"1980-02"}'
OBSERVATION = b"""<Observation xmlns="http://hl7.org/fhir"><status value="final"/><code><text value="w"/></code>
<valueQuantity><value value="1.10"/><unit value="kg"/></valueQuantity></Observation>"""


def _file(folder: Path, name: str, body: bytes) -> str:
    path = folder / name
    path.write_bytes(body)
    return str(path)


def test_values_come_with_type_and_path(tmp_path: Path) -> None:
    file = _file(tmp_path, "patient.json", PATIENT)
    done = RUNNER.invoke(app, ["fhir", "path", "name.given | birthDate.toString().length()", file, "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["results"] == [
        {"type": "string", "value": "Amina", "path": "Patient.name[0].given[0]"},
        {"type": "integer", "value": 7},
    ]
    assert (
        RUNNER.invoke(app, ["fhir", "path", "name.family", file]).stdout == "Patient.name[0].family  string  Otieno\n"
    )


def test_xml_keeps_decimals_and_ndjson_gives_an_answer_for_each_line(tmp_path: Path) -> None:
    xml = _file(tmp_path, "weight.xml", OBSERVATION)
    done = RUNNER.invoke(app, ["fhir", "path", "value.value", xml, "--json"])
    assert '"value": 1.10' in done.stdout
    lines = _file(tmp_path, "two.ndjson", PATIENT + b"\n" + PATIENT)
    many = json.loads(RUNNER.invoke(app, ["fhir", "path", "id", lines, "--json"]).stdout)["resources"]
    assert [one["results"][0]["value"] for one in many] == ["p", "p"]


def test_what_is_wrong_is_said_with_the_way_out(tmp_path: Path) -> None:
    file = _file(tmp_path, "patient.json", PATIENT)
    for text, code in (("name.", "FHIRPATH_SYNTAX"), ("nmae", "FHIRPATH_SEMANTIC"), ("id + 1", "FHIRPATH_EXECUTION")):
        done = RUNNER.invoke(app, ["fhir", "path", text, file])
        assert (done.exit_code, code in done.stderr) == (EXIT_WRONG, True)
        machine = RUNNER.invoke(app, ["fhir", "path", text, file, "--json"])
        assert (machine.exit_code, json.loads(machine.stdout)["error"]["code"]) == (EXIT_WRONG, code)
    assert RUNNER.invoke(app, ["fhir", "path", "nmae", file, "--lenient"]).exit_code == 0
    nothing = _file(tmp_path, "list.json", b"[]")
    assert RUNNER.invoke(app, ["fhir", "path", "id", nothing]).exit_code == EXIT_WRONG
