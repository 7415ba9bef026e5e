"""Patients come from the registry once; when it is away, known ones go on and unknown ones are asked to wait."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from kiungo.base.time import SystemClock
from kiungo.connectors.afyalink.connector import open_registry
from kiungo.connectors.afyalink.twin import AfyaLinkTwin
from kiungo.domains.vems.mapping.terms import FACILITY
from kiungo.kernel import json
from kiungo.kernel.auth import system_call
from kiungo.kernel.clients import EgressPolicy
from kiungo.kernel.sandbox import Faults, serve
from tests.connectors.afyalink.conftest import settings_for
from tests.domains.vems.cases import FR_CODE, body
from tests.domains.vems.conftest import Running, Start
from tests.domains.vems.test_booking_api import book


@pytest.fixture
def twin() -> AfyaLinkTwin:
    return AfyaLinkTwin(SystemClock(), Faults(Random(3)), slow_s=0.3)


@pytest.fixture
def site(start: Start, twin: AfyaLinkTwin) -> Iterator[Running]:
    served = serve({"afyalink": twin}, SystemClock())
    settings = settings_for(twin, base_url=served.url("afyalink"))
    yield start(registry=open_registry(settings, EgressPolicy(allow_loopback=True)))
    served.close()


def patients(site: Running) -> int:
    return int(site.vems.database.read(lambda unit: unit.value("SELECT count(*) FROM vems_patient")))


def test_an_unknown_patient_is_asked_once_and_kept(site: Running, twin: AfyaLinkTwin) -> None:
    number = book(site).json()["bookingNo"]
    assert site.client.get(f"/hmis/v1/bookings/{number}").json()["patient"]["name"] == "John Kamau Mwangi"
    asked = twin.tokens_used
    assert book(site, body(claimID="second")).status_code == 200
    assert (twin.tokens_used, asked, patients(site)) == (1, 1, 1)


def test_a_patient_the_registry_does_not_know_is_404(site: Running) -> None:
    answer = book(site, body(patientCR="CR9999999"))
    assert (answer.status_code, answer.json()) == (
        404,
        {
            "success": False,
            "message": "Patient not found in HIE",
            "error": "No patient record found with CR number 'CR9999999'",
        },
    )


def test_registry_down_known_patients_go_on_unknown_ones_wait(site: Running, twin: AfyaLinkTwin) -> None:
    assert book(site).status_code == 200
    twin.down = True
    assert book(site, body(claimID="second")).status_code == 200
    waiting = book(site, body(claimID="third", patientCR="CR7654321"))
    assert (waiting.status_code, waiting.headers["retry-after"]) == (503, "30")
    assert waiting.json()["success"] is False
    assert "CR7654321" not in waiting.text
    twin.down = False
    assert book(site, body(claimID="third", patientCR="CR7654321")).status_code == 200


def test_a_patient_is_validated_with_eligibility(site: Running) -> None:
    answer = site.client.get("/vems/v1/patients/CR1234567").json()["data"]
    assert (answer["name"], answer["eligible"], answer["funds"]) == ("John Kamau Mwangi", True, ["SHIF", "PHC"])
    other = site.client.get("/vems/v1/patients/CR7654321").json()["data"]
    assert (other["eligible"], other["possibleSolution"]) == (False, "Pay this year's contribution")
    assert site.client.get("/vems/v1/patients/CR0").status_code == 404


def test_facilities_are_discovered_and_kept_as_records(site: Running) -> None:
    listed = site.client.get("/vems/v1/facilities", params={"registry": "true"}).json()["data"]
    assert [one["frCode"] for one in listed] == [FR_CODE, "FID-42-110011-7"]
    manager = site.key(roles=("contract_manager",))
    for _ in range(2):
        enabled = site.client.post(f"/vems/v1/facilities/{FR_CODE}/enable", headers=manager).json()["data"]
    assert (enabled["name"], enabled["county"]) == ("Harbour County Hospital", "Mombasa")
    call = system_call(1)

    def read(kind: str, id: str) -> Any:
        return site.vems.database.read(
            lambda unit: json.loads(site.vems.desk.repository.read(unit, call, kind, id).body)
        )

    organization = read("Organization", enabled["organization"])
    assert {"system": FACILITY, "value": FR_CODE} in organization["identifier"]
    assert read("Location", enabled["location"])["managingOrganization"] == {
        "reference": f"Organization/{organization['id']}"
    }
    assert site.client.post("/vems/v1/facilities/FID-0/enable", headers=manager).status_code == 404
    assert book(site).status_code == 200
