"""API keys over real HTTP: right, wrong, revoked, expired, rotated, bound, limited."""

import time
from collections.abc import Callable

import httpx
import pytest
from tests.kernel.http.conftest import Running

from kiungo.base.errors import Conflict, Forbidden, Incorrect
from kiungo.kernel.auth import Call, Principal, system_call
from kiungo.kernel.auth.authenticator import UNHEARD_S
from kiungo.kernel.auth.keys import create_key, get_key, hash_of, list_keys, revoke_key, rotate_key
from kiungo.kernel.auth.sessions import COOKIE, open_session
from kiungo.kernel.database import Database, open_database

SYSTEM = system_call(1)
HOUR_US = 3_600_000_000
Start = Callable[..., Running]


def get(running: Running, key: str | None, **headers: str) -> httpx.Response:
    given = {**({} if key is None else {"X-API-Key": key}), **headers}
    return running.client.get("/api/notes/n-1/", headers=given)


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error_code"])


def failures(database: Database) -> list[tuple[object, ...]]:
    return database.read(
        lambda unit: unit.rows(
            "SELECT principal_id, record_id, origin, detail FROM audit WHERE action = 'authenticate'"
        )
    )


def test_a_key_opens_what_its_scopes_say(served: Running) -> None:
    key = served.key("read:notes")
    assert key.startswith("kgo_")
    assert get(served, key).status_code == 200
    assert get(served, None, Authorization=f"Bearer {key}").status_code == 200
    refused = served.client.post("/api/notes/", json={"name": "x"}, headers={"X-API-Key": key})
    assert (refused.status_code, code(refused)) == (403, "SCOPE_MISSING")


def test_only_the_hash_is_stored(served: Running, database: Database) -> None:
    key = served.key("read:notes")
    row = database.read(lambda unit: unit.row("SELECT prefix, hash FROM api_key"))
    assert row == (key[:12], hash_of(key.encode()))


def test_a_wrong_key_opens_nothing_and_is_audited(start: Start, database: Database) -> None:
    running = start(open_submission=False)
    answers = [get(running, key) for key in ("kgo_wrong", "x", "null", "undefined", "kgo_" + "a" * 400)]
    assert [answer.status_code for answer in answers] == [401] * 5
    assert [code(answer) for answer in answers] == ["KEY_WRONG"] * 4 + ["CREDENTIAL_MALFORMED"]
    assert answers[0].headers["www-authenticate"].startswith("Bearer")
    until = time.monotonic() + 5
    while len(failures(database)) < 5:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert failures(database) == [("anonymous", "", "127.0.0.1", code(answer)) for answer in answers]


def test_no_credential_or_two_are_refused(served: Running) -> None:
    key = served.key("read:notes")
    assert code(get(served, None)) == "CREDENTIAL_MISSING"
    assert code(get(served, key, Authorization=f"Bearer {key}")) == "CREDENTIAL_MALFORMED"
    assert code(get(served, None, Authorization="Basic eDp5")) == "CREDENTIAL_MALFORMED"
    assert code(get(served, None, Authorization="Bearer")) == "CREDENTIAL_MALFORMED"


def test_an_empty_key_counts_as_absent_only_with_open_submission(start: Start) -> None:
    closed, opened = start(open_submission=False), start(open_submission=True)
    allowed = start(open_submission=True, site={"open_scopes": {"read:notes"}})
    for empty in ("null", "undefined", ""):
        assert code(get(closed, empty)) in ("KEY_WRONG", "CREDENTIAL_MALFORMED")
        assert code(get(opened, empty)) == "CREDENTIAL_MISSING"
        assert get(allowed, empty).status_code == 200
    assert code(get(allowed, "kgo_wrong")) == "KEY_WRONG", "a wrong key is never taken for none"


def test_a_revoked_key_ends_at_once_although_it_was_remembered(served: Running, database: Database) -> None:
    key = served.key("read:notes")
    assert get(served, key).status_code == 200
    key_id = database.read(lambda unit: unit.value("SELECT id FROM api_key"))
    database.write(lambda unit: revoke_key(unit, SYSTEM, key_id))
    assert (get(served, key).status_code, code(get(served, key))) == (401, "KEY_REVOKED")
    database.write(lambda unit: revoke_key(unit, SYSTEM, key_id))
    actions = database.read(lambda unit: unit.rows("SELECT action FROM audit WHERE kind = 'api_key' ORDER BY seq"))
    assert actions == [("create",), ("revoke",)]


