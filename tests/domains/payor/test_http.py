"""The claims API over real HTTP, with the guide's statuses, bodies and manners."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.domains.payor.conftest import GUIDE
from tests.domains.payor.serving import Served, served

PROVIDER = "provider PROV-001"


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Served]:
    with served(database_url, tmp_path / "data") as running:
        yield running


def test_a_claim_with_and_without_the_slash(site: Served) -> None:
    for path in ("/api/claims/", "/api/claims"):
        body = {**GUIDE, "provider_claim_id": path}
        answer = site.post(path, body)
        assert answer.status_code == 201
        claim_id = answer.json()["claim"]["claim_id"]
        for shown in (site.get(f"/api/claims/{claim_id}/"), site.get(f"/api/claims/{claim_id}")):
            assert shown.status_code == 200
            assert shown.json()["success"] is True
            assert shown.json()["claim"]["claim_id"] == claim_id
            assert shown.json()["status"] == shown.json()["claim"]["status"]
        site.post(f"/api/review/claims/{claim_id}/void", {"reason": "test"}, key="reviewer")


def test_the_empty_headers_of_the_guides_client_count_as_absent(site: Served) -> None:
    answer = site.post("/api/claims/", GUIDE, X_API_Key="null", X_Provider_ID="null")
    assert answer.status_code == 201
    claim_id = answer.json()["claim"]["claim_id"]
    assert site.get(f"/api/claims/{claim_id}/", X_API_Key="null", X_Provider_ID="null").status_code == 200
    assert site.get(f"/api/claims/{claim_id}/", X_Provider_ID="PROV-001").status_code == 200
    assert site.get(f"/api/claims/{claim_id}/", X_Provider_ID="PROV-002").status_code == 404


def test_refusals_have_the_guides_shape(site: Served) -> None:
    unknown = site.post("/api/claims/", {**GUIDE, "insurance_id": "INVALID-123"})
    assert unknown.status_code == 404
    assert unknown.json()["error_code"] == "INSURANCE_NOT_FOUND"
    for body in (b"{", b"[]", b"nonsense", b'{"amount": NaN}', b'{"patient_name":"\\ud800"}', b"\xff\xfe"):
        answer = site.client.post("/api/claims/", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400, body
        assert list(answer.json()) == ["error", "error_code", "claim_id", "suggestions"]
        assert answer.json()["claim_id"] is None
    deep = b'{"notes":' + b"[" * 500 + b"]" * 500 + b"}"
    assert site.client.post("/api/claims/", content=deep).status_code == 400
    assert site.client.post("/api/claims/", content=b"x" * 10_000_000).status_code == 413
    assert site.get("/api/claims/CLM-20240101-AAAAAA/").json() == {
        "error": "Claim CLM-20240101-AAAAAA not found",
        "error_code": "CLAIM_NOT_FOUND",
        "claim_id": None,
        "suggestions": ["Check the claim id, and that the key belongs to the provider who sent it"],
    }
    assert site.system.database.read(lambda unit: unit.value("SELECT COUNT(*) FROM payor_claim")) == 0


def test_unicode_names_come_back_as_they_were(site: Served) -> None:
    name = "Wanjikũ wa Ngũgĩ 李 🏥"
    answer = site.post("/api/claims/", {**GUIDE, "patient_name": name})
    assert answer.json()["claim"]["patient_name"] == name


def test_a_provider_sees_only_its_own_claims(site: Served) -> None:
    other = site.key("other", scopes=("read:claims", "write:claims"), provider="PROV-002")
    mine = site.post("/api/claims/", GUIDE, key=PROVIDER).json()["claim"]["claim_id"]
    assert site.get(f"/api/claims/{mine}/", key=PROVIDER).status_code == 200
    assert site.get(f"/api/claims/{mine}/", key=other).status_code == 404
    assert site.get(f"/api/claims/{mine}/explanation", key=other).status_code == 404
    assert site.get("/api/claims/", key=other).json()["count"] == 0
    assert site.get("/api/claims/?provider_id=PROV-001", key=other).json()["count"] == 0
    assert site.post("/api/claims/", GUIDE, key=other).status_code == 403
    assert site.get("/api/claims/", key=PROVIDER).json()["count"] == 1
    assert site.get("/api/review/claims", key=other).status_code == 403
    assert site.get(f"/api/claims/{mine}/", key="kiu_wrong").status_code == 401


def test_lists_are_filtered_and_paged(site: Served) -> None:
    ids = []
    for number in range(5):
        fields = {"amount": f"{100 * (number + 1)}.00", "provider_claim_id": f"HOSP-{number}"}
        ids.append(site.post("/api/claims/", {**GUIDE, **fields}).json()["claim"]["claim_id"])
    first = site.get("/api/claims/?limit=2", key=PROVIDER).json()
    second = site.get(f"/api/claims/?limit=2&cursor={first['next']}", key=PROVIDER).json()
    third = site.get(f"/api/claims/?limit=2&cursor={second['next']}", key=PROVIDER).json()
    found = [claim["claim_id"] for page in (first, second, third) for claim in page["claims"]]
    assert found == ids[::-1]
    assert third["next"] is None
    by_number = site.get("/api/claims/?provider_claim_id=HOSP-3", key=PROVIDER).json()["claims"]
    assert [claim["claim_id"] for claim in by_number] == [ids[3]]
    assert site.get("/api/claims/?status=rejected", key=PROVIDER).json()["count"] == 0
    for query in ("statsu=approved", "limit=0", "status=open", "cursor=x", "void=maybe", "limit=5&limit=6"):
        assert site.get(f"/api/claims/?{query}", key=PROVIDER).status_code == 400, query
    assert "did you mean status?" in site.get("/api/claims/?statsu=approved", key=PROVIDER).json()["error"]


def test_an_idempotency_key_replays_and_refuses_another_body(site: Served) -> None:
    first = site.post("/api/claims/", GUIDE, Idempotency_Key="k-1")
    again = site.post("/api/claims/", GUIDE, Idempotency_Key="k-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"
    assert site.post("/api/claims/", {**GUIDE, "amount": "1.00"}, Idempotency_Key="k-1").status_code == 422


@pytest.mark.parametrize("key", ["k-2", None])
def test_eight_parallel_submissions_make_one_claim(site: Served, key: str | None) -> None:
    headers = {"Idempotency_Key": key} if key else {}

    def send(_number: int) -> tuple[int, str]:
        answer = site.post("/api/claims/", GUIDE, **headers)
        return answer.status_code, answer.json()["claim"]["claim_id"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert len({claim_id for _, claim_id in answers}) == 1
    assert sorted({status for status, _ in answers}) == ([201] if key else [200, 201])
    assert sum(status == 201 for status, _ in answers) == (8 if key else 1)
    assert site.system.database.read(lambda unit: unit.value("SELECT COUNT(*) FROM payor_claim")) == 1


def test_a_family_never_passes_its_cap_in_parallel(site: Served) -> None:
    """The family's deductible of 1000.00 is met exactly by eight claims of three members at once."""
    members = ("BC-200-001", "BC-200-002", "BC-200-003")

    def send(number: int) -> dict:
        body = {
            "patient_name": "A",
            "insurance_id": members[number % 3],
            "diagnosis_code": "I10",
            "procedure_code": "76700",
            "amount": "190.00",
            "provider_claim_id": f"P-{number}",
            "modifiers": ["76"],
        }
        return site.post("/api/claims/", body).json()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert {answer["status"] for answer in answers} == {"approved"}
    used = site.system.database.read(
        lambda unit: dict(
            unit.rows(
                "SELECT member_id, used FROM payor_accumulator"
                " WHERE family_id = 'FAM-200' AND bucket = 'deductible:FAMILY-PLUS'"
            )
        )
    )
    assert used[""] == 100_000
    assert sum(amount for member, amount in used.items() if member) == 100_000
    assert all(amount <= 50_000 for member, amount in used.items() if member)


