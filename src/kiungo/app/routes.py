"""Every route of the platform, its error shapes, and the one list of public routes."""

from importlib.metadata import version
from typing import Final

from kiungo.app import callbacks as money_callbacks
from kiungo.app.background import Background
from kiungo.app.callbacks import Callbacks
from kiungo.app.documentation import DESCRIPTION, TAGS
from kiungo.app.money import Money
from kiungo.app.operations import operations_routers
from kiungo.console.access import Access
from kiungo.console.assets import ROUTES as ASSET_ROUTES
from kiungo.console.fhir import FhirPages
from kiungo.console.payor.pages import PayorPages
from kiungo.console.rendering import go_to
from kiungo.console.vems.pages import VemsPages
from kiungo.console.webhooks import WebhookPages
from kiungo.domains.payor.errors import SHAPE as PAYOR_SHAPE
from kiungo.domains.payor.registers import Registers
from kiungo.domains.payor.review import ReviewDesk
from kiungo.domains.payor.roles import OPEN_SCOPES, OPEN_SCOPES_RELAXED
from kiungo.domains.payor.routes import payor_routers, payor_routes
from kiungo.domains.payor.service import Payor
from kiungo.domains.vems.errors import SHAPE as VEMS_SHAPE
from kiungo.domains.vems.roles import OPEN_SCOPES as VEMS_OPEN
from kiungo.domains.vems.routes import COMPONENTS as VEMS_COMPONENTS
from kiungo.domains.vems.routes import PUBLIC as VEMS_PUBLIC
from kiungo.domains.vems.routes import money_routers, money_routes, vems_routes
from kiungo.domains.vems.service import Vems
from kiungo.fhir import routes as fhir_routes
from kiungo.fhir.outcome import SHAPE as FHIR_SHAPE
from kiungo.fhir.store import Store
from kiungo.kernel.config import Settings
from kiungo.kernel.http import Request, Response, Route
from kiungo.kernel.http.front import Front
from kiungo.kernel.http.site import Site
from kiungo.kernel.webhooks import Webhooks
from kiungo.kernel.webhooks.routes import webhook_router

PUBLIC: Final = (
    *fhir_routes.PUBLIC,
    *VEMS_PUBLIC,
    *money_callbacks.PUBLIC,
    "GET /",
    "GET /console/",
    "GET /console/sign-in",
    "POST /console/sign-in",
    "POST /console/sign-out",
    "GET /console/static/{name}",
)
"""Beside the kernel's own (health, documentation, tokens), these are all the routes without a scope."""

WEBHOOK_OWNERS: Final = ("provider", "facility")
"""The bindings whose holders have webhooks of their own: the claims' providers, the bookings' facilities."""


def site_of(
    front: Front,
    store: Store,
    webhooks: Webhooks,
    payor: Payor,
    desk: ReviewDesk,
    registers: Registers,
    vems: Vems,
    money: Money,
    callbacks: Callbacks,
    background: Background | None,
) -> Site:
    """The served site; `background` runs inside it when given."""
    settings, reads = front.settings, front.reads
    access = Access(front.database, secure=settings.cookies_need_https, is_dev=settings.mode != "serve")
    return front.site(
        routes=[
            Route("GET", "/", to_the_console, public=True, api="console", openapi={"x-hidden": True}),
            *fhir_routes.routes(store),
            *payor_routes(payor, reads),
            *vems_routes(vems, reads),
            *money_routes(vems, money.settlements, money.rails, reads),
            *callbacks.routes(),
            *access.routes(),
            *ASSET_ROUTES,
            *PayorPages(payor, desk, reads).routes(),
            *VemsPages(vems, money.settlements, money.rails, reads).routes(),
            *FhirPages(store).routes(),
            *WebhookPages(front.database, webhooks).routes(),
        ],
        routers=[
            *payor_routers(payor, reads),
            webhook_router(front.database, webhooks, bindings=WEBHOOK_OWNERS),
            *money_routers(vems),
            *operations_routers(front.database, front.reads, audit_key=audit_key(settings)),
        ],
        shapes=[FHIR_SHAPE, PAYOR_SHAPE, VEMS_SHAPE, access.error_shape()],
        public=PUBLIC,
        open_scopes=opened_scopes(settings),
        version=version("kiungo"),
        description=DESCRIPTION,
        tags=TAGS,
        components=VEMS_COMPONENTS,
        starts=(background.start,) if background else (),
        stops=(background.stop,) if background else (),
    )


def opened_scopes(settings: Settings) -> frozenset[str]:
    """What a call without a credential may do, by the settings for claims and for bookings."""
    opened: frozenset[str] = frozenset()
    if settings.opens_submission:
        opened |= OPEN_SCOPES if settings.mode == "serve" else OPEN_SCOPES_RELAXED
    if settings.opens_booking:
        opened |= VEMS_OPEN
    return opened


async def to_the_console(_request: Request) -> Response:
    """The bare address, which people open first, leads to the pages."""
    return go_to("/console/")


def audit_key(settings: Settings) -> bytes:
    """The key of the audit trail's seals; empty when none is set."""
    return settings.audit_seal_key.get_secret_value().encode() if settings.audit_seal_key else b""
