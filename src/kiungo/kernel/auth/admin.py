"""The admin API for credentials: API keys and OAuth2 clients. A secret is shown once, when it is made."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Response as FastApiResponse
from pydantic import BaseModel, ConfigDict, Field

from kiungo.base.errors import Incorrect, define
from kiungo.base.time import iso_seconds, parse_instant, to_us
from kiungo.kernel.auth.clients import (
    OauthClient,
    create_client,
    get_client,
    list_clients,
    revoke_client,
    revoke_tokens,
    rotate_client_secret,
)
from kiungo.kernel.auth.keys import ApiKey, create_key, get_key, list_keys, revoke_key, rotate_key
from kiungo.kernel.auth.roles import all_roles
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http.messages import Response
from kiungo.kernel.http.routes import Exchange, secured

EXPIRY_PAST = define("EXPIRY_PAST", Incorrect, "An expiry lies in the past.", http=422)

ADMIN = "admin:access"
OVERLAP_S = 86_400
OVERLAP_S_MAX = 30 * 86_400
PAGE_MAX = 200
Admin = Annotated[Exchange, secured(ADMIN, owners=())]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Words = Annotated[list[Annotated[str, Field(min_length=1, max_length=150)]], Field(max_length=100)]
Bindings = Annotated[dict[str, str], Field(max_length=10)]
Rate = Annotated[int, Field(ge=1, le=10_000_000)]


class Grant(BaseModel):
    """Who it is for and what it may do."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    roles: Words = Field(default_factory=list)
    scopes: Words = Field(default_factory=list)
    bindings: Bindings = Field(default_factory=dict)
    rate_per_minute: Rate | None = None


class NewKey(Grant):
    """An API key to make."""

    expires_at: str | None = Field(None, description="ISO 8601 with a zone; never when left out.")


class NewClient(Grant):
    """An OAuth2 client to register: with public keys, or with a secret that is made for it."""

    jwks: dict[str, Any] | None = Field(None, description="Its public keys as a JWK set.")


class Rotation(BaseModel):
    """How long the old secret goes on, seconds."""

    model_config = ConfigDict(extra="forbid")

    overlap_s: int = Field(OVERLAP_S, ge=0, le=OVERLAP_S_MAX)


def admin_router(database: Database) -> APIRouter:
    """The admin routes, all with the scope admin:access."""
    router = APIRouter(prefix="/api/admin", tags=["access"])

    @router.post("/keys/", status_code=201, summary="Make an API key; the answer shows it, this once")
    async def make_key(exchange: Admin, wanted: NewKey) -> FastApiResponse:
        def work(unit: Unit) -> Response:
            key, secret = create_key(
                unit, exchange.call, name=wanted.name, roles=wanted.roles, scopes=wanted.scopes,
                bindings=wanted.bindings, rate_per_minute=wanted.rate_per_minute,
                expires_us=_expiry(unit, wanted.expires_at),
            )  # fmt: skip
            return Response.json({"key": secret, **key_view(key)}, 201, holds_secret=True)

        return await exchange.write(work)

    @router.get("/keys/", summary="The keys by id, without what opens them")
    async def show_keys(exchange: Admin, after: str = "", count: Annotated[int, Field(ge=1, le=PAGE_MAX)] = 100) -> Any:
        keys = await database.read_async(lambda unit: list_keys(unit, exchange.call.tenant, after=after, count=count))
        return {"keys": [key_view(key) for key in keys]}

    @router.get("/keys/{key_id}", summary="One key, without what opens it")
    async def show_key(exchange: Admin, key_id: str) -> Any:
        return key_view(await database.read_async(lambda unit: get_key(unit, exchange.call.tenant, key_id)))

    @router.post(
        "/keys/{key_id}/rotate", status_code=201, summary="Make the successor of a key; both work for the overlap"
    )
    async def change_key(exchange: Admin, key_id: str, rotation: Rotation) -> FastApiResponse:
        def work(unit: Unit) -> Response:
            key, secret = rotate_key(unit, exchange.call, key_id, overlap_s=rotation.overlap_s)
            return Response.json({"key": secret, **key_view(key)}, 201, holds_secret=True)

        return await exchange.write(work)

    @router.post("/keys/{key_id}/revoke", summary="End a key at once, everywhere")
    async def end_key(exchange: Admin, key_id: str) -> FastApiResponse:
        return await exchange.write(lambda unit: Response.json(key_view(revoke_key(unit, exchange.call, key_id))))

    @router.get("/roles/", summary="The roles and what each may do")
    async def show_roles(exchange: Admin) -> Any:
        roles = all_roles().values()
        return {
            "roles": [{"name": role.name, "summary": role.summary, "scopes": sorted(role.scopes)} for role in roles]
        }

    _add_clients(router, database)
    return router


