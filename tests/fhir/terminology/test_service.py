"""Membership, expansion and relations of codes, over FHIR's own systems and what a tenant stores."""

from typing import Any

import pytest

from kiungo.base.errors import Incorrect, NotFound
from kiungo.base.time import TurnedClock
from kiungo.fhir.packages.sources import TenantTerminology
from kiungo.fhir.prepare import prepare
from kiungo.fhir.repository import Repository
from kiungo.fhir.terminology import Terminologies, Terminology
from kiungo.fhir.terminology.model import Filter
from kiungo.fhir.terminology.shelves import value_set_of
from kiungo.fhir.terminology.tree import of_resource
from kiungo.kernel.auth.principal import system_call
from kiungo.kernel.database import Database

GENDER = "http://hl7.org/fhir/ValueSet/administrative-gender"
GENDERS = "http://hl7.org/fhir/administrative-gender"
ANIMALS = "http://example.org/animals"
CALL = system_call(1)


def code_system(**more: Any) -> dict[str, Any]:
    """animal > (bird > (hen, owl), fish)"""
    return {
        "resourceType": "CodeSystem",
        "url": ANIMALS,
        "version": "1",
        "name": "Animals",
        "status": "active",
        "content": "complete",
        "concept": [
            {
                "code": "animal",
                "concept": [
                    {
                        "code": "bird",
                        "display": "Bird",
                        "concept": [{"code": "hen", "display": "Hen"}, {"code": "owl"}],
                    },
                    {
                        "code": "fish",
                        "display": "Fish in water",
                        "designation": [{"language": "sw", "value": "Samaki"}],
                        "property": [{"code": "status", "valueCode": "retired"}, {"code": "legs", "valueInteger": 0}],
                    },
                ],
            }
        ],
        **more,
    }


def value_set(url: str, include: list[Any], exclude: list[Any] | None = None) -> dict[str, Any]:
    compose = {"include": include, **({"exclude": exclude} if exclude else {})}
    return {"resourceType": "ValueSet", "url": url, "status": "active", "compose": compose}


def store(database: Database, *resources: dict[str, Any]) -> None:
    repository = Repository(database.clock)
    database.write(lambda unit: [repository.create(unit, CALL, prepare(r)) for r in resources])


@pytest.fixture
def terminology(stepped_database: Database) -> Terminology:
    store(
        stepped_database,
        code_system(),
        value_set("http://example.org/all", [{"system": ANIMALS}], [{"system": ANIMALS, "concept": [{"code": "owl"}]}]),
        value_set(
            "http://example.org/birds",
            [{"system": ANIMALS, "filter": [{"property": "concept", "op": "is-a", "value": "bird"}]}],
        ),
        value_set("http://example.org/both", [{"valueSet": ["http://example.org/all", "http://example.org/birds"]}]),
        value_set("http://example.org/away", [{"system": "http://example.org/not-here"}]),
        value_set("http://example.org/listed", [{"system": "http://example.org/not-here", "concept": [{"code": "x"}]}]),
        value_set("http://example.org/circle", [{"valueSet": ["http://example.org/circle"]}]),
        value_set(
            "http://example.org/legless",
            [{"system": ANIMALS, "filter": [{"property": "legs", "op": "=", "value": "0"}]}],
        ),
    )
    return Terminologies(stepped_database).of(1)


def test_membership_has_three_answers(terminology: Terminology) -> None:
    assert terminology.member(GENDER, GENDERS, "female") is True
    assert terminology.member(GENDER, None, "female") is True
    assert terminology.member(GENDER, GENDERS, "femail") is False
    assert terminology.member(GENDER, "http://example.org/other", "female") is False
    assert terminology.member("http://example.org/nothing", GENDERS, "female") is None
    assert terminology.member("http://example.org/away", "http://example.org/not-here", "x") is None
    assert terminology.member("http://example.org/listed", "http://example.org/not-here", "x") is True
    assert terminology.member("http://example.org/listed", "http://example.org/not-here", "y") is False
    assert terminology.member("http://hl7.org/fhir/ValueSet/mimetypes", "urn:ietf:bcp:13", "text/plain") is True
    assert terminology.member("http://hl7.org/fhir/ValueSet/mimetypes", None, "text plain") is False
    assert terminology.member("http://hl7.org/fhir/ValueSet/ucum-units", "http://unitsofmeasure.org", "mm[Hg]") is True
    assert terminology.member("http://hl7.org/fhir/ValueSet/ucum-units", "http://unitsofmeasure.org", "mmm[[") is False


