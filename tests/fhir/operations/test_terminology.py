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
    assert kinds["legs"]["part"][1] == {"name": "value", "valueInteger": 0}
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


def test_every_parameter_of_expand_is_honoured_or_refused_by_name(animals: Server) -> None:
    concepts = [
        {"code": "group", "display": "Group", "property": [{"code": "notSelectable", "valueBoolean": True}]},
        {"code": "old", "display": "Old", "property": [{"code": "inactive", "valueBoolean": True}]},
        {
            "code": "dog",
            "display": "Dog",
            "designation": [
                {"language": "de", "value": "Hund"},
                {"language": "de-CH", "use": {"code": "short"}, "value": "Hundi"},
            ],
        },
    ]
    url, codes = "http://example.org/words", "http://example.org/words-codes"
    animals.create(code_system(url=codes, concept=concepts))
    animals.create(value_set(url, [{"system": codes}, {"system": ANIMALS, "concept": [{"code": "hen"}]}]))

    def contains(more: str = "") -> list[dict[str, Any]]:
        answer = animals.ask("GET", f"/ValueSet/$expand?url={url}{more}")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["expansion"].get("contains", [])
        return found

    def listed(more: str) -> list[str]:
        return [entry["code"] for entry in contains(more)]

    assert listed("") == ["group", "old", "dog", "hen"]
    assert [entry.get("inactive", entry.get("abstract")) for entry in contains()[:2]] == [True, True]
    assert listed("&activeOnly=true") == ["group", "dog", "hen"]
    assert listed("&excludeNotForUI=true") == ["old", "dog", "hen"]
    assert listed(f"&exclude-system={codes}") == ["hen"]
    assert listed("&excludeNested=true&excludePostCoordinated=true&includeDefinition=false") == listed("")
    assert [e["display"] for e in contains("&displayLanguage=de")] == ["Group", "Old", "Hund", "Hen"]
    assert contains("&displayLanguage=de-CH")[2]["display"] == "Hundi"
    assert contains("&displayLanguage=sw")[2]["display"] == "Dog", "no word in that language"
    both = contains("&includeDesignations=true")[2]["designation"]
    assert [d["value"] for d in both] == ["Hund", "Hundi"]
    assert [d["value"] for d in contains("&designation=urn:ietf:bcp:47%7Cde")[2]["designation"]] == ["Hund"]
    for name in ("date=2020-01-01", "context=Patient.gender", "system-version=http://x%7C1", "includeDefinition=true"):
        refused = animals.ask("GET", f"/ValueSet/$expand?url={url}&{name}")
        assert (refused.status_code, name.partition("=")[0] in refused.text) == (400, True), refused.text
    ecl = {"system": codes, "filter": [{"property": "constraint", "op": "=", "value": "<< dog"}]}
    animals.create(value_set("http://example.org/ecl", [ecl]))
    assert "VALUE_SET_WRONG" in animals.ask("GET", "/ValueSet/$expand?url=http://example.org/ecl").text
    kept = value_set("http://example.org/kept", [{"system": codes}])
    kept["compose"]["inactive"] = False
    animals.create(kept)
    found = animals.ask("GET", "/ValueSet/$expand?url=http://example.org/kept").json()["expansion"]["contains"]
    assert [entry["code"] for entry in found] == ["group", "dog"], "the value set wants no inactive codes"
    out = animals.ask("GET", f"/ValueSet/$validate-code?url=http://example.org/kept&system={codes}&code=old")
    assert values(out)["result"] is False


def test_validate_code_tells_what_is_wrong(animals: Server) -> None:
    codes = "http://example.org/versions"
    concepts = [
        {"code": "old", "property": [{"code": "status", "valueCode": "retired"}]},
        {"code": "group", "property": [{"code": "abstract", "valueBoolean": True}]},
        {"code": "dog", "display": "Dog", "designation": [{"language": "de", "value": "Hund"}]},
    ]
    animals.create(code_system(url=codes, version="1", concept=concepts))
    animals.create(value_set("http://example.org/vs", [{"system": codes}]))

    def asked(more: str, kind: str = "CodeSystem", status: int = 200) -> dict[str, Any]:
        of = f"url={codes}" if kind == "CodeSystem" else f"url=http://example.org/vs&system={codes}"
        answer = animals.ask("GET", f"/{kind}/$validate-code?{of}&{more}")
        assert answer.status_code == status, answer.text
        return values(answer) if status == 200 else {"message": answer.text}

    assert asked("code=old")["result"] is True
    assert "inactive" in asked("code=old")["message"]
    assert "display is 'Dog'" in asked("code=dog&display=Cat")["message"]
    assert asked("code=dog&display=hund") == {"result": True, "display": "Dog"}
    assert asked("code=dog&displayLanguage=de")["display"] == "Hund"
    assert asked("code=group")["result"] is True
    assert "abstract" in asked("code=group&abstract=false")["message"]
    assert "Version 9" in asked("code=dog&version=9", status=404)["message"]
    wrong = asked("code=dog&systemVersion=9", "ValueSet")
    assert wrong["result"] is False
    assert "version 1 is" in wrong["message"]
    assert asked("code=dog&systemVersion=1", "ValueSet")["result"] is True
    assert asked("code=dog&valueSetVersion=none", "ValueSet", 404)
    sent = code_system(url="http://example.org/sent", concept=[{"code": "x"}])
    for code, right in (("x", True), ("y", False)):
        answer = post(animals, "/CodeSystem/$validate-code", codeSystem={"resource": sent}, code={"valueCode": code})
        assert values(answer)["result"] is right
    for name in ("date=2020", "context=x"):
        refused = animals.ask("GET", f"/CodeSystem/$validate-code?url={codes}&code=dog&{name}")
        assert (refused.status_code, "not offered" in refused.text) == (400, True)


