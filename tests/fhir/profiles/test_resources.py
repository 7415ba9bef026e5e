"""Rules of whole resources: Bundles, narrative, attachments, definitions, vital signs; and that nothing breaks them."""

# ruff: noqa: E501 - tables of cases, one a line

import copy
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiungo.fhir.definitions.rules import find_profile
from kiungo.fhir.profiles import library
from kiungo.fhir.profiles.findings import root_at
from kiungo.fhir.profiles.items import Item
from kiungo.fhir.profiles.native import NATIVE
from kiungo.fhir.profiles.paths import asked
from kiungo.fhir.profiles.resources import own_scope
from kiungo.fhir.profiles.run import Run
from tests.fhir.profiles.conftest import Json, observation, patient, profile, validator

CHECK = validator()


def errors(resource: Any) -> list[str]:
    return [f.location for f in CHECK.check(resource).errors]


def bundle(kind: str, *entries: Json, **more: Any) -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries), **more}


def entry(resource: Json, url: str | None = None) -> Json:
    return {"resource": resource} | ({"fullUrl": url} if url else {})


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (bundle("collection", entry(patient(id="1"), "http://x.org/fhir/Patient/1")), []),
        (bundle("collection", entry(patient(id="1"), "http://x.org/fhir/Patient/2")), ["Bundle.entry[0]"]),
        (bundle("collection", entry(patient(id="1"), "Patient/1")), ["Bundle.entry[0]"]),
        (bundle("collection", entry(patient(), "http://x.org/fhir/Patient/1")), ["Bundle.entry[0]"]),
        (bundle("collection", entry(patient(), "urn:uuid:c757873d-ec9a-4326-a141-556f43239520")), []),
        (bundle("collection", *[entry(patient(id="1"), "http://x.org/fhir/Patient/1")] * 2), ["Bundle.entry[1]"]),
        (bundle("searchset", link=[{"relation": "self", "url": "http://x"}] * 2), ["Bundle.entry", "Bundle.link[1]"]),
        (bundle("searchset", {**entry(patient()), "search": {"mode": "outcome"}}), ["Bundle.entry[0]"]),
        (bundle("collection", total=1), ["Bundle", "Bundle.entry"]),
        (patient(text={"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>a&nbsp;b</p></div>"}), []),
        (patient(text={"status": "generated", "div": "<div><p>a<b>b</p></div>"}), ["Patient.text.div"]),
        (patient(text={"status": "generated", "div": "<div> </div>"}), ["Patient.text.div"]),
        (patient(text={"status": "generated", "div": "<div><video>x</video></div>"}), ["Patient.text.div"]),
        (patient(text={"status": "generated", "div": "<div><!DOCTYPE x>x</div>"}), ["Patient.text.div"]),
        (patient(photo=[{"contentType": "image/png", "data": "AAECAw==", "size": 4}]), []),
        (patient(photo=[{"contentType": "image/png", "data": "AAECAw==", "size": 5}]), ["Patient.photo[0]"]),
        (patient(photo=[{"data": "AAECAw=="}]), ["Patient.photo[0]"]),
        (patient(contact=[{"gender": "male"}]), ["Patient.contact[0]"]),
        (patient(name=[{"period": {"start": "2021", "end": "2020"}}]), ["Patient.name[0].period"]),
        (profile("Patient", {"id": "Patient.nme", "min": 1}), ["StructureDefinition.differential.element[1].path"]),
        ({"resourceType": "CodeSystem", "status": "draft", "content": "complete", "count": 2, "concept": [{"code": "a"}]}, ["CodeSystem.count"]),
        ({"resourceType": "ValueSet", "status": "draft", "compose": {"include": [{"system": "colours"}]}}, ["ValueSet.compose.include[0].system"]),
        ({"resourceType": "Measure", "status": "draft", "library": ["Library/1"]}, ["Measure.library[0]"]),
        (patient(maritalStatus={"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "nonsense"}]}), ["Patient.maritalStatus.coding[0]"]),
    ],
)  # fmt: skip
def test_rules_beyond_invariants(resource: Json, expected: list[str]) -> None:
    assert sorted(set(errors(resource))) == expected


def test_a_unit_is_one_that_its_system_has() -> None:
    def measured(code: str, system: str = "http://unitsofmeasure.org") -> Json:
        return observation(valueQuantity={"value": 1, "system": system, "code": code})

    assert errors(measured("foo/bar")) == ["Observation.valueQuantity"]
    for fine in (measured("mm[Hg]"), measured("{score}"), measured("foo/bar", "http://example.org/units")):
        assert errors(fine) == []


def parameter(origin: str, kind: str) -> Json:
    return {
        **{"resourceType": "SearchParameter", "url": "http://x.org/SearchParameter/own", "name": "Own"},
        **{"status": "draft", "description": "names", "code": "own", "base": ["Organization"]},
        **{"type": kind, "derivedFrom": origin, "expression": "Organization.name"},
    }


@pytest.mark.parametrize("version", ["", "|4.0.1"])
def test_a_search_parameter_keeps_the_type_it_derives_from(version: str) -> None:
    published = "http://hl7.org/fhir/SearchParameter/Organization-name" + version
    assert errors(parameter(published, "token")) == ["SearchParameter.type"]
    assert errors(parameter(published, "string")) == []
    assert errors(parameter("http://x.org/SearchParameter/elsewhere", "token")) == []


def test_a_supplement_has_no_codes_of_its_own() -> None:
    base: Json = {"resourceType": "CodeSystem", "status": "draft", "concept": [{"code": "a"}]}
    whole = {**base, "url": "http://x.org/whole", "content": "complete"}
    addition = {**base, "url": "http://x.org/addition", "content": "supplement", "supplements": "http://x.org/whole"}
    knowing = validator(whole, addition)

    def judged(system: str) -> list[str]:
        coded = patient(maritalStatus={"coding": [{"system": system, "code": "a"}]})
        return [f.location for f in knowing.check(coded).errors]

    assert judged("http://x.org/whole") == []
    assert judged("http://x.org/addition") == ["Patient.maritalStatus.coding[0]"]


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("Coding", "http://x.org/own#a", "a"),
        ("Coding", "http://x.org/elsewhere|1#z", "http://x.org/own#z"),
        ("boolean", "true", "yes"),
        ("integer", "-3", "3.5"),
        ("integer", "lt3", "less3"),
        ("decimal", "3.5", "three"),
        ("dateTime", "2024-02", "02/2024"),
        ("string", "anything", None),
    ],
)
def test_a_filter_is_written_as_its_property_asks(kind: str, right: str, wrong: str | None) -> None:
    own: Json = {"resourceType": "CodeSystem", "url": "http://x.org/own", "status": "draft", "content": "complete"}
    knowing = validator({**own, "property": [{"code": "p", "type": kind}], "concept": [{"code": "a"}]})

    def judged(value: str) -> list[str]:
        rule = {"system": "http://x.org/own", "filter": [{"property": "p", "op": "=", "value": value}]}
        made = {"resourceType": "ValueSet", "status": "draft", "compose": {"include": [rule]}}
        return [f.location for f in knowing.check(made).errors]

    assert judged(right) == []
    assert wrong is None or judged(wrong) == ["ValueSet.compose.include[0].filter[0].value"]


