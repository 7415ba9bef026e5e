"""The guide's "future enhancement": OAuth 2.0 bearer tokens on the documented routes, bound to a facility, over HTTP.

And the way of today, a facility code that is enough, which is a setting: on in dev, off in serve.
"""

import time
from typing import Any

import pytest
from joserfc import jwt

from kiungo.kernel import json
from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.clients import create_client, revoke_client
from kiungo.kernel.config import Settings
from tests.domains.vems.cases import FR_CODE, body
from tests.domains.vems.conftest import Running, Start
from tests.domains.vems.test_booking_api import book

SCOPES = ("read:services", "read:bookings", "write:bookings")
ELSEWHERE = "FID-1"
BASES = ("/hmis/v1", "/api/v1")


@pytest.fixture
def closed(start: Start) -> Running:
    """A site as `serve` runs it: a facility code opens nothing."""
    return start(opened=False)


def client(site: Running, *scopes: str, facility: str | None = FR_CODE) -> tuple[str, str]:
    bindings = {"facility": facility} if facility else None
    made, secret = site.front.database.write(
        lambda unit: create_client(unit, system_call(1), name="HMIS", scopes=scopes or SCOPES, bindings=bindings)
    )
    assert secret is not None
    return made.id, secret


def token(site: Running, credentials: tuple[str, str], **form: str) -> dict[str, str]:
    answer = site.client.post("/oauth2/token", data={"grant_type": "client_credentials", **form}, auth=credentials)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def services(site: Running, headers: dict[str, str], base: str = "/hmis/v1") -> Any:
    return site.client.get(f"{base}/services", params={"fr_code": FR_CODE}, headers=headers)


@pytest.mark.parametrize("base", BASES)
def test_a_token_of_the_facility_books_and_reads(closed: Running, base: str) -> None:
    own = token(closed, client(closed))
    assert services(closed, own, base).status_code == 200
    booked = book(closed, base=base, headers=own)
    assert booked.status_code == 200, booked.text
    assert json.loads(booked.content)["totalAmount"] == 31_000
    number = booked.json()["bookingNo"]
    assert closed.client.get(f"{base}/bookings/{number}", headers=own).status_code == 200
    assert closed.client.post(f"/vems/v1/bookings/{number}/confirm", headers=own).status_code == 200


@pytest.mark.parametrize("base", BASES)
def test_a_token_of_another_facility_is_refused_and_sees_nothing(closed: Running, base: str) -> None:
    number = book(closed, headers=token(closed, client(closed))).json()["bookingNo"]
    other = token(closed, client(closed, facility=ELSEWHERE))
    refused = book(closed, body(claimID="theirs"), base=base, headers=other)
    assert (refused.status_code, set(refused.json())) == (403, {"success", "message", "error"})
    assert closed.client.get(f"{base}/bookings/{number}", headers=other).status_code == 404
    for step in ("confirm", "cancel"):
        path = f"/vems/v1/bookings/{number}/{step}"
        assert closed.client.post(path, json={"reason": "x"}, headers=other).status_code == 404
    assert closed.client.get(f"/vems/v1/bookings/{number}/trail", headers=other).status_code == 404
    assert closed.heard.topics == ["booking.created"]


@pytest.mark.parametrize("base", BASES)
def test_a_scope_that_is_missing_or_was_not_asked_for_is_missed(closed: Running, base: str) -> None:
    reader = token(closed, client(closed, "read:services", "read:bookings"))
    narrowed = token(closed, client(closed), scope="read:bookings")
    assert services(closed, reader, base).status_code == 200
    assert services(closed, narrowed, base).status_code == 403
    for headers in (reader, narrowed):
        refused = book(closed, base=base, headers=headers)
        assert refused.status_code == 403
        assert "write:bookings" in refused.text
    assert closed.heard.topics == []


def test_an_expired_forged_or_revoked_token_is_401_in_the_guides_shape(closed: Running) -> None:
    credentials = client(closed)
    keys, now = closed.front.tokens.keys, int(time.time())
    claims = {
        "iss": "http://kiungo.test", "aud": "http://kiungo.test", "sub": credentials[0], "client_id": credentials[0],
        "tn": 1, "scope": " ".join(SCOPES), "iat": now - 900, "iat_us": (now - 900) * 1_000_000, "exp": now + 60,
        "jti": "x",
    }  # fmt: skip

    def bearer(**changes: Any) -> dict[str, str]:
        header = {"alg": "ES256", "kid": keys.primary, "typ": "at+jwt"}
        return {"Authorization": f"Bearer {jwt.encode(header, {**claims, **changes}, keys.keys[keys.primary])}"}

    wrong = [bearer(exp=now - 1), bearer(aud="http://other.test"), {"Authorization": "Bearer x"}, {}]
    closed.front.database.write(lambda unit: revoke_client(unit, system_call(1), credentials[0]))
    for headers in [*wrong, bearer(iat_us=now * 1_000_000)]:
        for answer in (services(closed, headers), book(closed, headers=headers)):
            assert answer.status_code == 401, answer.text
            assert set(answer.json()) == {"success", "message", "error"}
            assert "bearer" in answer.headers["www-authenticate"].lower()
    assert closed.heard.topics == []


def test_an_expired_token_and_nothing_else_is_wrong_with_it(closed: Running) -> None:
    """The same token before and after its time: what changes the answer is the time."""
    credentials = client(closed)
    keys, now = closed.front.tokens.keys, int(time.time())
    for expires, status in ((now + 60, 200), (now - 1, 401)):
        claims = {
            "iss": "http://kiungo.test", "aud": "http://kiungo.test", "sub": credentials[0],
            "client_id": credentials[0], "tn": 1, "scope": " ".join(SCOPES), "iat": now,
            "iat_us": now * 1_000_000 + 999_999, "exp": expires, "jti": f"j{expires}",
        }  # fmt: skip
        made = jwt.encode({"alg": "ES256", "kid": keys.primary, "typ": "at+jwt"}, claims, keys.keys[keys.primary])
        assert services(closed, {"Authorization": f"Bearer {made}"}).status_code == status


def test_a_client_without_a_binding_books_for_any_facility(closed: Running) -> None:
    assert book(closed, headers=token(closed, client(closed, facility=None))).status_code == 200


def test_a_facility_code_is_enough_only_where_the_setting_says_so(start: Start) -> None:
    opened = start(opened=True)
    assert services(opened, {}).status_code == 200
    assert book(opened).status_code == 200
    # A credential that is given must be right: an open door is not a way around its binding.
    other = token(opened, client(opened, facility=ELSEWHERE))
    assert book(opened, body(claimID="theirs"), headers=other).status_code == 403
    assert book(opened, headers={"Authorization": "Bearer x"}).status_code == 401


@pytest.mark.parametrize(
    ("mode", "setting", "opens"),
    [("dev", None, True), ("demo", None, True), ("serve", None, False), ("serve", True, True), ("dev", False, False)],
)
def test_the_setting_is_on_in_dev_and_off_in_serve(mode: str, setting: bool | None, opens: bool) -> None:
    assert Settings.model_construct(mode=mode, open_booking=setting).opens_booking is opens
