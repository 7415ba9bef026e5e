"""OAuth2 client credentials, asked for by Authlib as an independent client, and by hand where it must fail."""

import base64
import hmac
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from tests.kernel.http.conftest import Running, settings_of

from kiungo.base.errors import Incorrect
from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.assertions import ASSERTION_TYPE, purge_assertions
from kiungo.kernel.auth.clients import create_client, revoke_client, revoke_tokens, rotate_client_secret
from kiungo.kernel.auth.signing import open_signing_keys, parse_signing_keys
from kiungo.kernel.database import Database

SYSTEM = system_call(1)
TOKEN_URL = "http://kiungo.test/oauth2/token"
Start = Callable[..., Running]
EC_KEY = ECKey.generate_key("P-256", {"kid": "ec-1"})
EC384_KEY = ECKey.generate_key("P-384", {"kid": "ec-2"})
RSA_KEY = RSAKey.generate_key(2048, {"kid": "rsa-1"})


def register(database: Database, **more: Any) -> tuple[str, str | None]:
    given = {"name": "Portal", "scopes": ["read:notes", "system/Patient.rs"], **more}
    client, secret = database.write(lambda unit: create_client(unit, SYSTEM, **given))
    return client.id, secret


def register_keys(database: Database, *keys: ECKey | RSAKey, **more: Any) -> str:
    return register(database, jwks={"keys": [key.as_dict(private=False) for key in keys]}, **more)[0]


def ask(running: Running, basic: tuple[str, str] | None = None, **form: str) -> httpx.Response:
    auth = httpx.BasicAuth(*basic) if basic else None
    return running.client.post(
        "/oauth2/token", data={"grant_type": "client_credentials", **form}, auth=auth or httpx.USE_CLIENT_DEFAULT
    )


def claims_of(client_id: str, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    claims = {"iss": client_id, "sub": client_id, "aud": TOKEN_URL, "exp": now + 200, "jti": str(uuid.uuid4())}
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


def assert_with(
    running: Running, key: Any, claims: dict[str, Any], alg: str = "ES256", **fields: str
) -> httpx.Response:
    kid = {"kid": key.kid} if key.kid else {}
    signed = jwt.encode({"alg": alg, **kid}, claims, key, algorithms=[alg])
    return ask(running, client_assertion_type=ASSERTION_TYPE, client_assertion=signed, **fields)


def confused(claims: dict[str, Any]) -> str:
    """The classic attack: HMAC with the public key's own text as the secret."""
    parts = [{"alg": "HS256", "kid": EC_KEY.kid}, claims]
    signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    mac = hmac.digest(EC_KEY.as_pem(private=False), signed, "sha256")
    return (signed + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


def read_note(running: Running, token: str) -> httpx.Response:
    return running.client.get("/api/notes/n-1/", headers={"Authorization": f"Bearer {token}"})


def test_authlib_gets_a_token_with_a_secret_and_uses_it(served: Running, database: Database) -> None:
    client_id, secret = register(database, bindings={"provider": "n-1"})
    with OAuth2Client(
        client_id, secret, token_endpoint_auth_method="client_secret_basic", scope="read:notes"
    ) as client:
        token = client.fetch_token(served.url + "/oauth2/token", grant_type="client_credentials")
        assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 900, "read:notes")
        assert client.get(served.url + "/api/notes/n-1/").json()["who"] == "Portal"
        assert client.get(served.url + "/api/notes/n-2/").status_code == 403, "the binding goes along"
        assert client.post(served.url + "/api/notes/", json={"name": "x"}).status_code == 403
    row = database.read(lambda unit: unit.row("SELECT principal_id, outcome FROM audit WHERE action = 'token'"))
    assert row == (client_id, "success")


def test_authlib_gets_a_token_with_its_key(served: Running, database: Database) -> None:
    client_id = register_keys(database, EC_KEY, EC384_KEY, RSA_KEY)
    for key, alg in ((EC_KEY, "ES256"), (EC384_KEY, "ES384"), (RSA_KEY, "RS256"), (RSA_KEY, "RS384")):
        with OAuth2Client(client_id, key, token_endpoint_auth_method="private_key_jwt") as client:
            client.register_client_auth_method(PrivateKeyJWT(TOKEN_URL, headers={"kid": key.kid}, alg=alg))
            token = client.fetch_token(served.url + "/oauth2/token", grant_type="client_credentials")
        assert set(token["scope"].split()) == {"read:notes", "system/Patient.rs"}
        assert read_note(served, token["access_token"]).status_code == 200


def test_an_assertion_works_once(served: Running, database: Database) -> None:
    client_id = register_keys(database, EC_KEY)
    claims = claims_of(client_id)
    assert assert_with(served, EC_KEY, claims).status_code == 200
    replay = assert_with(served, EC_KEY, claims)
    assert (replay.status_code, replay.json()["error"]) == (401, "invalid_client")
    assert database.write(purge_assertions) == 0
    assert assert_with(served, EC_KEY, claims_of(client_id)).status_code == 200


@pytest.mark.parametrize("refused", [{"scope": "admin:access"}, {"client_id": "other"}], ids=["scope", "client"])
def test_an_assertion_is_used_by_a_request_that_is_refused(
    served: Running, database: Database, refused: dict[str, str]
) -> None:
    claims = claims_of(register_keys(database, EC_KEY))
    assert assert_with(served, EC_KEY, claims, **refused).status_code == 400
    assert assert_with(served, EC_KEY, claims).json()["error"] == "invalid_client"


WRONG_CLAIMS: tuple[dict[str, Any], ...] = (
    {"iss": "other"},
    {"sub": "other"},
    {"sub": None},
    {"aud": "http://other.test/oauth2/token"},
    {"aud": None},
    {"aud": [7]},
    {"exp": int(time.time()) - 100},
    {"exp": int(time.time()) + 7_200},
    {"exp": None},
    {"exp": "soon"},
    {"nbf": int(time.time()) + 3_600},
    {"jti": None},
    {"jti": ""},
    {"jti": "x" * 300},
)


def test_a_wrong_assertion_proves_nothing(served: Running, database: Database) -> None:
    client_id = register_keys(database, EC_KEY)
    for changes in WRONG_CLAIMS:
        answer = assert_with(served, EC_KEY, claims_of(client_id, **changes))
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), changes