LANGUAGES = "urn:ietf:bcp:47"
SIMPLE = [
    {"property": name, "op": "exists", "value": "false"}
    for name in ("ext-lang", "script", "variant", "extension", "private-use")
]


def test_languages_are_chosen_by_the_parts_of_their_tags(stepped_database: Database) -> None:
    url = "http://example.org/languages"
    store(
        stepped_database,
        value_set(url, [{"system": LANGUAGES, "filter": SIMPLE}]),
        value_set(
            url + "-ke", [{"system": LANGUAGES, "filter": [{"property": "region", "op": "in", "value": "KE, TZ"}]}]
        ),
        value_set(url + "-en", [{"system": LANGUAGES, "filter": [{"property": "code", "op": "is-a", "value": "en"}]}]),
    )
    terminology = Terminologies(stepped_database).of(1)

    def held(name: str) -> list[str]:
        tags = ("sw", "sw-KE", "en-GB", "zh-Hant-TW", "zh-yue", "de-1996", "en-x-foo", "en-a-bbb")
        return [tag for tag in tags if terminology.member(url + name, LANGUAGES, tag)]

    assert held("") == ["sw", "sw-KE", "en-GB"]
    assert held("-ke") == ["sw-KE"]
    assert held("-en") == ["en-GB", "en-x-foo", "en-a-bbb"]


@pytest.mark.parametrize("system", ["http://unitsofmeasure.org", LANGUAGES, "urn:ietf:bcp:13"])
def test_codes_without_end_are_not_told_as_none(terminology: Terminology, system: str) -> None:
    with pytest.raises(Incorrect) as caught:
        terminology.expand(value_set_of(value_set("", [{"system": system}])))
    assert caught.value.code == "EXPANSION_TOO_COSTLY"
    named = {"system": system, "filter": [{"property": "code", "op": "in", "value": "mm[Hg], text/plain, en, m g"}]}
    (entry,) = terminology.expand(value_set_of(value_set("", [named]))).entries
    assert entry.concept.code in {"mm[Hg]", "text/plain", "en"}


def test_the_zones_of_the_day_can_be_listed(terminology: Terminology) -> None:
    zones = value_set_of(value_set("", [{"system": "https://www.iana.org/time-zones"}]))
    assert [one.concept.code for one in terminology.expand(zones, filter="nairobi").entries] == ["Africa/Nairobi"]


def test_a_filter_on_what_units_do_not_have_is_refused(terminology: Terminology) -> None:
    asked = {"property": "canonical", "op": "=", "value": "m"}
    with pytest.raises(Incorrect) as caught:
        terminology.expand(value_set_of(value_set("", [{"system": "http://unitsofmeasure.org", "filter": [asked]}])))
    assert caught.value.code == "VALUE_SET_WRONG"


def test_a_binding_to_rules_that_cannot_be_followed_is_not_judged(stepped_database: Database) -> None:
    url = "http://example.org/colourless"
    asked = {"property": "colour", "op": "=", "value": "red"}
    store(stepped_database, code_system(), value_set(url, [{"system": ANIMALS, "filter": [asked]}]))
    terminologies = Terminologies(stepped_database)
    assert TenantTerminology(terminologies, 1).holds(url, ANIMALS, "hen") is None
    with pytest.raises(Incorrect):
        terminologies.of(1).member(url, ANIMALS, "hen")


def test_a_code_listed_by_mistake_is_neither_expanded_nor_a_member(stepped_database: Database) -> None:
    url = "http://example.org/listed-by-mistake"
    store(
        stepped_database,
        code_system(),
        value_set(url, [{"system": ANIMALS, "concept": [{"code": "hen"}, {"code": "unicorn"}]}]),
    )
    terminology = Terminologies(stepped_database).of(1)
    assert terminology.codes(url) == [(ANIMALS, "hen")]
    assert [terminology.member(url, ANIMALS, code) for code in ("hen", "unicorn")] == [True, False]


def test_rules_are_followed(terminology: Terminology) -> None:
    def codes(name: str) -> list[str]:
        return [code for _, code in terminology.codes(f"http://example.org/{name}")]

    assert codes("all") == ["animal", "bird", "hen", "fish"]
    assert codes("birds") == ["bird", "hen", "owl"]
    assert codes("both") == ["bird", "hen"]
    assert codes("legless") == ["fish"]
    for name in ("all", "birds", "both", "legless"):
        held = {c for c in ("animal", "bird", "hen", "owl", "fish")
                if terminology.member(f"http://example.org/{name}", ANIMALS, c)}  # fmt: skip
        assert held == set(codes(name))
    with pytest.raises(NotFound, match="not-here"):
        codes("away")
    with pytest.raises(Incorrect, match="deeper"):
        terminology.member("http://example.org/circle", ANIMALS, "hen")