def _add_clients(router: APIRouter, database: Database) -> None:
    @router.post("/clients/", status_code=201, summary="Make an OAuth2 client; the answer shows its secret, this once")
    async def make_client(exchange: Admin, wanted: NewClient) -> FastApiResponse:
        def work(unit: Unit) -> Response:
            client, secret = create_client(
                unit, exchange.call, name=wanted.name, roles=wanted.roles, scopes=wanted.scopes,
                bindings=wanted.bindings, jwks=wanted.jwks, rate_per_minute=wanted.rate_per_minute,
            )  # fmt: skip
            shown = {} if secret is None else {"client_secret": secret}
            return Response.json({**shown, **client_view(client)}, 201, holds_secret=True)

        return await exchange.write(work)

    @router.get("/clients/", summary="The OAuth2 clients by id")
    async def show_clients(
        exchange: Admin, after: str = "", count: Annotated[int, Field(ge=1, le=PAGE_MAX)] = 100
    ) -> Any:
        clients = await database.read_async(
            lambda unit: list_clients(unit, exchange.call.tenant, after=after, count=count)
        )
        return {"clients": [client_view(client) for client in clients]}

    @router.get("/clients/{client_id}", summary="One OAuth2 client")
    async def show_client(exchange: Admin, client_id: str) -> Any:
        return client_view(await database.read_async(lambda unit: get_client(unit, exchange.call.tenant, client_id)))

    @router.post(
        "/clients/{client_id}/rotate", status_code=201, summary="Give a client a new secret; both work for the overlap"
    )
    async def change_secret(exchange: Admin, client_id: str, rotation: Rotation) -> FastApiResponse:
        def work(unit: Unit) -> Response:
            secret = rotate_client_secret(unit, exchange.call, client_id, overlap_s=rotation.overlap_s)
            return Response.json({"client_id": client_id, "client_secret": secret}, 201, holds_secret=True)

        return await exchange.write(work)

    @router.post("/clients/{client_id}/revoke", summary="End a client and its tokens")
    async def end_client(exchange: Admin, client_id: str) -> FastApiResponse:
        return await exchange.write(
            lambda unit: Response.json(client_view(revoke_client(unit, exchange.call, client_id)))
        )

    @router.post("/clients/{client_id}/revoke-tokens", summary="End the tokens a client holds; it may fetch new ones")
    async def end_tokens(exchange: Admin, client_id: str) -> FastApiResponse:
        return await exchange.write(
            lambda unit: Response.json(client_view(revoke_tokens(unit, exchange.call, client_id)))
        )


def key_view(key: ApiKey) -> dict[str, Any]:
    """A key as the API shows it, without its secret."""
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "roles": sorted(key.roles),
        "scopes": sorted(key.scopes),
        "bindings": dict(key.bindings),
        "rate_per_minute": key.rate_per_minute,
        "created_at": iso_seconds(key.created_us),
        "expires_at": _iso(key.expires_us),
        "revoked_at": _iso(key.revoked_us),
        "replaces": key.replaces,
        "last_used_at": _iso(key.last_used_us),
    }


def client_view(client: OauthClient) -> dict[str, Any]:
    """A client as the API shows it, without its secret."""
    return {
        "client_id": client.id,
        "name": client.name,
        "authentication": "client_secret_basic" if client.jwks is None else "private_key_jwt",
        "roles": sorted(client.roles),
        "scopes": sorted(client.scopes),
        "bindings": dict(client.bindings),
        "rate_per_minute": client.rate_per_minute,
        "created_at": iso_seconds(client.created_us),
        "revoked_at": _iso(client.revoked_us),
    }


def _iso(moment_us: int | None) -> str | None:
    return None if moment_us is None else iso_seconds(moment_us)


def _expiry(unit: Unit, text: str | None) -> int | None:
    if text is None:
        return None
    expires_us = to_us(parse_instant(text, field="expires_at"))
    if expires_us <= unit.now_us:
        raise Incorrect(
            EXPIRY_PAST, "expires_at lies in the past", field="expires_at", hint="Leave it out or name a later time"
        )
    return expires_us