def test_another_key_or_a_weaker_algorithm_proves_nothing(served: Running, database: Database) -> None:
    client_id = register_keys(database, EC_KEY, RSA_KEY)
    stranger = ECKey.generate_key("P-256", {"kid": "ec-1"})
    assert assert_with(served, stranger, claims_of(client_id)).status_code == 401
    assert ask(served, client_assertion_type=ASSERTION_TYPE, client_assertion=confused(claims_of(client_id))).is_error
    unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."
    for text in (unsigned, "a.b.c", "a.b", "", "x" * 9_000):
        assert ask(served, client_assertion_type=ASSERTION_TYPE, client_assertion=text).status_code == 401, text


def test_client_and_secret_are_not_told_apart(served: Running, database: Database) -> None:
    client_id, secret = register(database)
    wrong_secret, wrong_client = ask(served, (client_id, "x")), ask(served, ("nobody", str(secret)))
    assert wrong_secret.status_code == wrong_client.status_code == 401
    assert wrong_secret.headers["www-authenticate"].startswith("Basic")
    strip = {"request_id"}
    assert {k: v for k, v in wrong_secret.json().items() if k not in strip} == {
        k: v for k, v in wrong_client.json().items() if k not in strip
    }


def test_the_token_request_is_checked(served: Running, database: Database) -> None:
    client_id, secret = register(database)
    basic = (client_id, str(secret))
    assert ask(served, basic, grant_type="password").json()["error"] == "unsupported_grant_type"
    assert ask(served, basic, scope="admin:access").json()["error"] == "invalid_scope"
    assert ask(served, basic, scope="no scope at all").json()["error"] == "invalid_scope"
    assert ask(served, basic, client_id="other").json()["error"] == "invalid_request"
    assert ask(served).json()["error"] == "invalid_request"
    assert ask(served, basic, client_secret="x").json()["error"] == "invalid_request"
    twice = "grant_type=client_credentials&grant_type=client_credentials"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert served.client.post("/oauth2/token", content=twice, headers=form, auth=basic).status_code == 400
    as_json = served.client.post("/oauth2/token", json={"grant_type": "client_credentials"}, auth=basic)
    assert as_json.json()["error"] == "invalid_request"
    for header in ("Basic !!!", "Basic eA==", "Bearer x", "Basic /w=="):
        answer = served.client.post("/oauth2/token", content="grant_type=client_credentials",
                                    headers={**form, "Authorization": header})  # fmt: skip
        assert answer.status_code == 401


