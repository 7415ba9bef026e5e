"""One person is one Patient, whoever writes first; what bookings own is not written over FHIR; nothing stays open."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import httpx
import pytest

from kiungo.app.registry import FollowSettings
from kiungo.app.sample_data import load_sample_data
from kiungo.app.sandbox import Sandbox
from kiungo.app.system import System, open_system
from kiungo.base.errors import Unavailable
from kiungo.domains.payor import sample
from kiungo.kernel import json
from kiungo.kernel.auth import system_call
from kiungo.kernel.config import load_settings
from kiungo.kernel.database import Unit
from kiungo.ports.payer import Query
from kiungo.ports.registry import RegisteredPatient

JOHN = RegisteredPatient(
    "CR1234567", "John Kamau Mwangi", "+254712345678", "1985-05-15", "male", "National ID", "12345678"
)
CALL = system_call(1)


@pytest.fixture
def dev(database_url: str, tmp_path: Path):
    system = open_system(load_settings(mode="dev", data_dir=tmp_path, database_url=database_url))
    yield system
    system.close()


def johns(system: System) -> list[dict[str, Any]]:
    def read(unit: Unit) -> list[dict[str, Any]]:
        found = system.store.repository.find_all(
            unit, CALL, "Patient", [("identifier", "urn:kiungo:person|CR1234567")], 5
        )
        return [json.loads(one.body) for one in found]

    return system.database.read(read)


def systems(patient: dict[str, Any]) -> set[str]:
    return {item["system"] for item in patient["identifier"]}


@pytest.mark.parametrize("payor_first", [True, False])
def test_the_samples_member_and_the_registered_person_are_one_patient(dev: System, payor_first: bool) -> None:
    if payor_first:
        load_sample_data(dev)
        dev.database.write(lambda unit: dev.vems.people.keep(unit, CALL, JOHN))
    else:
        dev.database.write(lambda unit: dev.vems.people.keep(unit, CALL, JOHN))
        load_sample_data(dev)
    (patient,) = johns(dev)
    both = {"urn:kiungo:person", "urn:kiungo:payor:insurance-id", "urn:kiungo:vems:identification:national-id"}
    assert systems(patient) == both
    assert patient["telecom"] == [{"system": "phone", "value": "+254712345678"}]

    member = next(one for one in sample.MEMBERS if one.member_id == "CR1234567")
    renamed = dataclasses.replace(member, name="John K. Mwangi")
    dev.database.write(lambda unit: dev.registers.put_member(unit, CALL, renamed))
    (changed,) = johns(dev)
    assert (changed["id"], changed["name"][0]["text"]) == (patient["id"], "John K. Mwangi")
    assert systems(changed) == both
    assert changed["telecom"] == patient["telecom"]


@pytest.mark.parametrize("system", ["urn:kiungo:booking", "urn:kiungo:vems:service-booking"])
def test_what_bookings_own_is_not_written_over_fhir(tmp_path: Path, system: str) -> None:
    here = open_system(load_settings(mode="dev", data_dir=tmp_path, database_url=f"sqlite:///{tmp_path / 'dev.db'}"))
    keys = load_sample_data(here)
    task = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "identifier": [{"system": system, "value": "VB0123456789AB"}],
    }

    async def post() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(here.site), base_url="http://kiungo") as client:
            headers = {"X-API-Key": keys["FHIR client"], "Content-Type": "application/fhir+json"}
            return await client.post("/fhir/Task", json=task, headers=headers)

    try:
        answer = asyncio.run(post())
    finally:
        here.close()
    assert answer.status_code == 403, answer.text
    assert "/hmis/v1/" in answer.text


def test_a_closed_system_keeps_no_connection_to_the_outside(tmp_path: Path) -> None:
    sandbox = Sandbox(0)
    try:
        twins = sandbox.settings("http://127.0.0.1:9", "a-key", follow=FollowSettings())
        settings = load_settings(mode="dev", data_dir=tmp_path, database_url=f"sqlite:///{tmp_path / 'dev.db'}")
        system = open_system(settings, twins)
        payer = system.outside.payers["hcms"]
        asked = [Query("VB0123456789AB", "a-claim")]
        with pytest.raises(Unavailable):
            payer.statuses(asked)
        assert len(system.outside.closing) >= 6
        system.close()
        with pytest.raises(RuntimeError, match="closed"):
            payer.statuses(asked)
    finally:
        sandbox.close()
