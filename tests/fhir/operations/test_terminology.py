"""Terminology operations over HTTP."""

from typing import Any

import pytest

from tests.fhir.conftest import Server
from tests.fhir.terminology.test_service import ANIMALS, code_system, value_set


@pytest.fixture
def animals(server: Server) -> Server:
    server.create(code_system())
    server.create(value_set("http://example.org/all", [{"system": ANIMALS}]))
    return server


def values(answer: Any) -> dict[str, Any]:
    """The simple output parameters by name."""
    assert answer.status_code == 200, answer.text
    return {
        p["name"]: next(v for k, v in p.items() if k.startswith("value"))
        for p in answer.json()["parameter"]
        if any(k.startswith("value") for k in p)
    }


def post(server: Server, path: str, **parameters: Any) -> Any:
    listed = [{"name": name, **value} for name, value in parameters.items()]
    return server.ask("POST", path, {"resourceType": "Parameters", "parameter": listed})


def test_expand(animals: Server) -> None:
    found = animals.ask("GET", "/ValueSet/$expand?url=http://example.org/all&count=2&offset=1").json()
    assert [c["code"] for c in found["expansion"]["contains"]] == ["bird", "hen"]
    assert (found["expansion"]["total"], found["expansion"]["offset"]) == (5, 1)
    sent = post(animals, "/ValueSet/$expand", valueSet={"resource": value_set("", [{"system": ANIMALS}])},
                filter={"valueString": "fis"}, includeDesignations={"valueBoolean": True}).json()  # fmt: skip
    assert sent["expansion"]["contains"][0]["designation"] == [{"language": "sw", "value": "Samaki"}]
    stored_id = animals.search_ids("/ValueSet?url=http://example.org/all")[0]
    assert len(animals.ask("GET", f"/ValueSet/{stored_id}/$expand").json()["expansion"]["contains"]) == 5
    assert animals.ask("GET", "/ValueSet/$expand?url=http://example.org/none").status_code == 404
    ignored = animals.ask("GET", "/ValueSet/$expand?url=http://example.org/all&fliter=x")
    assert (ignored.status_code, "fliter" in ignored.text) == (400, True)
    names = animals.ask("GET", "/ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender").json()
    assert {c["display"] for c in names["expansion"]["contains"]} == {"Male", "Female", "Other", "Unknown"}


def test_an_expansion_without_end_is_too_costly(animals: Server) -> None:
    many = [{"code": f"c{n}"} for n in range(10_001)]
    animals.create(code_system(url="http://example.org/many", concept=many))
    animals.create(value_set("http://example.org/many-vs", [{"system": "http://example.org/many"}]))
    refused = animals.ask("GET", "/ValueSet/$expand?url=http://example.org/many-vs")
    assert refused.status_code == 422
    assert refused.json()["issue"][0]["code"] == "too-costly"
    page = animals.ask("GET", "/ValueSet/$expand?url=http://example.org/many-vs&count=3").json()["expansion"]
    assert (len(page["contains"]), "total" in page) == (3, False)


def test_lookup_and_validate(animals: Server) -> None:
    found = animals.ask("GET", f"/CodeSystem/$lookup?system={ANIMALS}&code=fish")
    assert values(found)["display"] == "Fish in water"
    kinds = {part["part"][0]["valueCode"]: part for part in found.json()["parameter"] if part["name"] == "property"}
    assert kinds["legs"]["part"][1] == {"name": "value", "valueString": "0"}
    assert animals.ask("GET", f"/CodeSystem/$lookup?system={ANIMALS}&code=dog").status_code == 404

    path = "/ValueSet/$validate-code?url=http://example.org/all"
    assert values(animals.ask("GET", f"{path}&system={ANIMALS}&code=hen"))["result"] is True
    assert values(animals.ask("GET", f"{path}&system={ANIMALS}&code=dog"))["result"] is False
    concept = {"coding": [{"system": "http://x.org", "code": "a"}, {"system": ANIMALS, "code": "owl"}]}
    sent = post(animals, "/ValueSet/$validate-code", url={"valueUri": "http://example.org/all"},
                codeableConcept={"valueCodeableConcept": concept})  # fmt: skip
    assert values(sent)["result"] is True
    of_system = animals.ask("GET", f"/CodeSystem/$validate-code?url={ANIMALS}&code=hen&display=Cock")
    assert (values(of_system)["result"], values(of_system)["display"]) == (False, "Hen")
    assert animals.ask("GET", path).status_code == 400


def test_subsumes_and_translate(animals: Server) -> None:
    path = f"/CodeSystem/$subsumes?system={ANIMALS}"
    assert values(animals.ask("GET", f"{path}&codeA=bird&codeB=owl"))["outcome"] == "subsumes"
    assert animals.ask("GET", f"{path}&codeA=bird").status_code == 400

    gender = "/ConceptMap/$translate?url=http://hl7.org/fhir/ConceptMap/cm-administrative-gender-v2"
    found = animals.ask("GET", f"{gender}&system=http://hl7.org/fhir/administrative-gender&code=female")
    assert values(found)["result"] is True
    match = next(p for p in found.json()["parameter"] if p["name"] == "match")
    assert match["part"][1]["valueCoding"]["code"] == "F"
    back = animals.ask("GET", f"{gender}&system=http://terminology.hl7.org/CodeSystem/v2-0001&code=F&reverse=true")
    match = next(p for p in back.json()["parameter"] if p["name"] == "match")
    assert match["part"][1]["valueCoding"]["code"] == "female"
    assert (
        values(animals.ask("GET", f"{gender}&system=http://hl7.org/fhir/administrative-gender&code=x"))["result"]
        is False
    )


def test_a_scope_is_needed(animals: Server) -> None:
    key = animals.new_key("system/Patient.r")
    assert animals.ask("GET", "/ValueSet/$expand?url=http://example.org/all", key=key).status_code == 403
    reader = animals.new_key("system/ValueSet.r")
    assert animals.ask("GET", "/ValueSet/$expand?url=http://example.org/all", key=reader).status_code == 200
