"""The OAuth2 endpoints: tokens for clients, our public keys, and where both are found.

Source: RFC 6749 section 4.4, RFC 7517, RFC 8414. SMART App Launch adds /oauth2/authorize beside them.
"""

from typing import Any

from kiungo.base.errors import Incorrect, KiungoError, Unauthenticated, define
from kiungo.kernel import audit
from kiungo.kernel.auth.assertions import ASSERTION_TYPE, prove_by_assertion, prove_by_secret
from kiungo.kernel.auth.clients import OauthClient
from kiungo.kernel.auth.principal import Call, Principal
from kiungo.kernel.auth.scopes import narrow
from kiungo.kernel.auth.tokens import Tokens
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http.errors import ErrorShape
from kiungo.kernel.http.messages import HeaderPairs, Request, Response, parse_query
from kiungo.kernel.http.routes import Route

GRANT_UNSUPPORTED = define("GRANT_UNSUPPORTED", Incorrect, "Only the grant client_credentials is given here.")
TOKEN_REQUEST_WRONG = define("TOKEN_REQUEST_WRONG", Incorrect, "The token request is malformed.")
SCOPE_NOT_GRANTED = define("SCOPE_NOT_GRANTED", Incorrect, "None of the asked scopes may be granted.")

PUBLIC = ("POST /oauth2/token", "GET /oauth2/jwks", "GET /.well-known/oauth-authorization-server")
FORM = b"application/x-www-form-urlencoded"
FORM_BYTES_MAX = 20_000
_OAUTH_ERRORS = {
    GRANT_UNSUPPORTED: "unsupported_grant_type",
    SCOPE_NOT_GRANTED: "invalid_scope",
    "SCOPE_UNKNOWN_SHAPE": "invalid_scope",
    "CLIENT_UNPROVEN": "invalid_client",
}


def oauth_routes(database: Database, tokens: Tokens) -> list[Route]:
    """The public routes of the authorization server."""
    token_url = f"{tokens.issuer}/oauth2/token"
    audiences = frozenset({token_url, tokens.issuer, tokens.issuer + "/"})
    published, found_at = tokens.keys.published(), _metadata(tokens)

    async def issue(request: Request) -> Response:
        form = _form_of(request)
        answer = await database.write_async(lambda unit: answer_token(unit, request, form, tokens, audiences))
        if isinstance(answer, KiungoError):
            raise answer
        return answer

    async def show_keys(request: Request) -> Response:
        return Response.json(published)

    async def show_metadata(request: Request) -> Response:
        return Response.json(found_at)

    return [
        Route("POST", "/oauth2/token", issue, public=True, api="oauth", openapi=TOKEN_OPENAPI,
              body_bytes_max=FORM_BYTES_MAX),
        Route("GET", "/oauth2/jwks", show_keys, public=True, api="oauth", openapi=_described("Public keys.")),
        Route("GET", "/.well-known/oauth-authorization-server", show_metadata, public=True, api="oauth",
              openapi=_described("Where tokens and keys are found.")),
    ]  # fmt: skip


def answer_token(
    unit: Unit, request: Request, form: dict[str, str], tokens: Tokens, audiences: frozenset[str]
) -> Response | KiungoError:
    """Prove the client and issue a token; what is refused after the proof is returned, so that the proof stays used.

    Raises: Unauthenticated CLIENT_UNPROVEN; Incorrect GRANT_UNSUPPORTED, TOKEN_REQUEST_WRONG.
    """
    if form.get("grant_type") != "client_credentials":
        raise Incorrect(GRANT_UNSUPPORTED, "The grant type is not client_credentials", field="grant_type")
    client = _proven(unit, request, form, audiences)
    try:
        return _grant(unit, request, form, tokens, client)
    except KiungoError as refused:
        return refused


