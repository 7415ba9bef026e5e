"""The resource browser over HTTP: finding, reading, comparing, validating, and what a visitor may not see."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.keys import create_key
from tests.console.conftest import House, Visitor

HEART_RATE = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}]},
    "valueQuantity": {"value": 72},
}


class Records:
    """Writes over the API, as an application would."""

    def __init__(self, house: House) -> None:
        self.client = httpx.Client(
            base_url=house.url + "/fhir", headers={"X-API-Key": house.key("api", "administrator")}, timeout=20
        )

    def create(self, resource: dict[str, Any]) -> dict[str, Any]:
        answer = self.client.post("/" + resource["resourceType"], json=resource)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def update(self, resource: dict[str, Any]) -> dict[str, Any]:
        answer = self.client.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def patient(self, family: str) -> dict[str, Any]:
        return self.create({"resourceType": "Patient", "name": [{"family": family, "given": ["Amina"]}]})


@pytest.fixture(scope="module")
def records(house: House) -> Iterator[Records]:
    made = Records(house)
    yield made
    made.client.close()


@pytest.fixture(scope="module")
def visitor(house: House) -> Visitor:
    return house.signed_in("Root", "administrator")


def with_scopes(house: House, *scopes: str, **bindings: str) -> Visitor:
    visitor = house.visitor()
    made = house.system.database.write(
        lambda unit: create_key(unit, system_call(1), name="Some", scopes=scopes, bindings=bindings)
    )
    visitor.sign_in(made[1])
    return visitor


def test_the_first_page_offers_types(visitor: Visitor) -> None:
    page = visitor.see("/console/fhir")
    assert visitor.status == 200
    assert 'href="/console/fhir?type=Observation"' in page
    assert 'aria-current="page">Records' in page


def test_a_search_finds_names_and_follows_pages(visitor: Visitor, records: Records) -> None:
    for number in range(3):
        records.patient(f"Paged{number}")
    page = visitor.see("/console/fhir", type="Patient", q="family=paged&_count=2&_sort=family")
    assert re.findall(r"Amina Paged\d", page) == ["Amina Paged0", "Amina Paged1"]
    following = re.search(r'href="(/console/fhir\?[^"]+)" rel="next"', page)
    assert following
    page = visitor.see(following[1].replace("&amp;", "&"))
    assert re.findall(r"Amina Paged\d", page) == ["Amina Paged2"]
    assert "First page" in page


def test_a_wrong_parameter_is_said_with_the_right_one(visitor: Visitor) -> None:
    page = visitor.see("/console/fhir", type="Patient", q="famly=x")
    assert visitor.status == 400
    assert "family" in page
    page = visitor.see("/console/fhir", type="Pateint")
    assert visitor.status == 404
    assert "no such resource type" in page


def test_the_plan_of_a_search_is_shown(visitor: Visitor, records: Records) -> None:
    records.patient("Explained")
    page = visitor.see("/console/fhir", type="Patient", q="family=explained", explain="1")
    assert visitor.status == 200
    assert "How this search was run" in page
    assert "family=explained" in page


def test_a_record_shows_its_content_and_what_it_refers_to(visitor: Visitor, records: Records) -> None:
    patient = records.patient("<b>Bold</b>")
    subject = f"Patient/{patient['id']}"
    made = records.create(HEART_RATE | {"subject": {"reference": subject}})
    page = visitor.see(f"/console/fhir/Observation/{made['id']}")
    assert "Heart rate" in page
    assert f'href="/console/fhir/{subject}"' in page
    page = visitor.see(f"/console/fhir/{subject}")
    assert "<b>Bold" not in page
    assert "type=Observation" in page


def test_history_tells_what_changed(visitor: Visitor, records: Records) -> None:
    patient = records.patient("Before")
    patient = records.update(patient | {"name": [{"family": "After"}], "gender": "female"})
    records.client.delete(f"/Patient/{patient['id']}").raise_for_status()
    patient = records.client.put(f"/Patient/{patient['id']}", json={"resourceType": "Patient", "id": patient["id"]})
    page = visitor.see(f"/console/fhir/Patient/{patient.json()['id']}/history")
    assert [re.sub(r"<[^>]+>", "", one) for one in re.findall(r'<h2 id="version_\d+">(.*?) <span', page)] == [
        "Version 4",
        "Version 3",
        "Version 2",
        "Version 1",
    ]
    assert "3 changes" in page
    assert "<del>&#34;Before&#34;</del>" in page
    assert "<ins>&#34;After&#34;</ins>" in page
    assert ("Deleted" in page, "Brought back" in page, "Created" in page) == (True, True, True)
    page = visitor.see(f"/console/fhir/Patient/{patient.json()['id']}", version="1")
    assert "This is version 1" in page
    assert "Before" in page


def test_a_long_history_has_pages(visitor: Visitor, records: Records) -> None:
    patient = records.patient("Long")
    for number in range(21):
        patient = records.update(patient | {"name": [{"family": f"Long{number}"}]})
    page = visitor.see(f"/console/fhir/Patient/{patient['id']}/history")
    older = re.search(r'href="([^"]+)" rel="next">Older', page)
    assert older
    page = visitor.see(older[1].replace("&amp;", "&"))
    assert "Version 1<" in page
    assert "Created" in page


def test_validation_says_where_and_how_bad(visitor: Visitor, records: Records) -> None:
    made = records.create(HEART_RATE | {"referenceRange": [{"text": "60 to 100"}], "note": [{"text": "x"}]})
    page = visitor.see(f"/console/fhir/Observation/{made['id']}/validate")
    assert visitor.status == 200
    assert ">Valid" in page or "Valid, with remarks" in page
    profile = "http://hl7.org/fhir/StructureDefinition/vitalsigns"
    page = visitor.see(f"/console/fhir/Observation/{made['id']}/validate", profile=profile)
    assert "Observation" in page
    assert visitor.status == 200


def test_the_uscdi_page_says_what_a_record_has_and_lacks(visitor: Visitor, records: Records) -> None:
    patient = records.patient("Interoperable")
    page = visitor.see(f"/console/fhir/Patient/{patient['id']}/uscdi")
    assert visitor.status == 200
    assert "US Core is not installed" in page
    row = re.search(r"<tr>\s*<th scope=\"row\">First name(?s:.*?)</tr>", page)
    assert row
    assert f'href="/console/fhir/Patient/{patient["id"]}"' in row[0]
    assert "Lacks" in page
    assert ">USCDI<" in visitor.see(f"/console/fhir/Patient/{patient['id']}")
    visitor.see("/console/fhir/Patient/none/uscdi")
    assert visitor.status == 404


def test_what_is_not_there_is_not_found(visitor: Visitor) -> None:
    for path in ("/Patient/none", "/Patient/none/history", "/Patient/none/validate", "/Nothing/1"):
        visitor.see("/console/fhir" + path)
        assert visitor.status == 404, path


def test_a_visitor_sees_what_the_credential_opens(house: House, records: Records) -> None:
    patient = records.patient("Hidden")
    nurse = with_scopes(house, "system/Observation.rs")
    nurse.see("/console/fhir", type="Patient")
    assert nurse.status == 403
    for tail in ("", "/history", "/validate", "/uscdi"):
        nurse.see(f"/console/fhir/Patient/{patient['id']}{tail}")
        assert nurse.status == 403
    nurse.see("/console/fhir", type="Observation")
    assert nurse.status == 200
    provider = with_scopes(house, "system/*.rs", provider="PROV-001")
    provider.see(f"/console/fhir/Patient/{patient['id']}")
    assert provider.status == 403
    page = house.signed_in("Rita", "reviewer").see("/console/fhir")
    assert "may search no type" in page


def test_without_a_session_there_is_no_page(house: House) -> None:
    assert "API key" in house.visitor().see("/console/fhir/Patient/1")


def test_reading_a_record_is_audited_with_its_person(house: House, visitor: Visitor, records: Records) -> None:
    patient = records.patient("Audited")
    visitor.see(f"/console/fhir/Patient/{patient['id']}")

    def count(unit: Any) -> int:
        found: int = unit.value(
            "SELECT count(*) FROM audit WHERE action = 'read' AND kind = 'Patient' AND record_id = ? AND person = ?",
            (patient["id"], patient["id"]),
        )
        return found

    for _ in range(100):
        if house.system.database.read(count):
            return
        visitor.see("/console/fhir")
    raise AssertionError("no audit entry")