def test_lookup_takes_a_language_and_properties(animals: Server) -> None:
    found = values(animals.ask("GET", f"/CodeSystem/$lookup?system={ANIMALS}&code=fish&displayLanguage=sw"))
    assert found["display"] == "Samaki"
    only = animals.ask("GET", f"/CodeSystem/$lookup?system={ANIMALS}&code=fish&property=parent").json()["parameter"]
    assert {part["name"] for part in only} <= {"name", "version", "display", "property"}
    assert animals.ask("GET", f"/CodeSystem/$lookup?system={ANIMALS}&code=fish&version=none").status_code == 404
    assert animals.ask("GET", f"/CodeSystem/$lookup?system={ANIMALS}&code=fish&date=2020").status_code == 400


TREES = "http://example.org/trees"
USE = "http://terminology.hl7.org/CodeSystem/designation-usage"


def trees() -> dict[str, Any]:
    oak = {
        "code": "oak",
        "display": "Oak",
        "designation": [
            {"language": "en", "use": {"system": USE, "code": "display", "display": "As shown"}, "value": "The oak"},
            {"use": {"code": "latin"}, "value": "Quercus"},
        ],
        "property": [
            {"code": "kin", "valueCode": "tree"},
            {"code": "seen", "valueDateTime": "2026-01-01"},
            {"code": "height", "valueDecimal": 20.5},
            {"code": "rings", "valueInteger": 7},
            {"code": "same", "valueCoding": {"system": "http://example.org/other", "code": "eiche"}},
            {"code": "evergreen", "valueBoolean": False},
            {"code": "note", "valueString": "true"},
        ],
    }
    below = [oak, {"code": "beech", "display": "Beech"}]
    return code_system(url=TREES, concept=[{"code": "tree", "display": "Tree", "concept": below}])


def properties(answer: Any) -> dict[str, list[Any]]:
    """What a lookup says of each property, in the type it says it."""
    assert answer.status_code == 200, answer.text
    found: dict[str, list[Any]] = {}
    for part in answer.json()["parameter"]:
        if part["name"] == "property":
            code, value = part["part"]
            found.setdefault(code["valueCode"], []).append({k: v for k, v in value.items() if k != "name"})
    return found


def test_lookup_says_properties_in_their_types_and_the_codes_above_and_below(server: Server) -> None:
    server.create(trees())
    oak = server.ask("GET", f"/CodeSystem/$lookup?system={TREES}&code=oak")
    assert properties(oak) == {
        "kin": [{"valueCode": "tree"}],
        "seen": [{"valueDateTime": "2026-01-01"}],
        "height": [{"valueDecimal": 20.5}],
        "rings": [{"valueInteger": 7}],
        "same": [{"valueCoding": {"system": "http://example.org/other", "code": "eiche"}}],
        "evergreen": [{"valueBoolean": False}],
        "note": [{"valueString": "true"}],
        "inactive": [{"valueBoolean": False}],
        "parent": [{"valueCode": "tree"}],
    }
    below = server.ask("GET", f"/CodeSystem/$lookup?system={TREES}&code=tree&property=child")
    assert properties(below) == {"child": [{"valueCode": "oak"}, {"valueCode": "beech"}]}
    uses = [one["part"][-2]["valueCoding"] for one in oak.json()["parameter"] if one["name"] == "designation"]
    assert uses == [{"system": USE, "code": "display", "display": "As shown"}, {"code": "latin"}]