def _grant(unit: Unit, request: Request, form: dict[str, str], tokens: Tokens, client: OauthClient) -> Response:
    """Narrow the scopes, write one audit entry, and issue a token."""
    if form.get("client_id", client.id) != client.id:
        raise Incorrect(TOKEN_REQUEST_WRONG, "client_id is another client's", field="client_id")
    asked = form.get("scope", "").split()
    granted = narrow(asked, client.all_scopes()) if asked else client.all_scopes()
    if not granted:
        raise Incorrect(SCOPE_NOT_GRANTED, "The client may have none of these scopes", field="scope")
    asker = Principal(client.tenant, client.id, "oauth_client", client.name)
    call = Call(asker, request.call.request_id, request.call.origin)
    audit.record(unit, call, "token", kind="oauth_client", id=client.id)
    return Response.json(
        {
            "access_token": tokens.issue(client, granted),
            "token_type": "Bearer",
            "expires_in": tokens.lifetime_s,
            "scope": " ".join(sorted(granted)),
        },
        headers=((b"pragma", b"no-cache"),),
    )


def _proven(unit: Unit, request: Request, form: dict[str, str], audiences: frozenset[str]) -> OauthClient:
    authorization = request.raw_headers.get(b"authorization")
    assertion = form.get("client_assertion")
    if (authorization is None) == (assertion is None) or "client_secret" in form:
        raise Incorrect(
            TOKEN_REQUEST_WRONG,
            "The client proves itself in one of two ways: HTTP Basic, or client_assertion",
            field="client_assertion",
        )
    if authorization is not None:
        return prove_by_secret(unit, authorization)
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise Incorrect(TOKEN_REQUEST_WRONG, "client_assertion_type is wrong", field="client_assertion_type")
    return prove_by_assertion(unit, str(assertion).encode(), audiences)


def _form_of(request: Request) -> dict[str, str]:
    """The form's fields. Raises: Incorrect TOKEN_REQUEST_WRONG, also for a field sent twice."""
    media_type = request.raw_headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type != FORM:
        raise Incorrect(
            TOKEN_REQUEST_WRONG, f"The body is not {FORM.decode()}", field="Content-Type",
            hint="Send grant_type=client_credentials as a form",
        )  # fmt: skip
    pairs = parse_query(request.body)
    form = dict(pairs)
    if len(form) != len(pairs):
        raise Incorrect(TOKEN_REQUEST_WRONG, "A field is sent twice", field="body")
    return form


def render_oauth(error: KiungoError, request_id: str) -> Response:
    """An error as RFC 6749 section 5.2 has it."""
    name = _OAUTH_ERRORS.get(error.code, "invalid_request" if error.http_status < 500 else "server_error")
    body = {"error": name, "error_description": error.message, "request_id": request_id}
    headers: HeaderPairs = ()
    if isinstance(error, Unauthenticated):
        headers = ((b"www-authenticate", b'Basic realm="kiungo"'),)
    return Response.json(body, error.http_status, headers)


OAUTH = ErrorShape("oauth", ("/oauth2",), render_oauth)


def _metadata(tokens: Tokens) -> dict[str, Any]:
    return {
        "issuer": tokens.issuer,
        "token_endpoint": f"{tokens.issuer}/oauth2/token",
        "jwks_uri": f"{tokens.issuer}/oauth2/jwks",
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256", "ES384", "RS256", "RS384"],
    }


def _described(summary: str) -> dict[str, Any]:
    return {"summary": summary, "tags": ["oauth2"], "responses": {"200": {"description": summary}}}


TOKEN_OPENAPI: dict[str, Any] = {
    "summary": "A short-lived access token for a registered client.",
    "tags": ["oauth2"],
    "requestBody": {
        "required": True,
        "content": {
            FORM.decode(): {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"type": "string", "enum": ["client_credentials"]},
                        "scope": {"type": "string"},
                        "client_assertion_type": {"type": "string"},
                        "client_assertion": {"type": "string"},
                    },
                }
            }
        },
    },
    "responses": {
        "200": {"description": "The token, its scopes and its lifetime in seconds."},
        "401": {"description": "The client did not prove itself."},
    },
}