def test_expansion_pages_and_filters(terminology: Terminology) -> None:
    whole = terminology.expand("http://example.org/all")
    assert [e.concept.code for e in whole.entries] == ["animal", "bird", "hen", "fish"]
    page = terminology.expand("http://example.org/all", offset=1, count=2)
    assert ([e.concept.code for e in page.entries], page.total) == (["bird", "hen"], 4)
    assert [e.concept.code for e in terminology.expand("http://example.org/all", filter="wat fi").entries] == ["fish"]
    assert [e.concept.code for e in terminology.expand("http://example.org/all", filter="sam").entries] == ["fish"]
    active = terminology.expand("http://example.org/all", active_only=True)
    assert "fish" not in [e.concept.code for e in active.entries]


def test_relations_and_displays(terminology: Terminology) -> None:
    assert terminology.subsumes(ANIMALS, "animal", "hen") == "subsumes"
    assert terminology.subsumes(ANIMALS, "hen", "animal") == "subsumed-by"
    assert terminology.subsumes(ANIMALS, "hen", "hen") == "equivalent"
    assert terminology.subsumes(ANIMALS, "hen", "fish") == "not-subsumed"
    assert terminology.related(ANIMALS, "bird", above=False) == ["bird", "hen", "owl"]
    assert terminology.related(ANIMALS, "hen", above=True) == ["animal", "bird", "hen"]
    assert terminology.validate_code(code="fish", system=ANIMALS, display="samaki").result is True
    wrong = terminology.validate_code(code="fish", system=ANIMALS, display="Hen")
    assert (wrong.result, wrong.display) == (False, "Fish in water")
    with pytest.raises(NotFound, match="dog"):
        terminology.lookup(ANIMALS, "dog")


def test_what_is_remembered_is_forgotten_when_it_changes(
    stepped_database: Database, clock: TurnedClock, terminology: Terminology
) -> None:
    assert terminology.member("http://example.org/dogs", ANIMALS, "hen") is None
    clock.turn(seconds=1)
    store(stepped_database, value_set("http://example.org/dogs", [{"system": ANIMALS, "concept": [{"code": "hen"}]}]))
    with_unit = stepped_database.read(lambda u: terminology.member("http://example.org/dogs", ANIMALS, "hen", unit=u))
    assert with_unit is True
    clock.turn(seconds=1)
    store(stepped_database, code_system(version="2", concept=[{"code": "dog"}]))
    assert terminology.lookup(ANIMALS, "dog")[0].version == "2"
    assert terminology.lookup(ANIMALS, "owl", "1")[0].version == "1"


def test_another_tenants_terminology_is_not_seen(stepped_database: Database, terminology: Terminology) -> None:
    assert terminology.member("http://example.org/birds", ANIMALS, "hen") is True
    assert Terminologies(stepped_database).of(2).member("http://example.org/birds", ANIMALS, "hen") is None


def test_a_runaway_pattern_is_refused(stepped_database: Database, terminology: Terminology) -> None:
    rule = [{"system": ANIMALS, "filter": [{"property": "code", "op": "regex", "value": "(a+)+$"}]}]
    store(stepped_database, value_set("http://example.org/slow", rule))
    with pytest.raises(Incorrect, match="repeats"):
        terminology.codes("http://example.org/slow")


def test_a_filter_that_is_not_of_r4_is_refused_and_not_taken_for_equality() -> None:
    rule = {"system": ANIMALS, "filter": [{"property": "concept", "op": "descendent-leaf", "value": "animal"}]}
    with pytest.raises(Incorrect, match="descendent-leaf"):
        value_set_of({"url": "http://example.org/leaves", "compose": {"include": [rule]}})


def test_codes_without_case_subsume_without_case(stepped_database: Database, terminology: Terminology) -> None:
    store(stepped_database, code_system(url="http://example.org/loose", caseSensitive=False))
    asked = [("HEN", "hen"), ("ANIMAL", "Hen"), ("owl", "BIRD"), ("OWL", "HEN")]
    found = [terminology.subsumes("http://example.org/loose", one, other) for one, other in asked]
    assert found == ["equivalent", "subsumes", "subsumed-by", "not-subsumed"]


def test_a_filter_may_ask_for_children() -> None:
    held = of_resource(code_system())
    assert [one.code for one in held.matching((Filter("child", "=", "hen"),), (), active_only=False)] == ["bird"]
