"""`kill -9` at every commit point of submit, adjudicate, deliver: the restart finishes, once."""

import shutil
from pathlib import Path

import httpx
import pytest

from kiungo.kernel.database import Unit, open_database

from .conftest import CLAIM, Installed
from .running import Platform, Receiver, until

POINTS_MAX = 60
HEADERS = {"Idempotency-Key": "the-providers-own-number"}


def register(platform: Platform, key: str, url: str) -> None:
    with platform.client(key) as client:
        answer = client.post(
            "/api/webhooks/",
            json={"webhook_url": url, "events": ["claim_status_update"], "secret_key": "your-webhook-secret"},
        )
        assert answer.status_code == 201, answer.text


def submit(platform: Platform, key: str) -> httpx.Response | None:
    """The answer, or None when the connection broke."""
    with platform.client(key) as client:
        try:
            return client.post("/api/claims/", json=CLAIM, headers=HEADERS)
        except httpx.TransportError:
            return None


def one_run(installed: Installed, receiver: Receiver, kill_at: int) -> bool:
    """Submit, be killed at a commit point, restart, finish; returns whether the point was reached."""
    begin = len(receiver.received)
    with Platform(installed.url, installed.folder, kill_at=kill_at) as platform:
        platform.arm()
        answer = submit(platform, installed.provider_key)
        if answer is not None:
            try:
                until(lambda: platform.was_killed or len(receiver.received) >= begin + 2, what="the deliveries")
                until(lambda: platform.was_killed or settled(installed), what="the deliveries' record")
            except AssertionError:
                assert platform.was_killed, platform.errors
    killed = platform.was_killed
    with Platform(installed.url, installed.folder) as platform:
        again = submit(platform, installed.provider_key)
        assert again is not None
        assert again.status_code == 201, again.text
        claim_id = again.json()["claim"]["claim_id"]
        if answer is not None:
            assert again.content == answer.content, "what was answered stays answered"
        try:
            until(lambda: settled(installed), what=f"delivery after a kill at {kill_at}")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{effects(installed)}\n{platform.errors[-3000:]}") from None
        with platform.client(installed.provider_key) as client:
            assert client.get(f"/api/claims/{claim_id}/").json()["status"] == "approved"
    assert receiver.statuses_of(claim_id) == ["submitted", "approved"], f"killed at {kill_at}"
    assert effects(installed) == {
        "claims": 1,
        "events": 2,
        "deliveries": 2,
        "delivered": 2,
        "FHIR claims, responses and explanations": 3,
        "services on file": 1,
        "submissions audited": 1,
        "jobs left": 0,
    }, f"killed at {kill_at}"
    return killed


def settled(installed: Installed) -> bool:
    found = effects(installed)
    return found["deliveries"] > 0 and found["deliveries"] == found["delivered"]


def effects(installed: Installed) -> dict[str, int]:
    questions = {
        "claims": "SELECT count(*) FROM payor_claim",
        "events": "SELECT count(*) FROM outbox WHERE topic LIKE 'claim.%'",
        "deliveries": "SELECT count(*) FROM webhook_delivery",
        "delivered": "SELECT count(*) FROM webhook_delivery WHERE state = 'delivered'",
        "FHIR claims, responses and explanations": "SELECT count(*) FROM fhir_resource WHERE fid IN ("
        "SELECT claim_fhir FROM payor_claim UNION SELECT response_fhir FROM payor_claim "
        "UNION SELECT benefit_fhir FROM payor_claim)",
        "services on file": "SELECT count(*) FROM payor_service",
        "submissions audited": "SELECT count(*) FROM audit WHERE action = 'submit'",
        # What the clock starts every minute comes and goes beside the claim.
        "jobs left": "SELECT count(*) FROM job WHERE state = 'dead' OR kind LIKE 'payor.%'",
    }

    def ask(unit: Unit) -> dict[str, int]:
        return {name: int(unit.value(sql)) for name, sql in questions.items()}

    database = open_database(installed.url, stepped=True)
    try:
        return database.read(ask)
    finally:
        database.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_killed_at_every_commit_point_nothing_is_lost_or_done_twice(installed: Installed, tmp_path: Path) -> None:
    with Receiver() as receiver:
        with Platform(installed.url, installed.folder) as platform:
            register(platform, installed.provider_key, receiver.url)
        database = Path(installed.url.removeprefix("sqlite:///"))
        fresh = tmp_path / "fresh.db"
        shutil.copy(database, fresh)
        reached = 0
        for kill_at in range(1, POINTS_MAX):
            for left in database.parent.glob(database.name + "*"):
                left.unlink()
            shutil.copy(fresh, database)
            if not one_run(installed, receiver, kill_at):
                break
            reached += 1
        else:
            raise AssertionError(f"still commit points after {POINTS_MAX}")
    assert reached >= 6, "submission, lease and record, each before and after its commit"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True)
@pytest.mark.parametrize("kill_at", [1, 2])
def test_killed_at_the_commit_of_the_submission(installed: Installed, kill_at: int) -> None:
    with Receiver() as receiver:
        with Platform(installed.url, installed.folder) as platform:
            register(platform, installed.provider_key, receiver.url)
        assert one_run(installed, receiver, kill_at)