def test_a_document_holds_what_its_composition_refers_to() -> None:
    composition = {
        "resourceType": "Composition",
        "id": "c",
        "status": "final",
        "type": {"text": "x"},
        "date": "2024",
        "title": "x",
        "author": [{"reference": "Practitioner/p"}],
    }
    head = {"identifier": {"system": "http://x", "value": "1"}, "timestamp": "2024-01-01T00:00:00Z"}
    author = entry({"resourceType": "Practitioner", "id": "p"}, "http://x.org/fhir/Practitioner/p")
    first = entry(composition, "http://x.org/fhir/Composition/c")
    assert errors(bundle("document", first, author, **head)) == []
    assert errors(bundle("document", first, **head)) == ["Bundle.entry[0].resource.author[0]"]
    assert "Bundle" in errors(bundle("document", author, first, **head))


def test_vital_signs_meet_their_profile() -> None:
    rate = observation(
        category=[
            {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
                ]
            }
        ],
        code={"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        subject={"reference": "Patient/1"},
        effectiveDateTime="2024-05-01",
        valueQuantity={"value": 72, "unit": "beats/min", "system": "http://unitsofmeasure.org", "code": "/min"},
    )
    assert errors(rate) == []
    assert errors({**rate, "valueQuantity": {**rate["valueQuantity"], "code": "Cel"}}) == [
        "Observation.valueQuantity.code"
    ]
    assert errors({**rate, "category": []})
    assert find_profile("http://hl7.org/fhir/StructureDefinition/heartrate") is not None