def test_lookup_knows_the_codes_above_and_below_however_they_are_said(server: Server) -> None:
    """Nested, by the property of either end, and by a property of another name that means one of those."""
    meant = "http://hl7.org/fhir/concept-properties#"
    declared = [
        {"code": "broader", "uri": meant + "parent", "type": "code"},
        {"code": "gone", "uri": meant + "inactive", "type": "boolean"},
    ]
    concepts = [
        {"code": "tree", "property": [{"code": "child", "valueCode": "fir"}], "concept": [{"code": "oak"}]},
        {"code": "fir"},
        {"code": "yew", "property": [{"code": "broader", "valueCode": "tree"}, {"code": "gone", "valueBoolean": True}]},
        {"code": "ash", "property": [{"code": "parent", "valueCode": "tree"}]},
    ]
    server.create(code_system(url=TREES, property=declared, concept=concepts, caseSensitive=False))

    def near(code: str, name: str) -> list[str]:
        path = f"/CodeSystem/$lookup?system={TREES}&code={code}&property={name}"
        return [one["valueCode"] for one in properties(server.ask("GET", path)).get(name, [])]

    assert sorted(near("tree", "child")) == sorted(near("TREE", "child")) == ["ash", "fir", "oak", "yew"]
    assert [near(code, "parent") for code in ("oak", "fir", "yew", "ash")] == [["tree"]] * 4
    assert values(server.ask("GET", f"/CodeSystem/$subsumes?system={TREES}&codeA=tree&codeB=fir"))["outcome"] == (
        "subsumes"
    )
    yew = properties(server.ask("GET", f"/CodeSystem/$lookup?system={TREES}&code=yew"))
    assert (yew["inactive"], yew["gone"]) == ([{"valueBoolean": True}], [{"valueBoolean": True}])


def test_designations_are_chosen_by_the_system_of_their_use_too(server: Server) -> None:
    server.create(trees())
    server.create(value_set("http://example.org/oaks", [{"system": TREES, "concept": [{"code": "oak"}]}]))

    def chosen(token: str) -> list[str]:
        path = f"/ValueSet/$expand?url=http://example.org/oaks&designation={token}"
        (entry,) = server.ask("GET", path).json()["expansion"]["contains"]
        return [one["value"] for one in entry.get("designation", ())]

    assert chosen(f"{USE}|display") == ["The oak"]
    shown = server.ask("GET", "/ValueSet/$expand?url=http://example.org/oaks&includeDesignations=true").json()
    assert shown["expansion"]["contains"][0]["designation"][0]["use"]["display"] == "As shown"
    assert chosen("http://example.org/no|display") == []
    assert chosen("latin") == ["Quercus"]


def test_a_filter_on_a_property_nobody_has_is_refused_and_a_listed_code_has_to_exist(server: Server) -> None:
    server.create(trees())

    def expanded(**rule: Any) -> Any:
        sent = value_set("", [{"system": TREES, **rule}])
        return post(server, "/ValueSet/$expand", valueSet={"resource": sent})

    refused = expanded(filter=[{"property": "colour", "op": "=", "value": "red"}])
    assert (refused.status_code, "'colour'" in refused.text) == (422, True)
    found = expanded(filter=[{"property": "evergreen", "op": "=", "value": "false"}]).json()
    assert [one["code"] for one in found["expansion"]["contains"]] == ["oak"]
    listed = expanded(concept=[{"code": "beech"}, {"code": "bench"}]).json()
    assert [one["code"] for one in listed["expansion"]["contains"]] == ["beech"]


def test_translate_asks_for_what_a_target_depends_on(animals: Server) -> None:
    target = {
        "code": "hen",
        "equivalence": "equivalent",
        "dependsOn": [{"property": "http://example.org/sex", "value": "female"}],
        "product": [{"property": "http://example.org/kind", "system": "http://k", "value": "bird"}],
    }
    group = {"source": "http://s", "sourceVersion": "1", "target": ANIMALS}
    group["element"] = [{"code": "chicken", "target": [target]}]  # type: ignore[assignment]
    animals.create(
        {"resourceType": "ConceptMap", "url": "http://m", "version": "2", "status": "active", "group": [group]}
    )
    coding = {"valueCoding": {"system": "http://s", "code": "chicken"}}
    female = {"coding": [{"code": "female"}]}
    parts = [
        {"name": "element", "valueUri": "http://example.org/sex"},
        {"name": "concept", "valueCodeableConcept": female},
    ]

    def matched(**more: Any) -> Any:
        return post(animals, "/ConceptMap/$translate", url={"valueUri": "http://m"}, coding=coding, **more).json()

    assert matched()["parameter"][0]["valueBoolean"] is False, "nobody said which sex"
    found = matched(dependency={"part": parts})["parameter"]
    assert found[0]["valueBoolean"] is True
    names = [part["name"] for part in next(p for p in found if p["name"] == "match")["part"]]
    assert names == ["equivalence", "concept", "product", "source"]
    coding["valueCoding"]["version"] = "0"
    assert matched(dependency={"part": parts})["parameter"][0]["valueBoolean"] is False, "a map of another version"
    coding["valueCoding"]["version"] = "1"
    assert matched(dependency={"part": parts})["parameter"][0]["valueBoolean"] is True
    assert matched(conceptMapVersion={"valueString": "2"})["parameter"]
    assert matched(conceptMapVersion={"valueString": "3"})["resourceType"] == "OperationOutcome"