def test_the_desk_over_http(site: Served) -> None:
    body = {**GUIDE, "diagnosis_code": "Z51.12", "procedure_code": "15776", "amount": "5000.00"}
    claim_id = site.post("/api/claims/", body).json()["claim"]["claim_id"]
    waiting = site.get("/api/review/claims", key="reviewer").json()
    assert waiting["count"] == 1
    assert waiting["claims"][0]["questions"][0]["what_resolves_it"]
    path = f"/api/review/claims/{claim_id}"
    assert site.post(f"{path}/assign", {"to": "ann"}, key="reviewer").status_code == 200
    assert site.get("/api/review/claims?assigned_to=ann", key="reviewer").json()["count"] == 1
    assert site.post(f"{path}/approve", {"allowed_total": "3000.005"}, key="reviewer").status_code == 400
    assert site.post(f"{path}/approve", {"allowed_totl": "1"}, key="reviewer").status_code in (400, 422)
    twice = {"lines": [{"line": 1, "allowed": "3000.00"}, {"line": 1, "allowed": "1.00"}]}
    refused = site.post(f"{path}/approve", twice, key="reviewer")
    assert (refused.status_code, "lines[1].line" in refused.text) == (400, True)
    approved = site.post(f"{path}/approve", {"lines": [{"line": 1, "allowed": "3000.00"}]}, key="reviewer")
    assert approved.status_code == 200
    assert approved.json()["claim"]["expected_payment"] == 2400.0
    assert b'"expected_payment":2400.00' in approved.content
    why = site.get(f"/api/claims/{claim_id}/explanation").json()
    assert (why["balanced"], why["adjustments"]) == (True, 2000.0)
    assert site.post(f"{path}/approve", {}, key="reviewer").status_code == 409
    run = site.post("/api/payments/runs", {"method": "EFT"}, key="cashier")
    assert run.status_code == 201
    assert run.json()["payments"][0]["amount"] == 2400.0
    assert site.get(f"/api/payments/runs/{run.json()['run_id']}", key="cashier").json()["payments"]
    assert site.post("/api/payments/runs", {}, key="cashier").status_code == 409
    assert site.get("/api/payments/runs/RUN-0", key="cashier").status_code == 404
    assert site.post("/api/payments/runs", {}, key="reviewer").status_code == 403


