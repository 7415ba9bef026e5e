"""What the pipeline stores: one audit entry a read or refusal, and its wait for jobs."""

from collections.abc import Callable

from tests.kernel.http.conftest import Running
from tests.kernel.http.test_pipeline import audit_rows, wait_for

from kiungo.kernel.database import Database

Start = Callable[..., Running]


def test_an_unexpected_error_tells_only_its_request_id(
    served: Running, logged: list[dict[str, object]], database: Database
) -> None:
    headers = {"X-API-Key": served.key("read:notes", "write:notes"), "X-Request-ID": "find-me"}
    for answer in (
        served.client.get("/api/notes/broken", headers=headers),
        served.client.post("/api/notes/", json={"name": "broken"}, headers=headers),
        served.client.get("/api/framework/things/13", headers=headers),
    ):
        assert answer.status_code == 500
        assert "John" not in answer.text
        assert answer.headers["x-request-id"] == "find-me"
    assert answer.json()["error"]["request_id"] == "find-me"
    wait_for(lambda: len([row for row in audit_rows(database) if row[3:] == ("failed", "UNEXPECTED")]) == 3)
    assert "broken" not in [row[2] for row in audit_rows(database)]
    wait_for(lambda: len(logged) >= 6)
    assert {line["event"] for line in logged} == {"request.failed", "request"}
    assert {line["request_id"] for line in logged} == {"find-me"}
    assert "John" not in str(logged)


BODIES = (
    (b"{", "JSON"),
    (b'{"name": "\\u0000"}', "NUL"),
    (b'{"name": "\\ud800"}', "surrogate"),
    (b'{"name": "\xff"}', "UTF-8"),
    (b"[" * 100_000, "nests"),
    (b'{"name": NaN}', ""),
)


def test_a_body_that_is_no_json_is_refused(served: Running, database: Database) -> None:
    headers = {"X-API-Key": served.key("write:notes"), "Content-Type": "application/json"}
    for path in ("/api/notes/", "/api/framework/things/"):
        for body, said in BODIES:
            answer = served.client.post(path, content=body, headers=headers)
            assert answer.status_code == 400, body[:20]
            assert said in answer.text
    wait_for(lambda: sum(row[3] == "refused" for row in audit_rows(database)) == 12)
    assert [row[:3] for row in audit_rows(database) if row[3] == "refused"][-1] == (
        "post",
        "route",
        "/api/framework/things/",
    )


def test_a_read_is_audited_with_its_person_and_request(served: Running, database: Database) -> None:
    key = served.key("read:notes")
    served.client.get("/api/notes/n-7/", headers={"X-API-Key": key, "X-Request-ID": "req-7"})
    wait_for(lambda: ("read", "note", "n-7", "success", None) in audit_rows(database))
    row = database.read(
        lambda unit: unit.row("SELECT person, request_id, origin, principal_kind FROM audit WHERE action = 'read'")
    )
    assert row == ("n-7", "req-7", "127.0.0.1", "api_key")


def test_a_strict_site_answers_after_the_audit_is_stored(start: Start, database: Database) -> None:
    running = start(audit_strict=True)
    for number in range(5):
        running.client.get(f"/api/notes/n-{number}/", headers={"X-API-Key": running.key("read:notes")})
        assert ("read", "note", f"n-{number}", "success", None) in audit_rows(database)


def test_readiness_says_when_jobs_wait_too_long(start: Start, database: Database) -> None:
    running = start(ready_job_lag_s_max=5)
    database.write(
        lambda unit: unit.execute(
            "INSERT INTO job (tn, kind, lane, args, state, run_at_us, created_us, attempts_max)"
            " VALUES (1, 'x', 'x', ?, 'ready', ?, ?, 1)",
            (b"{}", unit.now_us - 60_000_000, unit.now_us),
        )
    )
    answer = running.client.get("/readyz")
    assert answer.status_code == 503
    assert "due jobs wait 60 s" in answer.json()["checks"]["jobs"]
