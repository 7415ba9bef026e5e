"""What profiles ask by extensions, and rules of definitions: values, narratives, obligations, expressions."""

from typing import Any

import pytest

from kiungo.fhir.profiles.demands import MUST_HAVE_VALUE, VALUE_ALTERNATIVES
from kiungo.fhir.profiles.ecl import ecl_problem
from kiungo.fhir.profiles.languages import LANGUAGE, SOURCE
from kiungo.fhir.profiles.obligations import INHERIT
from tests.fhir.profiles.conftest import HERE, Json, Places, patient, profile, validator

ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
MASKED = {"extension": [{"url": ABSENT, "valueCode": "masked"}]}
OTHER = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/iso21090-nullFlavor", "valueCode": "MSK"}]}


def asking(element: str, url: str, value: Any, **more: Any) -> Json:
    return profile("Patient", {"id": element, "extension": [{"url": url, **value}], **more})


def told(div: str, **more: Any) -> Json:
    return patient(
        text={"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{div}</div>'}, **more
    )


def test_a_value_that_extensions_may_or_may_not_stand_for(places: Places) -> None:
    alternatives = asking("Patient.active", VALUE_ALTERNATIVES, {"valueCanonical": ABSENT}, min=1)
    must = asking("Patient.active", MUST_HAVE_VALUE, {"valueBoolean": True})
    assert places(patient(active=True), alternatives) == places(patient(_active=MASKED), alternatives) == []
    assert places(patient(_active=OTHER), alternatives) == ["Patient.active"]
    assert places(patient(), alternatives) == ["Patient"]
    assert places(patient(active=True, _active=OTHER), alternatives) == []
    assert places(patient(_active=MASKED), must) == ["Patient.active"]
    assert places(patient(), must) == []


def test_lists_of_values_and_of_their_extensions_may_differ_in_length(places: Places) -> None:
    two = profile("Patient", {"id": "Patient.name.given", "min": 2})
    fixed = profile(
        "Patient", {"id": "Patient.name.given", "extension": [{"url": MUST_HAVE_VALUE, "valueBoolean": True}]}
    )
    longer = patient(name=[{"given": ["Amina"], "_given": [None, MASKED]}])
    assert places(longer, two) == []
    assert places(longer, fixed) == ["Patient.name[0].given[1]"]
    assert places(patient(name=[{"given": ["Amina", "N."], "_given": [MASKED]}]), fixed) == []


GERMAN = '<div lang="de" xml:lang="de">Guten Tag</div>'


@pytest.mark.parametrize(
    ("wanted", "div", "language", "is_right"),
    [
        ("_no", "plain", None, True),
        ("_no", GERMAN, None, False),
        ("_yes", GERMAN, None, True),
        ("_yes", "plain", None, False),
        ("_resource", GERMAN, "de", True),
        ("_resource", GERMAN, "en", False),
        ("_resource", GERMAN, None, True),
        ("de", GERMAN, "en", True),
        ("pt", GERMAN, "en", False),
    ],
)
def test_sections_for_languages(places: Places, wanted: str, div: str, language: str | None, is_right: bool) -> None:
    resource = told(div, **({"language": language} if language else {}))
    found = places(resource, asking("Patient.text", LANGUAGE, {"valueCode": wanted}))
    assert found == ([] if is_right else ["Patient.text"])


def test_every_text_says_where_it_comes_from(places: Places) -> None:
    asked = asking("Patient.text", SOURCE, {"valueCode": "error"})
    assert places(told('<div class="generated"><p>a <b>b</b></p></div> <p class="x original">c</p>'), asked) == []
    assert places(told('bare <p class="generated">a</p><p class="other">c</p>'), asked) == ["Patient.text"] * 2


def test_a_link_within_a_narrative_leads_somewhere(places: Places) -> None:
    held = [{"resourceType": "Organization", "id": "org", "name": "x"}]
    to_org = {"managingOrganization": {"reference": "#org"}, "contained": held}
    any_patient = profile("Patient")
    anchors = '<a name="here">x</a><a href="#here">y</a><p id="p">z</p><a href="#p">p</a>'
    assert places(told(anchors), any_patient) == []
    assert places(told('<a href="#org">x</a>', **to_org), any_patient) == []
    assert places(told('<a href="#nowhere">x</a>'), any_patient) == ["Patient.text.div"]
    assert places(told('<a href="http://example.org/#nowhere">x</a>'), any_patient) == []


GENDERS = "http://hl7.org/fhir/ValueSet/administrative-gender"
KINSHIP = "http://hl7.org/fhir/StructureDefinition/"


@pytest.mark.parametrize(
    ("extension", "is_judged"),
    [
        ({"url": KINSHIP + "elementdefinition-maxValueSet", "valueCanonical": GENDERS}, True),
        ({"url": KINSHIP + "additional-binding", "extension": [
            {"url": "purpose", "valueCode": "required"}, {"url": "valueSet", "valueCanonical": GENDERS}]}, True),
        ({"url": KINSHIP + "additional-binding", "extension": [
            {"url": "purpose", "valueCode": "preferred"}, {"url": "valueSet", "valueCanonical": GENDERS}]}, False),
    ],
)  # fmt: skip
def test_a_greatest_value_set_holds_whatever_the_binding_says(places: Places, extension: Json, is_judged: bool) -> None:
    binding = {"strength": "example", "valueSet": "http://example.org/any", "extension": [extension]}
    asked = profile("Patient", {"id": "Patient.maritalStatus", "binding": binding})
    system = "http://hl7.org/fhir/administrative-gender"
    assert places(patient(maritalStatus={"coding": [{"system": system, "code": "male"}]}), asked) == []
    assert places(patient(maritalStatus={"text": "male"}), asked) == []
    other = {"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "M"}
    found = places(patient(maritalStatus={"coding": [other]}), asked)
    assert found == (["Patient.maritalStatus"] if is_judged else [])


def test_obligations_are_taken_over_from_obligation_profiles_of_the_same_base() -> None:
    flag = [{"url": "http://hl7.org/fhir/StructureDefinition/obligation-profile-flag", "valueBoolean": True}]
    base = profile("Patient", name="base")
    marked = profile("Patient", name="marked", base=HERE + "base", extension=flag)
    plain = profile("Patient", name="plain", base=HERE + "base")
    elsewhere = profile("Patient", name="elsewhere", extension=flag)
    names = ("marked", "plain", "elsewhere", "not-here")
    taken = [{"url": INHERIT, "valueCanonical": HERE + name} for name in names]
    own = profile("Patient", name="own", base=HERE + "base", extension=taken)
    report = validator(base, marked, plain, elsewhere).check(own)
    places = [one.location for one in report.errors if "extension" in one.location]
    assert places == ["StructureDefinition.extension[1]", "StructureDefinition.extension[2]"]


def test_a_value_set_declares_the_parameters_of_its_expressions() -> None:
    said = {"language": "text/fhirpath", "expression": "%inactive"}
    value = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/cqf-expression", "valueExpression": said}]}
    wanted = {"property": "inactive", "op": "=", "_value": value}
    resource = {
        "resourceType": "ValueSet",
        "status": "draft",
        "compose": {"include": [{"system": "http://example.org/codes", "filter": [wanted]}]},
        "extension": [
            {
                "url": "http://hl7.org/fhir/tools/StructureDefinition/valueset-parameter",
                "extension": [{"url": "name", "valueCode": "inactive"}],
            }
        ],
    }
    assert not [one for one in validator().check(resource).errors if "parameter" in one.message]
    said["expression"] = "%other and %resource.exists()"
    found = [one.location for one in validator().check(resource).errors if "parameter" in one.message]
    assert found == ["ValueSet.compose.include[0].filter[0].value"]


@pytest.mark.parametrize(
    "text",
    [
        "404684003",
        "< 404684003 |Clinical finding|",
        "<< 73211009 AND < 126851005 AND ^ 700043003",
        "(<< 73211009 OR << 64572001) MINUS << 46635009",
        "*",
        "^ (<< 73211009)",
        "< 404684003 : 363698007 = << 39057004, 116676008 = *",
        "< 404684003 : { 363698007 = << 39057004 , 116676008 = << 415582006 } OR { 363698007 = * }",
        '< 27658006 : 127489000 = #1, 732943007 = 387517004, [0..1] R 762949000 != "x"',
        "< 404684003 . 363698007",
        '<< 73211009 {{ term = "heart" }}',
        ">! 73211009 /* the ones above */",
    ],
)
def test_expression_constraints_that_can_be_read(text: str) -> None:
    assert ecl_problem(text) is None


@pytest.mark.parametrize(
    "text",
    ["", "<<", "234234 << 234234", "< 404684003 :", "(73211009", "73211009)", "73211009 AND", "12", "< abc",
     "< 404684003 : 363698007", "73211009 AND 64572001 OR 46635009", "73211009 ; 64572001", "(" * 100 + "73211009"],
)  # fmt: skip
def test_expression_constraints_that_cannot(text: str) -> None:
    assert ecl_problem(text)


def test_expressions_of_definitions_can_be_read() -> None:
    rule = {"key": "a-1", "severity": "error", "human": "x", "expression": "name.exists("}
    found = validator().check(profile("Patient", {"id": "Patient.name", "constraint": [rule]})).errors
    where = "StructureDefinition.differential.element[1].constraint[0].expression"
    assert where in [one.location for one in found]
    rule["expression"] = "somethingOfLaterVersions(name)"
    later = validator().check(profile("Patient", {"id": "Patient.name", "constraint": [rule]})).errors
    assert where not in [one.location for one in later], "what is not known here may be known elsewhere"
    searched = {"resourceType": "SearchParameter", "type": "string", "expression": "Patient.name |"}
    assert "SearchParameter.expression" in [one.location for one in validator().check(searched).errors]


def test_listed_codes_are_their_systems() -> None:
    include = {"system": "http://hl7.org/fhir/administrative-gender", "concept": [{"code": "male"}, {"code": "banana"}]}
    resource = {"resourceType": "ValueSet", "status": "draft", "compose": {"include": [include]}}
    assert [one.location for one in validator().check(resource).errors] == ["ValueSet.compose.include[0].concept[1]"]
    include["system"] = "http://example.org/not-here"
    assert validator().check(resource).errors == ()
