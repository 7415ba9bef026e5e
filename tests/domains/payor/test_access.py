"""Who sees which claims over HTTP: nobody unnamed lists, a foreign binding sees nothing, staff work is for staff."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kiungo.base.errors import Forbidden
from kiungo.domains.payor import access
from kiungo.kernel.auth import Call, system_call
from kiungo.kernel.auth.keys import create_key
from kiungo.kernel.auth.principal import anonymous
from kiungo.kernel.database.migrate import migrate
from kiungo.kernel.secrets import new_key
from tests.domains.payor.conftest import GUIDE, person
from tests.domains.payor.serving import Served, served

PROVIDER = "provider PROV-001"
ALL = ("read:claims", "write:claims", "review:claims", "pay:claims", "admin:plans")


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Served]:
    with served(database_url, tmp_path / "data") as running:
        yield running


def bound(site: Served, **bindings: str) -> str:
    return site.system.database.write(
        lambda unit: create_key(unit, system_call(1), name="bound", scopes=ALL, bindings=bindings)
    )[1]


def test_nobody_lists_without_saying_who_they_are(site: Served) -> None:
    claim_id = site.post("/api/claims/", GUIDE).json()["claim"]["claim_id"]
    assert site.get("/api/claims/").status_code == 401
    assert site.get("/api/claims/", X_API_Key="null", X_Provider_ID="null").status_code == 401
    assert site.get("/api/claims/", X_Provider_ID="PROV-001").json()["count"] == 1
    assert site.get("/api/claims/", X_Provider_ID="PROV-002").json()["count"] == 0
    assert site.get(f"/api/claims/{claim_id}/", X_API_Key="null").status_code == 200
    assert site.get(f"/api/claims/{claim_id}/", X_Provider_ID="PROV-002").status_code == 404
    assert site.get(f"/api/claims/{claim_id}/explanation", X_Provider_ID="PROV-002").status_code == 404


def test_a_key_with_another_providers_header_reads_nothing(site: Served) -> None:
    claim_id = site.post("/api/claims/", GUIDE).json()["claim"]["claim_id"]
    key = bound(site, provider="PROV-001")
    for path in ("/api/claims/", f"/api/claims/{claim_id}/", f"/api/claims/{claim_id}/explanation"):
        refused = site.get(path, X_API_Key=key, X_Provider_ID="PROV-002")
        assert (refused.status_code, refused.json()["error_code"]) == (403, "PROVIDER_DIFFERS"), path
        assert site.get(path, X_API_Key=key, X_Provider_ID="PROV-001").status_code == 200
        assert site.get(path, X_API_Key=key).status_code == 200


def test_open_submission_in_service_opens_no_reading(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signing = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    monkeypatch.setenv("KIUNGO_SIGNING_KEY", signing.decode())
    monkeypatch.setenv("KIUNGO_SECRETS_KEY", new_key())
    migrate(database_url)
    with served(database_url, tmp_path / "data", mode="serve", open_submission=True) as running:
        sent = running.post("/api/claims/", {**GUIDE, "insurance_id": "NOBODY"})
        assert (sent.status_code, sent.json()["error_code"]) == (404, "INSURANCE_NOT_FOUND")
        for path in ("/api/claims/", "/api/claims/CLM-20240101-AAAAAA/", "/api/claims/CLM-20240101-AAAAAA/explanation"):
            assert running.get(path, X_Provider_ID="PROV-001").status_code == 401


def test_replacing_and_answering_need_a_credential(site: Served) -> None:
    first = site.post("/api/claims/", GUIDE).json()["claim"]["claim_id"]
    again = {**GUIDE, "amount": "1200.00", "replaces": first}
    assert site.post("/api/claims/", again).status_code == 401
    assert site.get(f"/api/claims/{first}/").json()["claim"]["void"] is False
    assert site.post("/api/claims/", again, key=PROVIDER).status_code == 201
    assert site.post(f"/api/claims/{first}/information", {"text": "x"}).status_code == 401


def test_a_credential_bound_to_something_else_sees_and_sends_nothing(site: Served) -> None:
    claim_id = site.post("/api/claims/", GUIDE).json()["claim"]["claim_id"]
    facility = bound(site, facility="FID-1")
    assert site.get("/api/claims/", key=facility).json()["count"] == 0
    assert site.get(f"/api/claims/{claim_id}/", key=facility).status_code == 404
    assert site.get(f"/api/claims/{claim_id}/", key=facility, X_Provider_ID="PROV-001").status_code == 404
    assert site.post(f"/api/claims/{claim_id}/information", {"text": "x"}, key=facility).status_code == 404
    assert site.post("/api/claims/", {**GUIDE, "amount": "9.00"}, key=facility).status_code == 403


@pytest.mark.parametrize("binding", [{"provider": "PROV-001"}, {"facility": "FID-1"}])
def test_staff_routes_refuse_a_bound_credential_whatever_its_scopes(site: Served, binding: dict[str, str]) -> None:
    key = bound(site, **binding)
    for path in ("/api/review/claims", "/api/payments/runs/RUN-1", "/api/admin/plans", "/api/admin/members"):
        assert site.get(path, key=key).status_code == 403, path
    body = {**GUIDE, "diagnosis_code": "Z51.12", "procedure_code": "15776", "amount": "5000.00"}
    claim_id = site.post("/api/claims/", body).json()["claim"]["claim_id"]
    for verb, sent in (
        ("approve", {}),
        ("reject", {"reason": "x"}),
        ("void", {"reason": "x"}),
        ("assign", {"to": "a"}),
    ):
        assert site.post(f"/api/review/claims/{claim_id}/{verb}", sent, key=key).status_code == 403, verb
    assert site.get(f"/api/claims/{claim_id}/").json()["status"] == "under_review"
    assert site.post("/api/payments/runs", {}, key=key).status_code == 403
    assert site.get("/api/admin/reference/fees", key=key).status_code == 403


def test_another_providers_claim_looks_unknown_in_every_state(site: Served) -> None:
    claim_id = site.post("/api/claims/", GUIDE, key=PROVIDER).json()["claim"]["claim_id"]
    other = site.key("other", scopes=("write:claims",), provider="PROV-002")
    answers = [
        site.post(f"/api/claims/{one}/information", {"text": "x"}, key=other).json()
        for one in (claim_id, "CLM-20200101-AAAAAA")
    ]
    assert [answer["error_code"] for answer in answers] == ["CLAIM_NOT_FOUND"] * 2
    assert site.post(f"/api/claims/{claim_id}/information", {"text": "x"}, key=PROVIDER).status_code == 409


def test_the_rules_of_seeing_in_one_table() -> None:
    nobody = Call(anonymous(1, ("read:claims",)), "r", "o")
    table = [
        (person("staff"), None, None, True),
        (person("p", provider="P1"), None, "P1", True),
        (person("p", provider="P2"), "P2", "P2", False),
        (nobody, None, access.NOBODY, True),
        (nobody, "P1", "P1", True),
        (nobody, "P2", "P2", False),
    ]
    for call, named, only, seen in table:
        assert (access.only_provider(call, named), access.sees(call, "P1", named)) == (only, seen)
    with pytest.raises(Forbidden):
        access.sees(person("p", provider="P2"), "P1", "P1")