def test_scopes_are_narrowed_and_never_widened(served: Running, database: Database) -> None:
    client_id, secret = register(database)
    granted = ask(served, (client_id, str(secret)), scope="read:notes write:notes system/Patient.r system/*.rs").json()
    assert granted["scope"] == "read:notes system/Patient.r"
    assert granted["expires_in"] == 900


def test_a_secret_is_rotated_with_overlap(served: Running, database: Database) -> None:
    client_id, old = register(database)
    new = database.write(lambda unit: rotate_client_secret(unit, SYSTEM, client_id, overlap_s=0.4))
    assert ask(served, (client_id, str(old))).status_code == ask(served, (client_id, new)).status_code == 200
    time.sleep(0.5)
    assert (ask(served, (client_id, str(old))).status_code, ask(served, (client_id, new)).status_code) == (401, 200)


def test_revoking_a_client_ends_its_tokens_at_once(served: Running, database: Database) -> None:
    client_id, secret = register(database)
    token = ask(served, (client_id, str(secret))).json()["access_token"]
    assert read_note(served, token).status_code == 200
    database.write(lambda unit: revoke_tokens(unit, SYSTEM, client_id))
    assert read_note(served, token).json()["error_code"] == "TOKEN_REVOKED"
    renewed = ask(served, (client_id, str(secret))).json()["access_token"]
    assert read_note(served, renewed).status_code == 200
    database.write(lambda unit: revoke_client(unit, SYSTEM, client_id))
    assert read_note(served, renewed).status_code == 401
    assert ask(served, (client_id, str(secret))).status_code == 401


def test_a_token_that_is_not_ours_opens_nothing(served: Running, database: Database) -> None:
    client_id, secret = register(database)
    token = ask(served, (client_id, str(secret))).json()["access_token"]
    keys = served.front.tokens.keys
    kid, key = keys.primary, keys.keys[keys.primary]
    now = int(time.time())
    ours = {
        "iss": "http://kiungo.test", "aud": "http://kiungo.test", "sub": client_id, "client_id": client_id, "tn": 1,
        "scope": "read:notes", "iat": now, "iat_us": now * 1_000_000 + 999_999, "exp": now + 100, "jti": "x",
    }  # fmt: skip

    def sign(claims: dict[str, Any], with_key: Any = key, **header: Any) -> str:
        return jwt.encode({"alg": "ES256", "kid": kid, "typ": "at+jwt", **header}, claims, with_key)

    assert read_note(served, sign(ours)).status_code == 200, "the right one is right"
    head, payload, signature = token.split(".")
    changed = jwt.encode({"alg": "ES256"}, {**ours, "scope": "*:*"}, EC_KEY).split(".")[1]
    for wrong, code in (
        (sign(ours, EC_KEY), "TOKEN_WRONG"),
        (sign(ours, EC_KEY, kid="ec-1"), "TOKEN_WRONG"),
        (sign(ours, typ="JWT"), "TOKEN_WRONG"),
        (sign({**ours, "aud": "http://other.test"}), "TOKEN_WRONG"),
        (sign({**ours, "iss": "http://other.test"}), "TOKEN_WRONG"),
        (sign({**ours, "exp": now - 1}), "TOKEN_EXPIRED"),
        (sign({**ours, "exp": None}), "TOKEN_WRONG"),
        (sign({**ours, "client_id": "nobody"}), "TOKEN_WRONG"),
        (f"{head}.{changed}.{signature}", "TOKEN_WRONG"),
        (f"{head}.{payload}.", "TOKEN_WRONG"),
        (f"eyJhbGciOiJub25lIn0.{payload}.", "TOKEN_WRONG"),
        ("garbage", "TOKEN_WRONG"),
        ("é", "TOKEN_WRONG"),
    ):
        answer = served.client.get("/api/notes/n-1/", headers={"Authorization": f"Bearer {wrong}".encode()})
        assert (answer.status_code, answer.json()["error_code"]) == (401, code), wrong