def test_every_read_of_a_claim_is_audited_with_its_person(site: Served) -> None:
    claim_id = site.post("/api/claims/", GUIDE).json()["claim"]["claim_id"]
    site.get(f"/api/claims/{claim_id}/", key=PROVIDER)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        rows = site.system.database.read(
            lambda unit: unit.rows("SELECT action, person, detail FROM audit WHERE record_id = ?", (claim_id,))
        )
        if "read" in {row[0] for row in rows}:
            break
        time.sleep(0.05)
    assert {row[0] for row in rows} >= {"submit", "read"}
    assert all(row[1] for row in rows)


def test_a_refused_submission_leaves_one_audit_row_without_names(site: Served) -> None:
    site.post("/api/claims/", {**GUIDE, "insurance_id": "INVALID-123", "patient_name": "Secret Name"})
    deadline = time.monotonic() + 5
    rows: list = []
    while not rows and time.monotonic() < deadline:
        rows = site.system.database.read(lambda unit: unit.rows("SELECT * FROM audit WHERE outcome = 'refused'"))
        time.sleep(0.05)
    assert len(rows) == 1
    assert "INSURANCE_NOT_FOUND" in rows[0]
    assert "Secret" not in json.dumps(rows, default=str)
    assert "INVALID-123" not in json.dumps(rows, default=str)


def test_a_member_twice_is_refused_on_every_kind_of_route(site: Served) -> None:
    """Who reads the first and who reads the last of two amounts would not mean the same claim."""
    twice = json.dumps(GUIDE)[:-1] + ', "amount": "1.00"}'
    approval = '{"allowed_total": "1.00", "allowed_total": "900.00"}'
    for path, key, text in (
        ("/api/claims/", PROVIDER, twice),
        ("/api/review/claims/CLM-1/approve", "reviewer", approval),
    ):
        headers = {"x-api-key": site.keys[key], "content-type": "application/json"}
        answer = site.client.post(path, content=text, headers=headers)
        assert (answer.status_code, "JSON_MEMBER_TWICE" in answer.text) == (400, True), answer.text
    assert site.get("/api/claims/", key=PROVIDER).json()["claims"] == []


def test_submission_is_closed_when_the_setting_says_so(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path / "data", open_submission=False) as closed:
        assert closed.post("/api/claims/", GUIDE).status_code == 401
        assert closed.post("/api/claims/", GUIDE, key=PROVIDER).status_code == 201


