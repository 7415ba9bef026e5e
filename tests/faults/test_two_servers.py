"""Two serving processes on one PostgreSQL are one platform: what one was told, the other knows in its next answer."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from kiungo.app.sample_data import ADMIN, load_sample_data
from kiungo.app.system import open_system
from kiungo.domains.payor.sample import STANDARD
from kiungo.kernel.auth import system_call
from kiungo.kernel.config import load_settings

from .conftest import CLAIM
from .running import Platform, Receiver, until
from .test_booking_killed import BOOKING, JOHN

AT_ONCE = 8
FHIR_CLIENT = "FHIR client"
RECORDS = "/api/admin/audit/verification"


@dataclass(frozen=True)
class Pair:
    """Both servers. Shapes: `keys` by the names of the sample data."""

    here: Platform
    there: Platform
    keys: dict[str, str]

    def both(self, name: str = ADMIN.name) -> tuple[httpx.Client, httpx.Client]:
        """A client of each, with the same key."""
        return self.here.client(self.keys[name]), self.there.client(self.keys[name])


@pytest.fixture
def pair(database_url: str, tmp_path: Path) -> Iterator[Pair]:
    settings = load_settings(mode="dev", data_dir=tmp_path / "data", database_url=database_url)
    system = open_system(settings)
    try:
        keys = dict(load_sample_data(system))
        system.database.write(lambda unit: system.vems.people.keep(unit, system_call(1), JOHN))
    finally:
        system.close()
    with Platform(database_url, tmp_path) as here, Platform(database_url, tmp_path) as there:
        yield Pair(here, there, keys)


pytestmark = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)


def said(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def soon(look: Callable[[], bool], what: str) -> None:
    """A change of another process is heard by its notice, which comes behind the answer by a moment."""
    until(look, timeout_s=2, what=what)


def test_eight_submissions_at_both_are_one_claim_and_one_answer(pair: Pair) -> None:
    clients = [server.client(pair.keys["provider PROV-001"]) for server in (pair.here, pair.there) * (AT_ONCE // 2)]
    for client in clients:
        client.get("/livez")
    headers = {"Idempotency-Key": "one-and-the-same"}

    def at_once(send: Callable[[httpx.Client], httpx.Response]) -> list[httpx.Response]:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            return list(threads.map(send, clients))

    keyed = at_once(lambda client: client.post("/api/claims/", json=CLAIM, headers=headers))
    assert {(answer.status_code, answer.content) for answer in keyed} == {(201, keyed[0].content)}
    other = CLAIM | {"amount": "150.00"}
    bare = at_once(lambda client: client.post("/api/claims/", json=other))
    assert sorted(answer.status_code for answer in bare) == [200] * (AT_ONCE - 1) + [201], [a.text for a in bare]
    assert len({answer.json()["claim"]["claim_id"] for answer in bare}) == 1


def a_key_revoked_at_one_opens_nothing_at_the_other(pair: Pair) -> None:
    here, there = pair.both()
    made = said(here.post("/api/admin/keys/", json={"name": "passing", "roles": ["auditor"]}), 201)
    guest = pair.there.client(made["key"])
    assert guest.get(RECORDS).status_code == 200, "a key made here opens there, and is remembered"
    said(here.post(f"/api/admin/keys/{made['id']}/revoke"))
    soon(lambda: guest.get(RECORDS).status_code == 401, "the end of the key")
    there.close()


def a_plan_changed_at_one_prices_the_next_claim_at_the_other(pair: Pair) -> None:
    here, there = pair.both()
    assert said(there.post("/api/claims/", json=CLAIM), 201)["claim"]["expected_payment"] == 1000.00
    (plan,) = (one for one in said(here.get("/api/admin/plans"))["plans"] if one["plan_id"] == STANDARD)
    said(here.put(f"/api/admin/plans/{STANDARD}", json=plan | {"coinsurance_percent": "36"}))
    again = CLAIM | {"date_of_service": "2024-10-04"}
    priced = said(there.post("/api/claims/", json=again), 201)["claim"]
    assert priced["expected_payment"] == 800.00


def a_contract_changed_at_one_shares_the_next_booking_at_the_other(pair: Pair) -> None:
    here, there = pair.both()
    before = said(there.post("/hmis/v1/bookings/cost-distribution", json=BOOKING))
    contract = said(here.get("/vems/v1/contracts/CON-0001"))["data"]
    terms = {"any": {"vendorShare": "9000.00", "facilityShare": "4000.00", "serviceFee": "2000.00"}}
    said(here.put("/vems/v1/contracts/CON-0001", json=contract | {"terms": terms}))
    repeated = said(there.post("/hmis/v1/bookings/cost-distribution", json=BOOKING))
    after = said(there.post("/hmis/v1/bookings/cost-distribution", json=BOOKING | {"claimID": "another"}))
    assert [one["services"][0]["vendorShare"] for one in (before, repeated, after)] == [10000.0, 10000.0, 9000.0]


def fhir_written_at_one_is_found_validated_and_expanded_at_the_other(pair: Pair) -> None:
    here, there = pair.both(FHIR_CLIENT)
    parameter = {
        "resourceType": "SearchParameter",
        "url": "http://example.org/shoe-size",
        "name": "shoe",
        "status": "active",
        "description": "d",
        "code": "shoe",
        "base": ["Patient"],
        "type": "string",
        "expression": "Patient.extension('http://example.org/shoe').value",
    }
    assert there.get("/fhir/Patient", params={"shoe": "44"}).status_code == 400
    said(here.post("/fhir/SearchParameter", json=parameter), 201)
    shod = {
        "resourceType": "Patient",
        "extension": [{"url": "http://example.org/shoe", "valueString": "44"}],
    }
    until(lambda: here.get("/fhir/Patient", params={"shoe": "44"}).status_code == 200, timeout_s=10, what="ready")
    soon(lambda: there.get("/fhir/Patient", params={"shoe": "44"}).status_code == 200, "the parameter")
    said(there.post("/fhir/Patient", json=shod), 201)
    until(lambda: "Matches may be missing" not in here.get("/fhir/Patient?shoe=44").text, timeout_s=20, what="index")
    assert len(said(here.get("/fhir/Patient", params={"shoe": "44"}))["entry"]) == 1

    system = {
        "resourceType": "CodeSystem",
        "url": "http://example.org/cs",
        "status": "active",
        "content": "complete",
        "concept": [{"code": "a"}],
    }
    made = said(here.post("/fhir/CodeSystem", json=system), 201)

    def is_known(code: str) -> bool:
        asked = there.get("/fhir/CodeSystem/$validate-code", params={"url": system["url"], "code": code})
        return bool(said(asked)["parameter"][0]["valueBoolean"])

    assert is_known("a")
    assert not is_known("b")
    said(here.put(f"/fhir/CodeSystem/{made['id']}", json=made | {"concept": [{"code": "b"}]}))
    assert is_known("b"), "a code system changed at one is asked about at the other"
    assert not is_known("a")

    for number in range(3):
        said(here.post("/fhir/Basic", json={"resourceType": "Basic", "code": {"text": f"{number}"}}), 201)
    page = said(here.get("/fhir/Basic", params={"_count": 2}))
    following = next(link["url"] for link in page["link"] if link["relation"] == "next")
    assert len(said(there.get(httpx.URL(following).raw_path.decode()))["entry"]) == 1


def a_webhook_registered_at_one_hears_of_claims_at_the_other(pair: Pair) -> None:
    here, there = pair.both("provider PROV-001")
    with Receiver() as receiver:
        hook = {"webhook_url": receiver.url, "events": ["claim_status_update"]}
        said(here.post("/api/webhooks/", json=hook), 201)
        soon(lambda: bool(there.get("/api/webhooks/").json()), "the webhook")
        said(there.post("/api/claims/", json=CLAIM | {"date_of_service": "2024-10-07"}), 201)
        until(lambda: len(receiver.received) >= 2, timeout_s=10, what="two notices")
        assert len(receiver.received) == 2


def test_what_one_was_told_the_other_knows(pair: Pair) -> None:
    for each in (
        a_key_revoked_at_one_opens_nothing_at_the_other,
        a_plan_changed_at_one_prices_the_next_claim_at_the_other,
        a_contract_changed_at_one_shares_the_next_booking_at_the_other,
        fhir_written_at_one_is_found_validated_and_expanded_at_the_other,
        a_webhook_registered_at_one_hears_of_claims_at_the_other,
    ):
        each(pair)
