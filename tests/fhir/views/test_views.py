"""Views: rows of resources, and definitions that are refused."""

from pathlib import Path
from typing import Any

import pytest

from kiungo.base.errors import Incorrect
from kiungo.fhir.views import read_view
from kiungo.fhir.views.output import csv_chunks, json_chunks, ndjson_chunks
from kiungo.fhir.views.parquet import write_parquet
from kiungo.kernel import json

PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "name": [{"family": "Mwangi", "given": ["Amina", "Zuri"]}, {"family": "Otieno"}],
    "contact": [{"name": {"family": "A"}}, {"name": {"family": "B"}}],
    "generalPractitioner": [{"reference": "Practitioner/d1"}],
}


def view(*select: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"resourceType": "ViewDefinition", "resource": "Patient", "select": list(select), **more}


def columns(*paths: str) -> dict[str, Any]:
    return {"column": [{"name": f"c{n}", "path": path} for n, path in enumerate(paths)]}


def rows(definition: dict[str, Any]) -> list[list[Any]]:
    return list(read_view(definition).rows(PATIENT))


def test_loops_multiply_and_empty_loops_leave_nothing() -> None:
    loop = {"forEach": "name", "column": [{"name": "family", "path": "family"}]}
    other = {"forEach": "contact", "column": [{"name": "contact", "path": "name.family"}]}
    assert rows(view(loop, other)) == [["Mwangi", "A"], ["Mwangi", "B"], ["Otieno", "A"], ["Otieno", "B"]]
    nothing = {"forEach": "photo", "column": [{"name": "p", "path": "title"}]}
    assert rows(view(loop, nothing)) == []
    or_null = {"forEachOrNull": "photo", "column": [{"name": "p", "path": "title"}]}
    assert rows(view(loop, or_null)) == [["Mwangi", None], ["Otieno", None]]


def test_unions_and_keys() -> None:
    union = {
        "unionAll": [
            {"forEach": "name", "column": [{"name": "n", "path": "family"}]},
            {"forEach": "contact", "column": [{"name": "n", "path": "name.family"}]},
        ]
    }
    keys = columns("getResourceKey()", "generalPractitioner.getReferenceKey(Practitioner)")
    assert rows(view(keys, union)) == [["Patient/p1", "Practitioner/d1", n] for n in ("Mwangi", "Otieno", "A", "B")]
    assert rows(view(columns("generalPractitioner.getReferenceKey(Organization)"))) == [[None]]
    assert rows(view(columns("generalPractitioner.getReferenceKey('Practitioner')"))) == [["Practitioner/d1"]]
    for wrong in ("1 + 1", "Practitionr", "'practitioner'", "HumanName"):
        with pytest.raises(Incorrect, match="name of a resource type"):
            read_view(view(columns(f"generalPractitioner.getReferenceKey({wrong})")))
    with pytest.raises(Incorrect, match="name is not a name a database takes"):
        read_view({**view(columns("id")), "name": "no; drop"})


def test_conditions_and_other_types() -> None:
    assert rows(view(columns("id"), where=[{"path": "active"}])) == [["p1"]]
    assert rows(view(columns("id"), where=[{"path": "active.not()"}])) == []
    assert rows(view(columns("id"), resource="Observation")) == []


@pytest.mark.parametrize(
    ("path", "is_condition"),
    [
        ("active", True),
        ("Patient.active", True),
        ("name.exists() and active", True),
        ("deceased.ofType(boolean)", True),
        ("deceased", True),
        ("%wanted", True),
        ("name.where(use = 'official').exists()", True),
        ("iif(active, true, false)", True),
        ("{}", True),
        ("name.family", False),
        ("name.family.first()", False),
        ("name.count()", False),
        ("'true'", False),
        ("name", False),
        ("birthDate", False),
        ("iif(active, 1, 2)", False),
        ("name.family | name.given", False),
    ],
)
def test_what_can_never_be_true_or_false_is_no_condition(path: str, is_condition: bool) -> None:
    constants = [{"name": "wanted", "valueBoolean": True}]
    definition = view(columns("id"), where=[{"path": "true"}, {"path": path}], constant=constants)
    if is_condition:
        read_view(definition)
        return
    with pytest.raises(Incorrect) as caught:
        read_view(definition)
    assert (caught.value.code, caught.value.field) == ("VIEW_WRONG", "where[1].path")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "resource"),
    ({"resource": "Patient"}, "select"),
    (view({}), "no columns"),
    (view(columns("id"), resource="Nothing"), "resource"),
    (view({"forEach": "name"}), "no columns"),
    (view({"forEach": 1, "column": [{"name": "a", "path": "id"}]}), "FHIRPath"),
    (view({"forEach": "name", "repeat": ["item"], **columns("id")}), "both"),
    (view(columns("id"), columns("active")), "twice"),
    (view({"column": [{"name": "1a", "path": "id"}]}), "database"),
    (view({"column": [{"name": "a", "path": "@@"}]}), "@"),
    (view(columns("%nobody")), "nobody"),
    (view(columns("id"), constant=[{"name": "x"}]), "one value"),
    (view({"unionAll": [columns("id"), columns("id", "active")]}), "the first part c0"),
]


@pytest.mark.parametrize(("definition", "problem"), WRONG)
def test_a_wrong_view_says_where(definition: dict[str, Any], problem: str) -> None:
    with pytest.raises(Incorrect, match=problem):
        read_view(definition)


def test_several_values_need_a_collection() -> None:
    with pytest.raises(Incorrect, match="2 values"):
        rows(view(columns("name.family")))
    many = {"column": [{"name": "f", "path": "name.family", "collection": True}]}
    assert rows(view(many)) == [[["Mwangi", "Otieno"]]]
    with pytest.raises(Incorrect, match="neither"):
        rows(view(columns("id"), where=[{"path": "name.family.first()"}]))


def test_a_view_that_explodes_is_stopped() -> None:
    wide = {**PATIENT, "name": [{"given": [str(n) for n in range(400)]}]}
    loops = [{"forEach": "name.given", "column": [{"name": f"c{n}", "path": "$this"}]} for n in range(3)]
    with pytest.raises(Incorrect, match="100000 rows"):
        list(read_view(view(*loops)).rows(wide))


def test_rows_as_text_and_as_parquet(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    definition = view(
        {
            "column": [
                {"name": "id", "path": "id", "type": "id"},
                {"name": "active", "path": "active", "type": "boolean"},
                {"name": "given", "path": "name.given", "type": "string", "collection": True},
                {"name": "born", "path": "birthDate", "type": "date"},
            ]
        }
    )
    compiled = read_view(definition)
    found = list(compiled.rows(PATIENT))
    assert b"".join(csv_chunks(compiled, found)) == (b'id,active,given,born\r\np1,true,"[""Amina"",""Zuri""]",\r\n')
    line = {"id": "p1", "active": True, "given": ["Amina", "Zuri"], "born": None}
    assert json.loads(b"".join(ndjson_chunks(compiled, found))) == line
    assert json.loads(b"".join(json_chunks(compiled, found * 2))) == [line, line]
    assert b"".join(json_chunks(compiled, [])) == b"[]"
    target = tmp_path / "it's.parquet"
    write_parquet(compiled, found, target)
    quoted = str(target).replace("'", "''")
    assert duckdb.sql(f"SELECT * FROM '{quoted}'").fetchall() == [("p1", True, ["Amina", "Zuri"], None)]
