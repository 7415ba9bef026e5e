"""`kiungo fhir validate`, `install`, `must-conform`, `uscdi`: without a server, and with what is installed."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kiungo.app.cli import app
from kiungo.app.cli.output import EXIT_NO, EXIT_WRONG

RUNNER = CliRunner()
PROFILE = "http://example.org/fhir/StructureDefinition/named"
NAMED = {
    "resourceType": "StructureDefinition",
    "url": PROFILE,
    "type": "Patient",
    "kind": "resource",
    "derivation": "constraint",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "differential": {"element": [{"id": "Patient.name", "path": "Patient.name", "min": 1}]},
}
GOOD = {"resourceType": "Patient", "id": "a", "name": [{"family": "Mwangi"}]}
BAD = b'{\n "resourceType": "Patient",\n "birthDate": "soon"\n}'
XML = b'<Patient xmlns="http://hl7.org/fhir"><gender value="f"/></Patient>'


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIUNGO_DATABASE_URL", f"sqlite:///{tmp_path}/kiungo.db")


def file(folder: Path, name: str, content: Any) -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return str(path)


def package(folder: Path, profile: dict[str, Any] = NAMED) -> str:
    path = folder / "named.tgz"
    with tarfile.open(path, "w:gz") as made:
        manifest = {"name": "example.named", "version": "1.0.0", "dependencies": {"example.other": "2.0.0"}}
        for name, content in (("package.json", manifest), ("StructureDefinition-named.json", profile)):
            raw = json.dumps(content).encode()
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(raw)
            made.addfile(member, io.BytesIO(raw))
    return str(path)


def asked(*arguments: str) -> tuple[int, Any]:
    done = RUNNER.invoke(app, ["fhir", *arguments, "--json"])
    return done.exit_code, json.loads(done.stdout)


def test_files_are_judged_without_a_database(tmp_path: Path) -> None:
    good, bad = file(tmp_path, "good.json", GOOD), file(tmp_path, "bad.json", BAD)
    assert asked("validate", good)[0] == 0
    code, found = asked("validate", good, bad, file(tmp_path, "x.xml", XML), file(tmp_path, "no.json", b"{"))
    assert code == EXIT_NO
    assert [one["valid"] for one in found["files"]] == [True, False, False, False]
    issue = found["files"][1]["outcome"]["issue"][0]
    assert (issue["expression"], [e["valueInteger"] for e in issue["extension"]]) == (["Patient.birthDate"], [3, 15])
    assert found["files"][2]["outcome"]["issue"][0]["expression"] == ["Patient.gender"]
    lines = file(tmp_path, "two.ndjson", json.dumps(GOOD).encode() + b"\n\n" + BAD.replace(b"\n", b""))
    assert [one["file"].rpartition(":")[2] for one in asked("validate", lines)[1]["files"]] == ["1", "3"]
    told = RUNNER.invoke(app, ["fhir", "validate", bad])
    assert "line 3, column 15" in told.stdout
    assert not (tmp_path / "kiungo.db").exists()


def test_profiles_come_from_files_packages_and_what_is_installed(tmp_path: Path) -> None:
    nameless = file(tmp_path, "p.json", {"resourceType": "Patient", "active": True})
    named = file(tmp_path, "named.json", NAMED)
    assert asked("validate", nameless, "--profile", PROFILE)[1]["files"][0]["errors"] == 1  # it is not known
    for more in (["--profile", named], ["--profile", PROFILE, "--with", named]):
        code, found = asked("validate", nameless, *more)
        assert (code, found["files"][0]["outcome"]["issue"][0]["code"]) == (EXIT_NO, "required")
    assert asked("validate", nameless, "--profile", PROFILE, "--package", package(tmp_path))[0] == EXIT_NO
    code, done = asked("install", package(tmp_path))
    assert (code, done["resources"], done["missing_dependencies"]) == (0, 1, ["example.other#2.0.0"])
    assert done["faults"] == []
    assert [one["name"] for one in asked("packages")[1]] == ["example.named"]
    assert asked("validate", nameless, "--profile", PROFILE)[1]["files"][0]["outcome"]["issue"][0]["code"] == "required"
    assert asked("must-conform", "Patient", "--profile", PROFILE)[1] == {"Patient": [PROFILE]}
    assert asked("must-conform", "Patient", "--remove")[1] == {}
    assert RUNNER.invoke(app, ["fhir", "must-conform", "Nobody", "--profile", PROFILE]).exit_code == EXIT_WRONG
    assert RUNNER.invoke(app, ["fhir", "uninstall", "example.named", "1.0.0"]).exit_code == 0
    assert RUNNER.invoke(app, ["fhir", "uninstall", "example.named", "1.0.0"]).exit_code == EXIT_WRONG
    assert RUNNER.invoke(app, ["fhir", "install", nameless]).exit_code == EXIT_WRONG


def test_installing_tells_which_profiles_are_wider_than_their_base(tmp_path: Path) -> None:
    element = {"id": "Patient.link.other", "path": "Patient.link.other", "min": 0}
    wide = package(tmp_path, {**NAMED, "differential": {"element": [{"id": "Patient", "path": "Patient"}, element]}})
    code, done = asked("install", wide)
    assert code == 0
    (fault,) = done["faults"]
    assert fault.startswith(f"{PROFILE}: StructureDefinition.differential.element[1].min is 0")
    told = RUNNER.invoke(app, ["fhir", "install", wide])
    assert (told.exit_code, "wider than their bases" in told.stderr) == (0, True)


def test_a_record_is_asked_for_uscdi_only_with_us_core(tmp_path: Path) -> None:
    RUNNER.invoke(app, ["migrate"])
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": GOOD}]}
    path = file(tmp_path, "record.json", bundle)
    told = RUNNER.invoke(app, ["fhir", "uscdi", path])
    assert (told.exit_code, "kiungo fhir install" in told.stderr) == (EXIT_WRONG, True)


def test_a_member_that_is_there_twice_is_a_problem_of_the_file(tmp_path: Path) -> None:
    twice = file(tmp_path, "twice.json", b'{"resourceType": "Patient", "gender": "male", "gender": "female"}')
    code, found = asked("validate", twice)
    assert code == EXIT_NO
    assert "gender" in json.dumps(found)