def test_keys_and_metadata_are_published(served: Running) -> None:
    metadata = served.client.get("/.well-known/oauth-authorization-server").json()
    assert metadata["token_endpoint"] == TOKEN_URL
    published = served.client.get("/oauth2/jwks").json()["keys"]
    assert published[0]["alg"] == "ES256"
    assert "d" not in published[0]


def test_a_client_never_registers_a_private_or_weak_key(database: Database) -> None:
    weak = RSAKey.generate_key(1024)
    for jwks in (
        {"keys": [EC_KEY.as_dict(private=True)]},
        {"keys": [weak.as_dict(private=False)]},
        {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]},
        {"keys": []},
        {"keys": [{}]},
        {},
    ):
        with pytest.raises(Incorrect, match="public key"):
            register(database, jwks=jwks)


def test_the_admin_api_registers_rotates_and_revokes_clients(served: Running) -> None:
    admin = {"X-API-Key": served.key("*:*", "system/*.cruds")}
    made = served.client.post("/api/admin/clients/", json={"name": "Portal", "scopes": ["read:notes"]}, headers=admin)
    client_id, secret = made.json()["client_id"], made.json()["client_secret"]
    assert ask(served, (client_id, secret)).status_code == 200
    assert secret not in served.client.get("/api/admin/clients/", headers=admin).text
    path = f"/api/admin/clients/{client_id}"
    rotated = served.client.post(f"{path}/rotate", json={"overlap_s": 0}, headers=admin).json()["client_secret"]
    assert ask(served, (client_id, secret)).status_code == 401
    token = ask(served, (client_id, rotated)).json()["access_token"]
    assert served.client.post(f"{path}/revoke-tokens", headers=admin).status_code == 200
    assert read_note(served, token).status_code == 401
    assert served.client.post(f"{path}/revoke", headers=admin).json()["revoked_at"]
    with_keys = {"name": "Lab", "scopes": ["read:notes"], "jwks": {"keys": [EC_KEY.as_dict(private=False)]}}
    lab = served.client.post("/api/admin/clients/", json=with_keys, headers=admin).json()
    assert (lab["authentication"], "client_secret" in lab) == ("private_key_jwt", False)
    assert assert_with(served, EC_KEY, claims_of(lab["client_id"])).status_code == 200


def test_a_signing_key_is_made_once_in_dev_and_demanded_in_serve(tmp_path: Any) -> None:
    first = open_signing_keys(settings_of(tmp_path))
    assert open_signing_keys(settings_of(tmp_path)).primary == first.primary
    assert (tmp_path / "signing-key.pem").stat().st_mode & 0o077 == 0
    assert "PRIVATE" not in repr(first)
    with pytest.raises(Incorrect, match="serve needs a key"):
        open_signing_keys(settings_of(tmp_path, mode="serve"))
    with pytest.raises(Incorrect, match="cannot be read"):
        open_signing_keys(settings_of(tmp_path, signing_key_file=tmp_path / "none.pem"))


def test_several_signing_keys_the_first_signs_and_all_verify() -> None:
    first, second = EC_KEY.as_pem(private=True).decode(), RSA_KEY.as_pem(private=True).decode()
    keys = parse_signing_keys(first + second, "here")
    assert keys.primary == EC_KEY.thumbprint()
    assert sorted(keys.algorithms.values()) == ["ES256", "RS256"]
    as_jwk = parse_signing_keys(json.dumps(EC384_KEY.as_dict(private=True)), "here")
    assert as_jwk.algorithms == {EC384_KEY.thumbprint(): "ES384"}
    weak = RSAKey.generate_key(1024).as_pem(private=True).decode()
    for wrong in ("", "hush", EC_KEY.as_pem(private=False).decode(), weak, '{"keys": []}', "{"):
        with pytest.raises(Incorrect) as caught:
            parse_signing_keys(wrong, "KIUNGO_SIGNING_KEY")
        assert "hush" not in caught.value.message
