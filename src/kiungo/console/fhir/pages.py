"""Every page of the resource browser, and its routes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kiungo.console.assets import NOT_AN_API
from kiungo.console.fhir.frame import HOME, SECTION
from kiungo.console.fhir.record import show_history, show_record, show_validation
from kiungo.console.fhir.search import show_search
from kiungo.console.fhir.uscdi import show_uscdi
from kiungo.console.visit import Visit, page
from kiungo.fhir.store import Store
from kiungo.kernel.auth.scopes import ANY_CREDENTIAL
from kiungo.kernel.http import Response, Route


@dataclass(frozen=True, slots=True)
class FhirPages:
    """The browser's pages. Each decides by the type in its address what the visitor's scopes allow."""

    store: Store

    async def search(self, visit: Visit) -> Response:
        """Search any type."""
        return await show_search(self.store, visit)

    async def record(self, visit: Visit) -> Response:
        """One resource."""
        return await show_record(self.store, visit)

    async def history(self, visit: Visit) -> Response:
        """Its versions."""
        return await show_history(self.store, visit)

    async def validation(self, visit: Visit) -> Response:
        """What is wrong with it."""
        return await show_validation(self.store, visit)

    async def uscdi(self, visit: Visit) -> Response:
        """What of USCDI a person's record has."""
        return await show_uscdi(self.store, visit)

    def routes(self) -> tuple[Route, ...]:
        """The routes of these pages."""
        one = HOME + "/{type}/{id}"
        return (
            _route(HOME, self.search),
            _route(one, self.record),
            _route(one + "/history", self.history),
            _route(one + "/validate", self.validation),
            _route(HOME + "/Patient/{id}/uscdi", self.uscdi),
        )


def _route(path: str, handler: Callable[[Visit], Awaitable[Response]]) -> Route:
    return Route("GET", path, page(SECTION, handler), scope=ANY_CREDENTIAL, api="console", openapi=NOT_AN_API)
