"""The webhook API over real HTTP: the document's registration, secrets shown once, owners kept apart."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import uvloop
from standardwebhooks import Webhook

from kiungo.base.time import iso_millis
from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.keys import create_key
from kiungo.kernel.config import Settings
from kiungo.kernel.database import Database
from kiungo.kernel.http.front import open_front
from kiungo.kernel.http.server import server_of
from kiungo.kernel.secrets import new_key, parse_keyring
from kiungo.kernel.webhooks import Webhooks
from kiungo.kernel.webhooks.routes import webhook_router

from .receiver import Receiver, Reply

DOCUMENTED = {
    "provider_id": "PROV-001",
    "webhook_url": "https://your-domain.com/webhooks/payor-claims",
    "secret_key": "your-webhook-secret",
    "events": ["claim_status_update", "payment_processed"],
    "active": True,
}


@dataclass
class Served:
    """A running site with the webhook routes and its dispatcher, a receiver, and one client for each caller."""

    database: Database
    webhooks: Webhooks
    receiver: Receiver
    admin: httpx.Client
    provider: httpx.Client
    other: httpx.Client
    reader: httpx.Client

    def wait(self, condition: Callable[[], Any], timeout_s: float = 10) -> Any:
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s:
            found = condition()
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError("it did not happen in time")


@pytest.fixture
def served(database: Database, make_webhooks: Callable[..., Webhooks], tmp_path: Path) -> Iterator[Served]:
    webhooks = make_webhooks(database, resolver=resolve)
    receiver = Receiver()
    settings = Settings(mode="dev", data_dir=tmp_path, port=0, public_url="http://kiungo.test")
    front = open_front(settings, database, parse_keyring(new_key()))
    dispatcher = webhooks.dispatcher()
    tasks: list[Any] = []

    async def start() -> None:
        await receiver.__aenter__()
        tasks.append(asyncio.create_task(dispatcher.run()))

    async def stop() -> None:
        dispatcher.stop()
        await asyncio.gather(*tasks)
        await receiver.__aexit__()

    site = front.site(routes=[], routers=[webhook_router(database, webhooks)], starts=[start], stops=[stop])
    server = server_of(site, settings)
    thread = threading.Thread(target=_serve, args=(server,), daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]

    def client(*scopes: str, **bindings: str) -> httpx.Client:
        key = database.write(
            lambda unit: create_key(unit, system_call(1), name="Test", scopes=scopes, bindings=bindings)
        )[1]
        return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": key}, timeout=20)

    both = ("read:webhooks", "write:webhooks")
    yield Served(
        database,
        webhooks,
        receiver,
        client(*both),
        client(*both, provider="PROV-001"),
        client(*both, provider="PROV-002"),
        client("read:webhooks"),
    )
    server.should_exit = True
    thread.join(10)
    front.authenticator.close()


def _serve(server: uvicorn.Server) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve())


def resolve(host: str, port: int) -> list[str]:
    """Names of this test; a name of nobody does not resolve."""
    names = {"public.example.com": ["93.184.216.34"], "inside.example.com": ["10.0.0.5"], "127.0.0.1": ["127.0.0.1"]}
    if host not in names:
        raise OSError("no such name")
    return names[host]


def register(client: httpx.Client, **given: Any) -> httpx.Response:
    return client.post("/api/webhooks/", json=DOCUMENTED | given)


def test_the_documents_registration_is_taken_as_it_stands(served: Served) -> None:
    answer = register(served.provider)
    assert answer.status_code == 201
    webhook = answer.json()["webhook"]
    assert {name: webhook[name] for name in DOCUMENTED} == DOCUMENTED
    assert webhook["signing_secret"] == "whsec_eW91ci13ZWJob29rLXNlY3JldA=="
    assert "does not resolve" in answer.json()["warning"]


def test_the_secret_is_shown_once(served: Served) -> None:
    made = register(served.provider, secret_key=None).json()["webhook"]
    assert made["secret_key"].startswith("whsec_")
    for path in (f"/api/webhooks/{made['id']}/", "/api/webhooks/", f"/api/webhooks/{made['id']}"):
        text = served.provider.get(path).text
        assert made["id"] in text
        assert "secret_key" not in text
        assert made["secret_key"] not in text
    for table in ("secret", "webhook_endpoint", "audit", "idempotency"):
        rows = served.database.read(lambda unit, table=table: unit.rows(f"SELECT * FROM {table}"))
        assert made["secret_key"] not in repr(rows)


def test_a_repeat_with_an_idempotency_key_registers_once(served: Served) -> None:
    for _ in range(2):
        answer = served.provider.post(
            "/api/webhooks/", json=DOCUMENTED, headers={"Idempotency-Key": "one-registration"}
        )
        assert answer.status_code in {201, 409}
    assert len(served.provider.get("/api/webhooks/").json()["webhooks"]) == 1


WRONG = [
    ({"webhook_url": "http://your-domain.com/x"}, "EGRESS_REFUSED", "webhook_url"),
    ({"webhook_url": "https://inside.example.com/x"}, "EGRESS_REFUSED", "webhook_url"),
    ({"webhook_url": "https://10.0.0.1/x"}, "EGRESS_REFUSED", "webhook_url"),
    ({"webhook_url": "https://user:pass@public.example.com/"}, "EGRESS_REFUSED", "webhook_url"),
    ({"webhook_url": "ftp://public.example.com/"}, "EGRESS_REFUSED", "webhook_url"),
    ({"events": ["claim_status_update", "claims"]}, "WEBHOOK_EVENT_UNKNOWN", "events"),
    ({"events": []}, "REQUEST_INVALID", "body.events"),
    ({"secret_key": "short"}, "REQUEST_INVALID", "body.secret_key"),
    ({"secret_key": "whsec_not base64"}, "WEBHOOK_SECRET_WRONG", "secret_key"),
    ({"active": "perhaps"}, "REQUEST_INVALID", "body.active"),
    ({"provider_id": "PROV-002"}, "NOT_YOURS", None),
    ({"retries": 7}, "REQUEST_INVALID", "body.retries"),
]


def test_a_wrong_registration_names_its_fault_and_stores_nothing(served: Served) -> None:
    for given, code, field in WRONG:
        answer = register(served.provider, **given)
        assert answer.status_code in {400, 403, 422}
        error = answer.json()["error"]
        assert (error["code"], error.get("field")) == (code, field)
        assert error.get("hint")
    assert served.admin.get("/api/webhooks/").json()["webhooks"] == []


def test_a_registration_needs_an_owner(served: Served) -> None:
    assert register(served.admin, provider_id=None).json()["error"]["code"] == "WEBHOOK_OWNER_MISSING"
    assert register(served.provider, provider_id=None).json()["webhook"]["provider_id"] == "PROV-001"
    assert register(served.admin, provider_id="PROV-009").status_code == 201


def test_the_same_url_twice_is_a_conflict(served: Served) -> None:
    assert register(served.provider).status_code == 201
    assert register(served.provider).json()["error"]["code"] == "WEBHOOK_EXISTS"
    assert register(served.other, provider_id="PROV-002").status_code == 201


def test_another_owners_webhook_is_as_if_it_were_not_there(served: Served) -> None:
    made = register(served.provider).json()["webhook"]["id"]
    calls = [
        ("GET", "/", None),
        ("PATCH", "/", {"active": False}),
        ("DELETE", "/", None),
        ("POST", "/ping", None),
        ("POST", "/secret", {}),
        ("POST", "/replay", {"from": "2024-10-01T00:00:00Z", "to": "2024-10-02T00:00:00Z"}),
        ("GET", "/deliveries", None),
        ("GET", "/deliveries/x", None),
        ("POST", "/deliveries/x/requeue", None),
    ]
    for method, path, body in calls:
        answer = served.other.request(method, f"/api/webhooks/{made}{path}", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "WEBHOOK_NOT_FOUND"), path
    assert served.other.get("/api/webhooks/").json()["webhooks"] == []
    assert served.admin.get(f"/api/webhooks/{made}/").json()["webhook"]["active"] is True


def test_reading_is_not_writing_and_nobody_comes_without_a_key(served: Served) -> None:
    assert register(served.reader).status_code == 403
    anonymous = httpx.post(f"{served.admin.base_url}/api/webhooks/", json=DOCUMENTED)
    assert anonymous.status_code == 401


def test_a_webhook_is_changed_and_deleted(served: Served) -> None:
    made = register(served.provider).json()["webhook"]["id"]
    path = f"/api/webhooks/{made}/"
    answer = served.provider.patch(path, json={"events": ["payment_processed"], "active": False})
    webhook = answer.json()["webhook"]
    assert (webhook["events"], webhook["active"]) == (["payment_processed"], False)
    assert webhook["webhook_url"] == DOCUMENTED["webhook_url"]
    assert served.provider.patch(path, json={"webhook_url": "https://192.168.0.1/"}).status_code == 400
    assert served.provider.patch(path, json={}).json()["webhook"] == webhook | {
        "updated_at": served.provider.get(path).json()["webhook"]["updated_at"]
    }
    assert served.provider.delete(path).status_code == 204
    assert served.provider.get(path).status_code == 404
    assert served.provider.delete(path).status_code == 404
    assert register(served.provider).status_code == 201


def test_a_ping_is_delivered_and_logged_and_the_period_replayed(served: Served) -> None:
    made = register(served.provider, webhook_url=served.receiver.url).json()["webhook"]["id"]
    base = f"/api/webhooks/{made}"
    ping = served.provider.post(f"{base}/ping")
    assert ping.status_code == 202
    served.wait(lambda: served.receiver.received)
    delivery_id = ping.json()["delivery_id"]
    shown = served.wait(
        lambda: (found := served.provider.get(f"{base}/deliveries/{delivery_id}").json())["attempts"] and found
    )
    assert shown["delivery"]["state"] == "delivered"
    assert shown["attempts"][0]["status"] == 200
    assert served.provider.get(f"{base}/deliveries").json()["deliveries"][0]["event"] == "ping"

    served.database.write(
        lambda unit: served.webhooks.emit(
            unit,
            tenant=1,
            owner="PROV-001",
            event="claim_status_update",
            payload={"event_type": "claim_status_update", "patient_name": "John Doe"},
            subject="CLM-1",
        )
    )
    served.wait(lambda: len(served.receiver.received) == 2)
    delivered = f"{base}/deliveries?state=delivered"
    served.wait(lambda: len(served.provider.get(delivered).json()["deliveries"]) == 2)
    assert "John" not in served.provider.get(delivered).text
    now_us = served.database.clock.now_us()
    period = {"from": iso_millis(now_us - 60_000_000), "to": iso_millis(now_us + 60_000_000)}
    assert served.provider.post(f"{base}/replay", json=period).json()["replayed"] == 1
    served.wait(lambda: len(served.receiver.received) == 3)
    first, again = served.receiver.received[1:]
    assert first.headers["webhook-id"] == again.headers["webhook-id"]


def test_a_wrong_period_is_refused(served: Served) -> None:
    made = register(served.provider).json()["webhook"]["id"]
    for period in (
        {"from": "2024-10-02T00:00:00Z", "to": "2024-10-01T00:00:00Z"},
        {"from": "yesterday", "to": "2024-10-01T00:00:00Z"},
        {"from": "2024-10-01", "to": "2024-10-02"},
        {"from": "2024-10-01T00:00:00Z"},
        {},
    ):
        assert served.provider.post(f"/api/webhooks/{made}/replay", json=period).status_code in {400, 422}


def test_a_dead_letter_is_listed_and_queued_again(served: Served) -> None:
    served.receiver.behaviour = lambda _: Reply(500)
    made = register(served.provider, webhook_url=served.receiver.url).json()["webhook"]["id"]
    served.provider.post(f"/api/webhooks/{made}/ping")
    [dead] = served.wait(lambda: served.provider.get("/api/webhooks/dead-letters/").json()["dead_letters"])
    assert dead["reason"] == "4 attempts failed; the last: answered 500"
    assert served.other.get("/api/webhooks/dead-letters/").json()["dead_letters"] == []
    served.receiver.behaviour = lambda _: Reply()
    requeue = f"/api/webhooks/{made}/deliveries/{dead['id']}/requeue"
    assert served.provider.post(requeue).status_code == 202
    served.wait(lambda: not served.provider.get("/api/webhooks/dead-letters/").json()["dead_letters"])
    served.wait(lambda: len(served.receiver.received) == 5)
    assert served.wait(lambda: served.provider.post(requeue).status_code == 409)


def test_a_rotated_secret_signs_beside_the_old_one(served: Served) -> None:
    made = register(served.provider, webhook_url=served.receiver.url).json()["webhook"]
    rotated = served.provider.post(f"/api/webhooks/{made['id']}/secret", json={"overlap_s": 60}).json()
    served.provider.post(f"/api/webhooks/{made['id']}/ping")
    served.wait(lambda: served.receiver.received)
    got = served.receiver.received[0]
    for secret in (made["signing_secret"], rotated["signing_secret"]):
        Webhook(secret).verify(got.body, got.headers)


def test_pages_go_on_where_the_last_ended(served: Served) -> None:
    for number in range(5):
        register(served.provider, webhook_url=f"https://public.example.com/{number}")
    seen, after = [], ""
    while True:
        page = served.provider.get("/api/webhooks/", params={"count": 2, "after": after}).json()
        seen += [webhook["webhook_url"][-1] for webhook in page["webhooks"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert seen == ["0", "1", "2", "3", "4"]
