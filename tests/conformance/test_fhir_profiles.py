"""Full validation against the reference validator's verdicts, US Core's examples and whole synthetic records."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kiungo.base.errors import KiungoError
from kiungo.fhir.packages.archive import read_package
from kiungo.fhir.profiles.conformance import BaseSource, GivenSource, Layers
from kiungo.fhir.profiles.library import Library, claimed
from kiungo.fhir.profiles.membership import LocalTerminology
from kiungo.fhir.profiles.validator import Validator
from kiungo.fhir.xml import from_xml
from kiungo.kernel.json import loads
from tests.conformance.material import FOLDER, material

AGREEMENT_MIN = 0.93
US_CORE = "hl7.fhir.us.core-6.1.0.tgz"
# What a case needs that this suite does not give: other packages, formats that are no resources, other modes.
NOT_HERE = frozenset({"packages", "no-expectation", "format:txt", "format:ndjson"})
# Verdicts we do not share, each with its reason.
ARGUED = {
    "json-comments-1-yes": "JSON has no comments",
    "questionnaire-enableWhen-dw": "R4's que-12 counts more than two conditions, later versions two",
    "q-bp": "an unknown extension may be ignored by its reader: a warning",
    "uuid-extension": "an unknown extension is a warning",
    "profile-patient-op1": "an unknown extension is a warning",
    "nested-questionnaire-nested-valueset": "an unknown extension is a warning",
    "bb-obs-value-is-not-in-valueset": "the profile it claims is at hand here, and the verdict is of a run without it",
    "parameters-reference-bad": "a reference that cannot be followed now is not wrong",
    "pat-security-bad-string": "text that looks like HTML is text; whoever shows it escapes it",
    "bad-markdown-no-html": "Markdown may hold HTML in R4",
    "cs-narrative-status-pub": "HL7's own rules of publication",
    "patient-ig-bad": "rules that an ImplementationGuide states for everything are not taken over",
    "patient-circle2-bad-linked": "the target is not among the case's files",
    "patient-circle2-bad-source1": "the target is not among the case's files",
    "res-inv-example-good": "a profile that is not installed cannot be missed: a warning",
    "shc": "a profile that is not installed cannot be met",
    "bundle-bad-by-param": "the profile is an argument of the reference's command line, for entries of a Bundle",
    "mr-m-cql-library": "it needs a reader of CQL",
    "obs-vs-1": "an unknown extension is a warning, and its LOINC code is none of R4's for blood pressure",
    "string-with-coding-async-qr": "the countries of ISO 3166 are not here",
    "vs-bad-code": "the codes of SNOMED CT are their owner's, and are not here",
}


@dataclass
class Tally:
    agreed: int = 0
    differing: dict[str, str] = field(default_factory=dict)

    def judge(self, name: str, expected: bool, found: bool) -> None:
        if expected is found:
            self.agreed += 1
        else:
            self.differing[name] = f"the reference says {'valid' if expected else 'not valid'}"

    @property
    def share(self) -> float:
        return self.agreed / (self.agreed + len(self.differing))


def us_core() -> GivenSource:
    path = FOLDER.parent / "packages" / US_CORE
    if not path.exists():
        pytest.skip(f"the package is not here: packages/{US_CORE}")
    return GivenSource(read_package(path)[1])


def read(path: Path) -> Any:
    body = path.read_bytes()
    return from_xml(body) if path.suffix == ".xml" else loads(body)


def definitions(folder: Path, case: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The case's supporting resources, those inside Bundles too; one that cannot be read is left out."""
    named = case["profile"] if str(case["profile"]).startswith("cases/") else None
    for name in (*case["supporting"], *([named] if named else [])):
        try:
            one = read(folder / name)
        except KiungoError:
            continue
        yield one
        for entry in one.get("entry", []) if one.get("resourceType") == "Bundle" else []:
            if "resource" in entry:
                yield entry["resource"]


def verdicts(folder: Path, case: dict[str, Any], installed: GivenSource) -> Iterator[tuple[str, bool, bool]]:
    """(name, the reference's verdict, ours) for the base run of a case and the run with its profile."""
    own = list(definitions(folder, case))
    by_reference = {f"{one.get('resourceType')}/{one.get('id')}": one for one in own}
    source = Layers(GivenSource(own), installed, BaseSource())
    validator = Validator(Library(source, LocalTerminology(source)), by_reference.get)
    for kind in ("expected_base", "expected_profile"):
        expected = case[kind]
        if not expected or expected["valid_without_terminology_server"] is None:
            continue
        profiles = []
        if kind == "expected_profile":
            profile = case["profile"]
            profiles = [read(folder / profile)["url"] if profile.startswith("cases/") else profile]
        try:
            found = validator.check(read(folder / case["file"]), profiles).is_valid
        except KiungoError:
            found = False  # it cannot even be parsed
        yield case["name"], expected["valid_without_terminology_server"], found


def test_agreement_with_the_reference_validator(capsys: pytest.CaptureFixture[str]) -> None:
    folder = material("validator")
    installed = us_core()
    tally = Tally()
    for case in json.loads((folder / "cases-r4.json").read_text()):
        if not NOT_HERE.intersection(case["needs"]):
            for name, expected, found in verdicts(folder, case, installed):
                tally.judge(name, expected, found)
    open_cases = {name: why for name, why in tally.differing.items() if name not in ARGUED}
    with capsys.disabled():
        print(f"\nvalidator cases: {tally.agreed} agree, {len(tally.differing)} differ ({tally.share:.1%}),")
        print(f"{len(tally.differing) - len(open_cases)} of these argued; open: {', '.join(sorted(open_cases))}")
    assert tally.share >= AGREEMENT_MIN
    assert open_cases == {}, "each verdict is shared, or argued above"


def test_us_core_examples_meet_the_profiles_they_claim() -> None:
    folder = material("us-core-examples")
    source = Layers(us_core(), BaseSource())
    validator = Validator(Library(source, LocalTerminology(source)))
    wrong = {}
    for path in sorted(folder.glob("*.json")):
        report = validator.check(loads(path.read_bytes()))
        if report.errors:
            wrong[path.name] = report.errors[0].message
    assert wrong == {}


def test_generated_trees_judge_as_published_snapshots_do() -> None:
    """Without its snapshots US Core is built from differentials; every example gets the same errors."""
    folder = material("us-core-examples")
    resources = read_package(FOLDER.parent / "packages" / US_CORE)[1] if us_core() else []
    bare = [{k: v for k, v in one.items() if k != "snapshot"} for one in resources]
    validators = []
    for known in (resources, bare):
        source = Layers(GivenSource(known), BaseSource())
        validators.append(Validator(Library(source, LocalTerminology(source))))
    for path in sorted(folder.glob("*.json"))[::2]:
        resource = loads(path.read_bytes())
        if any(validators[1].library.plan(url).problem for url in claimed(resource)):
            continue  # it stands on a package that is not here; only its snapshot is known
        for name in [None, *[key for key in resource if key not in {"resourceType", "id", "meta", "text"}]]:
            changed = {key: value for key, value in resource.items() if key != name}
            places = [sorted({f.location for f in one.check(changed).errors}) for one in validators]
            assert places[0] == places[1], (path.name, name)


def test_synthetic_records_have_no_errors() -> None:
    source = BaseSource()
    validator = Validator(Library(source, LocalTerminology(source)))
    for path in sorted(material("synthea").glob("*.json")):
        assert validator.check(loads(path.read_bytes())).errors == (), path.name