def test_a_repeat_whose_claim_is_void_by_now_gets_the_first_answer(site: Served) -> None:
    """The first answer voided what it replaces, so its repeat could not be prepared again."""
    old = site.post("/api/claims/", GUIDE, key=PROVIDER).json()["claim"]["claim_id"]
    body = {**GUIDE, "amount": "1300.00", "replaces": old}
    first = site.post("/api/claims/", body, key=PROVIDER, Idempotency_Key="r-1")
    assert first.status_code == 201
    new = first.json()["claim"]["claim_id"]
    site.post(f"/api/review/claims/{new}/void", {"reason": "test"}, key="reviewer")
    again = site.post("/api/claims/", body, key=PROVIDER, Idempotency_Key="r-1")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert site.post("/api/claims/", body, key=PROVIDER, Idempotency_Key="r-2").status_code == 400
    assert site.post("/api/claims/", body, key=PROVIDER).status_code == 400
    other = {**body, "amount": "1.00"}
    assert site.post("/api/claims/", other, key=PROVIDER, Idempotency_Key="r-1").status_code == 422


def test_a_claim_is_sent_again_only_when_it_changed(site: Served) -> None:
    body = {**GUIDE, "diagnosis_code": "Z51.12", "procedure_code": "15776", "amount": "5000.00"}
    claim_id = site.post("/api/claims/", body).json()["claim"]["claim_id"]
    path, desk = f"/api/claims/{claim_id}/", f"/api/review/claims/{claim_id}"
    shown = site.get(path, key=PROVIDER)
    tag = shown.headers["etag"]
    same = site.get(path, key=PROVIDER, If_None_Match=tag)
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    other = site.key("other", scopes=("read:claims",), provider="PROV-002")
    assert site.get(path, key=other, If_None_Match=tag).status_code == 404
    steps = (
        ("assign", {"to": "ann"}),
        ("request-information", {"question": "Which scar?"}),
        ("approve", {}),
        ("reopen", {"reason": "again"}),
        ("void", {"reason": "gone"}),
    )
    for verb, sent in steps:
        acted = site.post(f"{desk}/{verb}", sent, key="reviewer")
        assert acted.status_code == 200, verb
        changed = site.get(path, key=PROVIDER, If_None_Match=tag)
        assert (changed.status_code, changed.headers["etag"]) == (200, acted.headers["etag"]), verb
        tag = changed.headers["etag"]


def test_a_decision_about_an_older_version_is_refused(site: Served) -> None:
    body = {**GUIDE, "diagnosis_code": "Z51.12", "procedure_code": "15776", "amount": "5000.00"}
    claim_id = site.post("/api/claims/", body).json()["claim"]["claim_id"]
    desk = f"/api/review/claims/{claim_id}"
    version = site.get("/api/review/claims", key="reviewer").json()["claims"][0]["version"]
    site.post(f"{desk}/request-information", {"question": "Which scar?"}, key="reviewer")
    late = [
        site.post(f"{desk}/approve", {"version": version}, key="reviewer"),
        site.post(f"{desk}/approve", {}, key="reviewer", If_Match=f'W/"{version}"'),
        site.post(f"{desk}/approve", {}, key="reviewer", If_Match='W/"x"'),
        site.post(f"{desk}/reject", {"reason": "x", "version": version}, key="reviewer"),
    ]
    assert [answer.status_code for answer in late] == [409] * 4
    assert all("CLAIM_CHANGED" in answer.text for answer in late)
    tag = site.get(f"/api/claims/{claim_id}/", key="reviewer").headers["etag"]
    assert site.post(f"{desk}/approve", {}, key="reviewer", If_Match=tag).status_code == 200


def test_a_provider_reads_decisions_and_reasons_but_nobodys_name(site: Served) -> None:
    body = {**GUIDE, "diagnosis_code": "Z51.12", "procedure_code": "15776", "amount": "20000.00"}
    claim_id = site.post("/api/claims/", body).json()["claim"]["claim_id"]
    desk = f"/api/review/claims/{claim_id}"
    colleague = site.key("Colleague Ben", scopes=("review:claims",))
    site.post(f"{desk}/assign", {"to": "assignee-7"}, key="reviewer")
    site.post(f"{desk}/approve", {"note": "between us"}, key="reviewer")
    site.post(f"{desk}/approve", {"note": "Covered"}, key=colleague)
    path = f"/api/claims/{claim_id}/explanation"
    for told in (site.get(path, key=PROVIDER), site.get(path), site.get(path, key="cashier")):
        assert [(step["action"], step["by"], step["note"]) for step in told.json()["history"]] == [
            ("approve", None, "Covered")
        ]
        assert not [word for word in ("assignee-7", "Colleague", "between us") if word in told.text]
    whole = [step["action"] for step in site.get(path, key="reviewer").json()["history"]]
    assert whole == ["assign", "first_approval", "approve"]
    assert "Colleague Ben" in site.get(path, key="reviewer").text
