"""The parts of the pipeline, opened once from the settings, and the site made of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from prometheus_client import CollectorRegistry

from kiungo.kernel.audit import Reads
from kiungo.kernel.auth import admin, oauth
from kiungo.kernel.auth.authenticator import Authenticator
from kiungo.kernel.auth.limits import Limits
from kiungo.kernel.auth.signing import open_signing_keys
from kiungo.kernel.auth.tokens import Tokens
from kiungo.kernel.config import Settings
from kiungo.kernel.database import Database
from kiungo.kernel.http import docs, health
from kiungo.kernel.http.errors import ErrorShape
from kiungo.kernel.http.gate import Gate
from kiungo.kernel.http.idempotency import Keeper
from kiungo.kernel.http.measures import AuditMetrics, EndpointMetrics
from kiungo.kernel.http.openapi import OpenApi
from kiungo.kernel.http.routes import Route
from kiungo.kernel.http.site import Hook, Site
from kiungo.kernel.secrets import Keyring

KERNEL_PUBLIC = (*health.PUBLIC, *docs.PUBLIC, *oauth.PUBLIC)
"""The kernel's own public routes; the platform's list of public routes begins with them."""


@dataclass(frozen=True, slots=True)
class Front:
    """What stands between the network and the services. `reads` is what services note reads in."""

    settings: Settings
    database: Database
    reads: Reads
    limits: Limits
    tokens: Tokens
    authenticator: Authenticator
    keeper: Keeper

    def site(
        self,
        *,
        routes: Sequence[Route] = (),
        routers: Sequence[APIRouter] = (),
        shapes: Sequence[ErrorShape] = (),
        public: Iterable[str] = (),
        open_scopes: Iterable[str] = (),
        title: str = "Kiungo",
        version: str = "0",
        description: str = "",
        tags: Mapping[str, str] | None = None,
        components: Mapping[str, Any] | None = None,
        starts: Sequence[Hook] = (),
        stops: Sequence[Hook] = (),
    ) -> Site:
        """The site of these routes and the kernel's own (health, documentation, tokens, admin of access).

        `public` lists the public routes beside KERNEL_PUBLIC. `open_scopes` are what a call without a
        credential may do, such as {"write:claims"} where open submission is on.
        Raises: ValueError, see `Site`.
        """
        settings = self.settings
        document = OpenApi(title=title, version=version, description=description, tags=tags, components=components)
        figures = CollectorRegistry()
        gate = Gate(
            self.authenticator,
            self.limits,
            self.reads,
            open_scopes=open_scopes,
            trusted_proxies=settings.trusted_proxies,
        )
        own = [
            *health.health_routes(self.database, self.reads, settings, figures),
            *docs.docs_routes(document),
            *oauth.oauth_routes(self.database, self.tokens),
        ]
        metrics = (health.PUBLIC_METRICS,) if settings.metrics_public else ()
        site = Site(
            settings=settings,
            gate=gate,
            reads=self.reads,
            keeper=self.keeper,
            routes=[*own, *routes],
            routers=[admin.admin_router(self.database), *routers],
            shapes=[oauth.OAUTH, *shapes],
            public=[*KERNEL_PUBLIC, *metrics, *public],
            starts=starts,
            stops=stops,
        )
        document.describe(site.endpoints, site.fastapi)
        figures.register(EndpointMetrics(site.measured))
        figures.register(AuditMetrics(self.reads))
        return site


def open_front(settings: Settings, database: Database, keyring: Keyring) -> Front:
    """Open the parts. Raises: Incorrect SIGNING_KEY_MISSING, SIGNING_KEY_WRONG."""
    limits = Limits(
        per_minute=settings.rate_per_minute,
        burst=settings.rate_burst,
        unauthenticated_per_minute=settings.rate_unauthenticated_per_minute,
    )
    tokens = Tokens(
        open_signing_keys(settings),
        issuer=settings.issuer,
        clock=database.clock,
        lifetime_s=settings.token_lifetime_s,
    )
    authenticator = Authenticator(
        database,
        tokens,
        limits,
        cache_s=settings.credential_cache_s,
        cache_max=settings.credential_cache_max,
        empty_key_is_absent=settings.opens_submission,
    )
    reads = Reads(
        database,
        flush_ms=settings.audit_flush_ms,
        waiting_max=settings.audit_waiting_max,
        when_full=settings.audit_when_full,
        strict=settings.audit_strict,
    )
    return Front(settings, database, reads, limits, tokens, authenticator, Keeper(database, keyring))
