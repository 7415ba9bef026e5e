"""What every page of the dashboard has: its places, and how a refusal of a form is said on the page it came from."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kiungo.base.errors import KiungoError
from kiungo.console.assets import NOT_AN_API
from kiungo.console.visit import Notice, Visit, page
from kiungo.domains.vems import roles
from kiungo.kernel.http import Response, Route

HOME: Final = "/console/vems"
SECTION: Final = "vems"


@dataclass(frozen=True, slots=True)
class Place:
    """One part of the dashboard."""

    key: str
    title: str
    address: str
    scope: str


PLACES: Final = (
    Place("overview", "Overview", HOME, roles.READ_ANALYTICS),
    Place("bookings", "Bookings", f"{HOME}/bookings", roles.READ_BOOKINGS),
    Place("settlements", "Settlements", f"{HOME}/settlements", roles.READ_SETTLEMENTS),
    Place("payments", "Payments desk", f"{HOME}/payments", roles.READ_SETTLEMENTS),
    Place("payees", "Payees", f"{HOME}/payees", roles.READ_PAYEES),
    Place("rails", "Banks and floats", f"{HOME}/rails", roles.READ_STATEMENTS),
    Place("contracts", "Contracts", f"{HOME}/contracts", roles.READ_CONTRACTS),
)


def show(
    visit: Visit, key: str, template: str, values: Mapping[str, Any], error: KiungoError | None = None
) -> Response:
    """A page of one place; an error is said at its top, in its own words."""
    if error is not None:
        visit.notice = Notice("bad", told(error))
    places = [place for place in PLACES if visit.can(place.scope)]
    status = error.http_status if error is not None else 200
    return visit.page(f"vems/{template}", {"places": places, "place": key, **values}, status)


def told(error: KiungoError) -> str:
    """An error as one line: its wrong fields, or its sentence and the way out."""
    if error.details:
        return " ".join(f"{detail.field}: {detail.message.rstrip('.')}." for detail in error.details[:8])
    return error.told


def route(
    method: str,
    path: str,
    scope: str,
    handler: Callable[[Visit], Awaitable[Response]],
    *,
    section: str = SECTION,
    body_bytes_max: int | None = None,
) -> Route:
    """A route of the dashboard; one that takes a file says how large it may be."""
    return Route(
        method, path, page(section, handler), scope=scope, api="console", openapi=NOT_AN_API,
        body_bytes_max=body_bytes_max, owners=roles.OWNERS[scope],
    )  # fmt: skip


def own_facility(visit: Visit) -> str | None:
    """The facility a visitor is bound to."""
    return visit.call.principal.bindings.get("facility")