_RICH = [
    patient(
        contained=[{"resourceType": "Organization", "id": "o", "name": "x"}],
        managingOrganization={"reference": "#o"},
        extension=[
            {"url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace", "valueAddress": {"city": "x"}}
        ],
        photo=[{"contentType": "image/png", "data": "AAECAw==", "size": 4}],
        text={"status": "generated", "div": "<div>x</div>"},
        meta={"profile": ["http://hl7.org/fhir/StructureDefinition/bp"]},
    ),
    bundle(
        "document", entry(observation(subject={"reference": "#"}), "urn:x"), link=[{"relation": "self", "url": "x"}]
    ),
    {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "questionnaire": "#q",
        "contained": [
            {
                "resourceType": "Questionnaire",
                "id": "q",
                "status": "draft",
                "item": [
                    {
                        "linkId": "1",
                        "type": "string",
                        "enableWhen": [{"question": "2", "operator": "=", "answerString": "x"}],
                    }
                ],
            }
        ],
        "item": [{"linkId": "1", "answer": [{"valueString": "x"}]}],
    },
    profile("Patient", {"id": "Patient.name", "min": 1, "type": [{"code": "HumanName"}]}),
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.text(max_size=4) | st.sampled_from(["#", "2020-01-01", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(which=st.integers(0, len(_RICH) - 1), seed=st.integers(0, 2**32), thing=json_values)
def test_garbage_anywhere_is_reported_but_never_breaks(which: int, seed: int, thing: Any) -> None:
    """Put garbage in place of any value: the answer is always a report, also of the profiles the garbage makes."""
    resource = copy.deepcopy(_RICH[which])
    chosen = random.Random(seed)
    node: Any = resource
    while True:
        key = chosen.choice(list(node)) if isinstance(node, dict) else chosen.randrange(len(node))
        if isinstance(node[key], dict | list) and node[key] and chosen.random() < 0.8:
            node = node[key]
            continue
        node[key] = thing
        break
    CHECK.check(resource)
    if resource.get("resourceType") == "StructureDefinition" and isinstance(resource.get("url"), str):
        validator(resource).check(patient(), [resource["url"]])


_leaf = st.sampled_from([None, "x", "#", "#o", "2020", "2020-01-01"])
_object = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("reference", "low", "high", "text", "value", "system", "code", "data", "contentType", "fullUrl", "name", "telecom"), _leaf),
        "start": st.sampled_from(["2020", "2020-01-01", "2021-01-01T10:00:00Z"]),
        "end": st.sampled_from(["2019", "2020-01-01", "2022-01-01T10:00:00Z"]),
        "valueString": st.just("x"),
        "dataAbsentReason": st.just({"text": "x"}),
        "component": st.just([{"code": {"coding": [{"code": "1"}]}}]),
    },
)  # fmt: skip
_CASES = [
    ("Observation", "dataAbsentReason.empty() or value.empty()", ("dataAbsentReason", "valueString")),
    ("Observation.referenceRange", "low.exists() or high.exists() or text.exists()", ("low", "high", "text")),
    ("Observation.component", "value.exists() or dataAbsentReason.exists()", ("valueString", "dataAbsentReason")),
    ("Quantity", "code.empty() or system.exists()", ("code", "system")),
    ("ContactPoint", "value.empty() or system.exists()", ("value", "system")),
    ("Attachment", "data.empty() or contentType.exists()", ("data", "contentType")),
    ("Period", "start.hasValue().not() or end.hasValue().not() or (start <= end)", ("start", "end")),
    (
        "Patient.contact",
        "name.exists() or telecom.exists() or address.exists() or organization.exists()",
        ("name", "telecom"),
    ),
]


@settings(max_examples=150, deadline=None)
@given(made=_object, case=st.sampled_from(_CASES))
def test_python_and_fhirpath_answer_alike(made: Json, case: tuple[str, str, tuple[str, ...]]) -> None:
    kind, expression, names = case
    value = {name: one for name, one in made.items() if name in names and one is not None}
    if not value:
        return
    resource = observation()
    at = root_at("Observation")
    run = Run(CHECK.library, own_scope(resource, at))
    mine = NATIVE[expression](value, run)
    theirs = asked(expression)(Item(value, None, kind, at), run)
    assert mine is None or mine == theirs


def test_compiled_profiles_are_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "PLANS_MAX", 20)
    monkeypatch.setattr(library, "TREES_MAX", 20)
    made = [profile("Patient", {"id": "Patient.name", "min": 1}, name=f"p{n}") for n in range(60)]
    check = validator(*made)
    for _ in range(2):
        for one in made:
            assert check.check({"resourceType": "Patient", "active": True}, [one["url"]]).errors
    assert len(check.library._plans) == 20
    assert len(check.library._trees) == 20


def capability(kind: str, *formats: str) -> Json:
    definition = "http://hl7.org/fhir/SearchParameter/AllergyIntolerance-clinical-status"
    parameter = {"name": "clinical-status", "type": kind, "definition": definition}
    return {
        "resourceType": "CapabilityStatement",
        "status": "draft",
        "date": "2026-01-01",
        "kind": "requirements",
        "description": "what is asked of a server",
        "fhirVersion": "4.0.1",
        "format": list(formats),
        "rest": [{"mode": "server", "resource": [{"type": "AllergyIntolerance", "searchParam": [parameter]}]}],
    }


def test_what_a_server_says_of_itself() -> None:
    """R4 writes its formats in short, and a search parameter has the type of its definition."""
    assert errors(capability("token", "json", "xml", "application/fhir+json")) == []
    assert errors(capability("token", "yaml")) == ["CapabilityStatement.format[0]"]
    assert errors(capability("date", "json")) == ["CapabilityStatement.rest[0].resource[0].searchParam[0].type"]