def test_another_process_forgets_a_revoked_key_too(start: Start, database: Database, database_url: str) -> None:
    """Two sites on one database are two processes as far as remembered credentials go."""
    first, second = start(), start()
    key = first.key("read:notes")
    assert get(second, key).status_code == 200
    key_id = database.read(lambda unit: unit.value("SELECT id FROM api_key"))
    database.write(lambda unit: revoke_key(unit, SYSTEM, key_id))
    assert get(second, key).status_code == 401


def test_a_key_revoked_by_another_program_ends_within_a_second(served: Running, database_url: str) -> None:
    key = served.key("read:notes")
    assert get(served, key).status_code == 200
    other = open_database(database_url)
    try:
        key_id = other.read(lambda unit: unit.value("SELECT id FROM api_key"))
        other.write(lambda unit: revoke_key(unit, SYSTEM, key_id))
    finally:
        other.close()
    time.sleep(UNHEARD_S)
    assert get(served, key).status_code == 401


def test_a_key_expires_on_the_moment(served: Running, database: Database) -> None:
    key = served.key("read:notes", expires_us=database.clock.now_us() + 600_000)
    assert get(served, key).status_code == 200
    time.sleep(0.7)
    assert (get(served, key).status_code, code(get(served, key))) == (401, "KEY_EXPIRED")


def test_rotation_overlaps_then_ends(served: Running, database: Database) -> None:
    old = served.key("read:notes", bindings={"provider": "n-1"})
    key_id = database.read(lambda unit: unit.value("SELECT id FROM api_key"))
    new_key, new = database.write(lambda unit: rotate_key(unit, SYSTEM, key_id, overlap_s=0.5))
    assert (new_key.replaces, new_key.bindings) == (key_id, {"provider": "n-1"})
    assert get(served, old).status_code == get(served, new).status_code == 200
    time.sleep(0.7)
    assert (get(served, old).status_code, get(served, new).status_code) == (401, 200)
    with pytest.raises(Conflict):
        database.write(lambda unit: rotate_key(unit, SYSTEM, key_id, overlap_s=60))


def test_a_bound_key_is_refused_where_an_answer_cannot_be_confined_to_its_owner(served: Running) -> None:
    free, provider = served.key("read:notes"), served.key("read:notes", bindings={"provider": "n-1"})
    till = served.key("read:notes", bindings={"till": "t", "provider": "n-1"})
    for path, key, status in (
        ("/api/staff", free, 200), ("/api/staff", provider, 403), ("/api/staff", till, 403),
        ("/api/shop", free, 200), ("/api/shop", provider, 403), ("/api/shop", till, 200),
        ("/api/admin/keys/", served.key("admin:access", bindings={"provider": "n-1"}), 403),
        ("/api/admin/keys/", served.key("admin:access"), 200),
    ):  # fmt: skip
        answer = served.client.get(path, headers={"X-API-Key": key})
        assert answer.status_code == status, (path, answer.text)
        assert status == 200 or answer.json()["error"]["code"] == "NOT_YOURS"


def test_a_bound_key_reaches_its_own_records_only(served: Running) -> None:
    key = served.key("read:notes", bindings={"provider": "n-1"})
    assert get(served, key).status_code == 200
    other = served.client.get("/api/notes/n-2/", headers={"X-API-Key": key})
    assert (other.status_code, code(other)) == (403, "NOT_YOURS")


def test_nobody_hands_on_more_than_they_hold(database: Database) -> None:
    scopes = frozenset({"admin:access", "read:claims"})
    holder = Call(Principal(1, "k", "api_key", "Clerk", scopes=scopes, bindings={"provider": "P-1"}), "r", "o")

    def give(**grant: object) -> object:
        return database.write(lambda unit: create_key(unit, holder, name="x", **grant))  # type: ignore[arg-type]

    for grant in (
        {"scopes": ["write:claims"], "bindings": {"provider": "P-1"}},
        {"scopes": ["*:*"], "bindings": {"provider": "P-1"}},
        {"roles": ["administrator"], "bindings": {"provider": "P-1"}},
        {"scopes": ["read:claims"]},
        {"scopes": ["read:claims"], "bindings": {"provider": "P-2"}},
    ):
        with pytest.raises(Forbidden):
            give(**grant)
    with pytest.raises(Incorrect, match="not a role"):
        give(roles=["king"], bindings={"provider": "P-1"})
    give(scopes=["read:claims"], bindings={"provider": "P-1", "facility": "F-1"})
    assert len(database.read(lambda unit: list_keys(unit, 1))) == 1


def test_a_sample_key_opens_the_same_key_again(database: Database) -> None:
    def seed() -> str:
        return database.write(
            lambda unit: create_key(unit, SYSTEM, name="Sample", scopes=["read:claims"], secret="your-provider-api-key")
        )[0].id

    assert seed() == seed()


