"""What other parts build on: values in place, variables, hosts, limits and errors."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from kiungo.base.errors import Incorrect
from kiungo.fhir.fhirpath import Limits, Node, Offline, compile, evaluation, resource_node
from kiungo.fhir.fhirpath.errors import FHIRPATH_EXECUTION, FHIRPATH_SEMANTIC, FHIRPATH_SYNTAX, FHIRPATH_TOO_COSTLY
from kiungo.fhir.fhirpath.expression import CACHED_LENGTH_MAX, CACHED_MAX, _remembered
from kiungo.kernel.json import loads

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [{"family": "Otieno", "given": ["Amina", "Zawadi"]}, {"given": [None, "Z"], "_given": [{"id": "g"}, None]}],
    "birthDate": "1980-02",
    "_birthDate": {"extension": [{"url": "urn:x", "valueInteger": 3}]},
    "contained": [{"resourceType": "Organization", "id": "o1", "name": "Clinic"}],
    "managingOrganization": {"reference": "#o1"},
}


def _nodes(text: str, resource: dict[str, Any] = PATIENT) -> list[Node]:
    found = compile(text)(resource)
    return [item for item in found if isinstance(item, Node)]


def test_elements_know_their_type_and_place_and_are_not_copied() -> None:
    nodes = _nodes("name.given")
    assert [(n.path, n.type.name, n.value) for n in nodes] == [
        ("Patient.name[0].given[0]", "string", "Amina"),
        ("Patient.name[0].given[1]", "string", "Zawadi"),
        ("Patient.name[1].given[0]", "string", None),
        ("Patient.name[1].given[1]", "string", "Z"),
    ]
    assert _nodes("name")[0].value is PATIENT["name"][0]


def test_decimals_keep_their_digits() -> None:
    observation = loads(b'{"resourceType":"Observation","valueQuantity":{"value":1.10,"unit":"x"}}')
    (node,) = _nodes("value.value", observation)
    assert str(node.value) == "1.10"
    assert compile("value.value + 1")(observation) == [Decimal("2.10")]


def test_an_invariant_at_an_element_sees_resource_and_root() -> None:
    run = evaluation(PATIENT)
    (contact,) = _nodes("contained")
    assert compile("name = 'Clinic' and %resource.id = 'p1' and %rootResource.id = 'p1'").is_true(run, contact)
    inside = evaluation(contact)
    assert compile("%resource.id = 'o1' and %rootResource.id = 'p1' and %context.id = 'o1'").is_true(inside, contact)
    assert not compile("partOf.exists() = {}").is_true(inside, contact)


def test_an_expression_that_fails_leaves_nothing_to_the_next() -> None:
    run = evaluation(PATIENT)
    assert run.resource is not None
    with pytest.raises(Incorrect):
        compile("name.select(defineVariable('v', 1).select(given + 1))").items(run)
    assert compile("$index.empty() and $total.empty()").is_true(run, run.resource)
    assert compile("defineVariable('v', 2).select(%v)").items(run) == [2]


def test_variables_come_from_the_environment_by_name() -> None:
    assert compile("%limit + 1")(PATIENT, environment={"limit": 2}) == [3]
    assert compile("%other.id")(PATIENT, environment={"other": {"resourceType": "Patient", "id": "q"}})
    with pytest.raises(Incorrect) as error:
        compile("%absent")(PATIENT)
    assert error.value.code == FHIRPATH_EXECUTION
    assert "%resource" in str(error.value.hint)


class _Host(Offline):
    def resolve(self, reference: str, at: Node) -> Mapping[str, Any] | Node | None:
        return {"resourceType": "Practitioner", "id": reference.split("/")[1]}

    def member_of(self, item: Node | str, value_set: str) -> bool | None:
        return value_set == "urn:all"


def test_references_within_the_resource_need_no_host_others_ask_it() -> None:
    assert [n.path for n in _nodes("managingOrganization.resolve().name")] == ["Patient.contained[0].name"]
    patient = {**PATIENT, "generalPractitioner": [{"reference": "Practitioner/7"}]}
    assert _nodes("generalPractitioner.resolve()", patient) == []
    (node,) = compile("generalPractitioner.resolve().id")(patient, host=_Host())
    assert isinstance(node, Node)
    assert node.value == "7"
    assert compile("name[0].family.memberOf('urn:all')")(patient, host=_Host()) == [True]


def test_what_a_reference_points_to_is_often_said_by_itself() -> None:
    observation = {
        "resourceType": "Observation",
        "subject": {"reference": "http://example.org/fhir/Patient/1/_history/2"},
        "performer": [{"reference": "Practitioner/7"}, {"type": "Organization", "identifier": {"value": "x"}}, {}],
    }
    assert compile("subject.resolve() is Patient")(observation) == [True]
    assert compile("subject.resolve() is Resource and (subject.resolve() is Group).not()")(observation) == [True]
    assert len(compile("performer.where(resolve() is Organization)")(observation)) == 1
    assert compile("performer[2].resolve() is Organization")(observation) == []
    assert compile("subject.resolve()")(observation) == []


def test_traces_reach_the_host() -> None:
    host = Offline()
    compile("name.trace('names', family).count()")(PATIENT, host=host)
    assert [(name, len(items)) for name, items in host.traced] == [("names", 1)]


def test_now_stands_still_within_an_evaluation() -> None:
    moment = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
    (text,) = compile("now().toString()")(PATIENT, moment=moment)
    assert text == "2026-03-01T10:30:00.000Z"
    assert compile("today().toString()")(PATIENT, moment=moment) == ["2026-03-01"]
    assert compile("(1|2|3|4).select(now()).distinct().count()")(PATIENT) == [1]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("name.", FHIRPATH_SYNTAX, "at its end"),
        ("name[0", FHIRPATH_SYNTAX, "']' is missing"),
        ("'abc", FHIRPATH_SYNTAX, "never closed"),
        ("@2015-02-30", FHIRPATH_SYNTAX, "no such date"),
        ("(" * 200 + "1" + ")" * 200, FHIRPATH_SYNTAX, "nests deeper"),
        ("1" + "+1" * 300, FHIRPATH_SYNTAX, "operators"),
        ("x" * 30_000, FHIRPATH_SYNTAX, "longer than"),
        ("name.exits()", FHIRPATH_SEMANTIC, "exists()"),
        ("name.where()", FHIRPATH_SEMANTIC, "takes 1 arguments"),
        ("name is Nobody", FHIRPATH_SEMANTIC, "no type Nobody"),
        ("name.single()", FHIRPATH_EXECUTION, "2 items"),
        ("1 + 'a'", FHIRPATH_EXECUTION, "Convert one"),
        ("name.family < 3", FHIRPATH_EXECUTION, "no order"),
    ],
)
def test_errors_say_what_and_where(text: str, code: str, said: str) -> None:
    with pytest.raises(Incorrect) as error:
        compile(text)(PATIENT)
    assert error.value.code == code
    assert said in error.value.told
    assert "Amina" not in error.value.told


def test_work_is_bounded() -> None:
    text = "(1|2|3|4|5|6|7|8|9|10)" + ".select($this | 11 | 12 | 13 | 14 | 15 | 16 | 17)" * 12
    with pytest.raises(Incorrect) as error:
        compile(text)(PATIENT, limits=Limits(steps_max=20_000))
    assert error.value.code == FHIRPATH_TOO_COSTLY
    with pytest.raises(Incorrect) as error:
        compile("repeatAll($this)")(PATIENT, limits=Limits(time_max_s=0.05))
    assert error.value.code == FHIRPATH_TOO_COSTLY


def test_the_cache_of_expressions_is_bounded() -> None:
    assert compile("name.family") is compile("name.family")
    long = "name | " * 200 + "'" + "x" * CACHED_LENGTH_MAX + "'"
    assert compile(long) is not compile(long)
    for number in range(CACHED_MAX + 1):
        compile(f"name[{number}]")
    assert _remembered.cache_info().currsize == CACHED_MAX


def test_a_resource_of_another_world_is_read_as_json() -> None:
    view = {"resourceType": "ViewDefinition", "select": [{"column": [{"path": "id", "name": "id"}]}], "n": 2}
    assert [n.value for n in _nodes("select.column.path", view)] == ["id"]
    assert compile("n + 1")(view) == [3]
    assert [n.path for n in _nodes("select.column.path", view)] == ["ViewDefinition.select[0].column[0].path"]
    assert resource_node(view).path == "ViewDefinition"
