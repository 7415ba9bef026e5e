"""The client and our server, over real HTTP: what one says the other understands."""

from decimal import Decimal
from typing import Any

import pytest

from kiungo.base.errors import Unsupported
from kiungo.client.fhir import ApiKey, RefusedByServer
from tests.fhir.conftest import observation, patient


def named(family: str) -> dict[str, Any]:
    return patient(name=[{"family": family}], identifier=[{"system": "urn:test", "value": family}])


def test_a_resource_from_its_creation_to_its_end(fhir: Any) -> None:
    made = fhir.create(named("Mwangi"))
    logical_id = made.resource["id"]
    assert (made.is_new, made.version) == (True, "1")
    changed = fhir.update(made.resource | {"birthDate": "1990-01-01"}, if_match="1")
    assert (changed.is_new, changed.version, changed.resource["birthDate"]) == (False, "2", "1990-01-01")
    with pytest.raises(RefusedByServer) as stale:
        fhir.update(made.resource | {"birthDate": "1991-01-01"}, if_match="1")
    assert stale.value.status == 412
    assert fhir.read("Patient", logical_id, version="1")["birthDate"] == "1984-02-29"
    versions = [entry["resource"]["meta"]["versionId"] for entry in fhir.history("Patient", logical_id)]
    assert versions == ["2", "1"]
    fhir.delete("Patient", logical_id)
    fhir.delete("Patient", logical_id)
    with pytest.raises(RefusedByServer) as gone:
        fhir.read("Patient", logical_id)
    assert gone.value.status == 410
    assert gone.value.issues[0].code == "deleted"


def test_parts_are_patched_either_way_and_operations_are_called(fhir: Any) -> None:
    logical_id = fhir.create(named("Patch")).resource["id"]
    operation = [{"op": "replace", "path": "/gender", "value": "other"}]
    assert fhir.patch("Patient", logical_id, operation, if_match="1").resource["gender"] == "other"
    parts = [
        {"name": "type", "valueCode": "delete"},
        {"name": "path", "valueString": "Patient.birthDate"},
    ]
    patch = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    assert "birthDate" not in fhir.patch("Patient", logical_id, patch).resource
    judged = fhir.operation("validate", "Patient", given={"resourceType": "Patient", "birthDate": "yesterday"})
    assert judged["issue"][0]["severity"] == "error"
    record = fhir.operation("everything", "Patient", logical_id)
    assert record["entry"][0]["resource"]["id"] == logical_id


def test_conditions_make_one(fhir: Any) -> None:
    first = fhir.create(named("Condition"), if_none_exist={"identifier": "urn:test|Condition"})
    again = fhir.create(named("Condition"), if_none_exist={"identifier": "urn:test|Condition"})
    assert first.resource["id"] == again.resource["id"]
    assert not again.is_new
    changed = fhir.update(named("Condition") | {"gender": "male"}, where={"identifier": "urn:test|Condition"})
    assert (changed.resource["id"], changed.resource["gender"]) == (first.resource["id"], "male")
    fhir.delete("Patient", where={"identifier": "urn:test|Condition"})


def test_a_search_follows_its_pages_and_leaves_out_what_is_included(fhir: Any) -> None:
    subject = f"Patient/{fhir.create(named('Pages')).resource['id']}"
    entries = [
        {
            "resource": observation(subject, when=f"2024-05-{day:02}"),
            "request": {"method": "POST", "url": "Observation"},
        }
        for day in range(1, 8)
    ]
    answers = fhir.transaction(entries)
    assert [answer["response"]["status"][:3] for answer in answers] == ["201"] * 7
    query = {"subject": subject, "_count": 3, "_sort": "date", "_include": "Observation:subject"}
    days = [found["effectiveDateTime"] for found in fhir.search("Observation", query)]
    assert days == [f"2024-05-{day:02}" for day in range(1, 8)]
    assert len(list(fhir.pages("Observation", query))) == 3
    both = {"subject": subject, "date": ["ge2024-05-03", "lt2024-05-05"]}
    assert len(list(fhir.search("Observation", both))) == 2


def test_a_long_query_goes_as_a_form(fhir: Any) -> None:
    subject = f"Patient/{fhir.create(named('Form')).resource['id']}"
    fhir.create(observation(subject))
    codes = ",".join(f"http://loinc.org|{number}-1" for number in range(100)) + ",http://loinc.org|8867-4"
    assert len(list(fhir.search("Observation", {"subject": subject, "code": codes}))) == 1


def test_decimals_keep_their_digits(fhir: Any) -> None:
    quantity = {"value": Decimal("1.10"), "unit": "mg"}
    made = fhir.create(observation("Patient/none", valueQuantity=quantity))
    read = fhir.read("Observation", made.resource["id"])
    assert str(read["valueQuantity"]["value"]) == "1.10"


def test_a_batch_tells_each_entry_how_it_went(fhir: Any) -> None:
    answers = fhir.batch(
        [
            {"request": {"method": "GET", "url": "Patient/none"}},
            {"request": {"method": "POST", "url": "Patient"}, "resource": named("Batch")},
        ]
    )
    assert [answer["response"]["status"][:3] for answer in answers] == ["404", "201"]


def test_what_the_server_does_not_offer_is_not_sent(fhir: Any) -> None:
    with pytest.raises(Unsupported, match="does not offer the type Pateint") as refused:
        fhir.read("Pateint", "1")
    assert refused.value.hint == "Did you mean Patient?"
    with pytest.raises(Unsupported, match="searching Patient by famly") as unknown:
        list(fhir.search("Patient", {"famly": "x"}))
    assert unknown.value.hint == "Did you mean family?"
    with pytest.raises(Unsupported, match=r"\$nothing"):
        fhir.operation("nothing", "Patient")


def test_a_refusal_says_what_and_where(fhir: Any) -> None:
    with pytest.raises(RefusedByServer, match="POST /fhir/Patient: HTTP 4") as refused:
        fhir.create({"resourceType": "Patient", "birthDate": "yesterday"})
    assert refused.value.issues[0].expression == ("Patient.birthDate",)


def test_a_wrong_key_is_refused(make: Any, ours: tuple[str, str]) -> None:
    with pytest.raises(RefusedByServer) as refused:
        make(ours[0], ApiKey("nobody's")).read("Patient", "1")
    assert refused.value.status == 401