def test_the_time_of_last_use_is_written_seldom(served: Running, database: Database) -> None:
    key = served.key("read:notes")
    key_id = database.read(lambda unit: unit.value("SELECT id FROM api_key"))
    get(served, key)
    until = time.monotonic() + 5
    while database.read(lambda unit: get_key(unit, 1, key_id)).last_used_us is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    first = database.read(lambda unit: get_key(unit, 1, key_id)).last_used_us
    served.front.authenticator.forget()
    get(served, key)
    time.sleep(0.1)
    assert database.read(lambda unit: get_key(unit, 1, key_id)).last_used_us == first


def test_a_principal_over_its_rate_waits(served: Running) -> None:
    key, other = served.key("read:notes", rate_per_minute=3), served.key("read:notes")
    assert [get(served, key).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = get(served, key)
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert get(served, other).status_code == 200


def test_an_address_without_a_valid_credential_is_limited(start: Start) -> None:
    running = start(rate_unauthenticated_per_minute=3)
    key = running.key("read:notes")
    statuses = [get(running, f"kgo_{number}").status_code for number in range(6)]
    assert statuses == [401, 401, 401, 429, 429, 429]
    open_statuses = running.client.get("/api/open").status_code
    assert open_statuses == 429
    assert get(running, key).status_code == 429, "an unknown key is not looked up for an address that fails too often"


def test_a_browser_session_works_and_other_sites_cannot_use_it(served: Running, database: Database) -> None:
    key = served.key("read:notes", "write:notes")
    value = database.write(lambda unit: open_session(unit, SYSTEM, key))
    cookie = {"Cookie": f"theme=dark; {COOKIE}={value}"}
    assert get(served, None, **cookie).status_code == 200
    host = f"127.0.0.1:{served.port}"

    def write(**headers: str) -> httpx.Response:
        return served.client.post("/api/notes/", json={"name": "x"}, headers={**cookie, **headers})

    assert code(write(Origin="https://evil.example")) == "CROSS_SITE"
    assert code(write(Origin="null")) == "CROSS_SITE"
    assert code(write()) == "CROSS_SITE"
    assert write(Origin=f"http://{host}").status_code == 201
    assert write(**{"Sec-Fetch-Site": "same-origin"}).status_code == 201
    key_id = database.read(lambda unit: unit.value("SELECT id FROM api_key"))
    database.write(lambda unit: revoke_key(unit, SYSTEM, key_id))
    assert code(get(served, None, **cookie)) == "CREDENTIAL_MISSING", "a session ends with its key"


class ChangesMeanwhile(int):
    """A limit during whose comparison a credential changes: the last moment before an answer is remembered."""

    forget: Callable[[], None]

    def __le__(self, other: int) -> bool:
        self.forget()
        return super().__le__(other)


def test_an_answer_read_before_a_change_is_never_remembered_after_it(served: Running) -> None:
    authenticator = served.front.authenticator
    limit = ChangesMeanwhile(authenticator._cache_max)
    limit.forget = authenticator.forget
    authenticator._cache_max = limit
    assert get(served, served.key("read:notes")).status_code == 200
    assert authenticator._remembered == {}


def test_the_admin_api_shows_a_secret_once(served: Running) -> None:
    admin = {"X-API-Key": served.key("*:*", "system/*.cruds")}
    wanted = {"name": "Ward 3", "scopes": ["read:notes"], "bindings": {"provider": "n-1"}}
    made = served.client.post("/api/admin/keys/", json=wanted, headers=admin)
    assert made.status_code == 201
    secret, key_id = made.json()["key"], made.json()["id"]
    assert get(served, secret).status_code == 200
    listed = served.client.get("/api/admin/keys/", headers=admin)
    assert secret not in listed.text
    assert made.json()["prefix"] in listed.text
    rotated = served.client.post(f"/api/admin/keys/{key_id}/rotate", json={"overlap_s": 0}, headers=admin)
    assert rotated.status_code == 201
    assert get(served, secret).status_code == 401
    new_id = rotated.json()["id"]
    assert served.client.post(f"/api/admin/keys/{new_id}/revoke", headers=admin).json()["revoked_at"]
    assert get(served, rotated.json()["key"]).status_code == 401
    assert served.client.get("/api/admin/keys/none", headers=admin).status_code == 404
    past = served.client.post("/api/admin/keys/", json={**wanted, "expires_at": "2020-01-01T00:00:00Z"}, headers=admin)
    assert past.status_code == 422
    roles = served.client.get("/api/admin/roles/", headers=admin).json()["roles"]
    assert "administrator" in [role["name"] for role in roles]
    plain = {"X-API-Key": served.key("read:notes")}
    assert served.client.get("/api/admin/keys/", headers=plain).status_code == 403
