"""One visit of one page: who looks, what the menu shows them, and the token that guards their forms."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.cookies import CookieError, SimpleCookie
from typing import Any

from markupsafe import Markup

from kiungo.base.errors import Forbidden, KiungoError, Unauthenticated, define
from kiungo.console.forms import parse_form
from kiungo.console.rendering import html
from kiungo.console.uploads import Upload, parse_upload
from kiungo.kernel.auth import Call, may
from kiungo.kernel.auth.sessions import COOKIE
from kiungo.kernel.http import HeaderPairs, Request, Response
from kiungo.kernel.webhooks.model import READ_WEBHOOKS

FORM_TOKEN_WRONG = define("FORM_TOKEN_WRONG", Forbidden, "A form was sent without the token of the page it came from.")

SESSION_MISSING = define("SESSION_MISSING", Unauthenticated, "A page of the console was asked for without a session.")

CSRF_FIELD = "csrf"
CSRF_USE = b"kiungo console form v1"


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """One word in the bar, for those who may go there."""

    key: str
    title: str
    address: str
    scope: str


MENU = (
    MenuEntry("claims", "Claims", "/console/claims", "read:claims"),
    MenuEntry("submit", "Submit", "/console/claims/new", "write:claims"),
    MenuEntry("review", "Review desk", "/console/review", "review:claims"),
    MenuEntry("codes", "Codes", "/console/codes", "read:claims"),
    MenuEntry("vems", "Equipment", "/console/vems", "read:analytics"),
    MenuEntry("vems", "Equipment", "/console/vems/bookings", "read:bookings"),
    MenuEntry("vems", "Equipment", "/console/vems/settlements", "read:settlements"),
    MenuEntry("vems", "Equipment", "/console/vems/payees", "read:payees"),
    MenuEntry("vems", "Equipment", "/console/vems/rails", "read:statements"),
    MenuEntry("vems", "Equipment", "/console/vems/contracts", "read:contracts"),
    MenuEntry("fhir", "Records", "/console/fhir", "system/*.rs"),
    MenuEntry("webhooks", "Webhooks", "/console/webhooks", READ_WEBHOOKS),
)


@dataclass(frozen=True, slots=True)
class Notice:
    """One line at the top of a page. Shapes: `tone` is good, wait, bad or info."""

    tone: str
    text: str


@dataclass(slots=True)
class Visit:
    """What every page needs to know about the request it answers."""

    request: Request
    section: str
    notice: Notice | None = None
    cookie: str = field(init=False)

    def __post_init__(self) -> None:
        self.cookie = cookie_of(self.request, COOKIE)

    @property
    def call(self) -> Call:
        """Who asks, for the services."""
        return self.request.call

    @property
    def name(self) -> str:
        """How the bar calls the person."""
        return self.call.principal.name

    @property
    def roles(self) -> str:
        """What the person is, for those who hover over the name."""
        return ", ".join(sorted(self.call.principal.roles))

    @property
    def owner(self) -> str:
        """The provider this visitor is bound to, or nothing."""
        return self.call.principal.bindings.get("provider", "")

    @property
    def menu(self) -> list[MenuEntry]:
        """The places this visitor may go to; of a place with several doors, the first that is open to them."""
        found: dict[str, MenuEntry] = {}
        for entry in MENU:
            if self.can(entry.scope):
                found.setdefault(entry.key, entry)
        return list(found.values())

    @property
    def csrf_field(self) -> Markup:
        """The hidden field every form carries."""
        return Markup('<input type="hidden" name="{}" value="{}">').format(CSRF_FIELD, form_token(self.cookie))

    @property
    def query(self) -> dict[str, str]:
        """The query, surrounding space removed; of a repeated name the last value."""
        return {name: value.strip() for name, value in self.request.query}

    def can(self, scope: str) -> bool:
        """Whether to show what this scope opens; the route decides again."""
        return may(self.call.principal, scope).allowed

    def form(self) -> dict[str, str]:
        """The submitted form, once its token is checked. Raises: Forbidden FORM_TOKEN_WRONG; Incorrect."""
        fields = parse_form(self.request.body)
        self._check_token(fields)
        return fields

    def upload(self) -> Upload:
        """The submitted form with its file, once its token is checked. Raises: as `form`."""
        sent = parse_upload(self.request.headers.get("content-type", ""), self.request.body)
        self._check_token(sent.fields)
        return sent

    def _check_token(self, fields: dict[str, str]) -> None:
        if not token_fits(self.cookie, fields.pop(CSRF_FIELD, "")):
            raise Forbidden(
                FORM_TOKEN_WRONG,
                "This form is not from a page of this session",
                hint="Go back, reload the page, and send it again",
            )

    def page(self, template: str, values: Mapping[str, Any], status: int = 200, headers: HeaderPairs = ()) -> Response:
        """Render a page with the bar around it."""
        return html(template, {"visit": self, **values}, status, headers)


PageHandler = Callable[[Visit], Awaitable[Response]]


def page(section: str, handler: PageHandler) -> Callable[[Request], Awaitable[Response]]:
    """A page handler as the handler of a route, for who has signed in.

    Raises: Unauthenticated SESSION_MISSING, also where the API is open or a key was sent: pages are for sessions.
    """

    async def handle(request: Request) -> Response:
        if request.call.principal.kind != "session":
            raise Unauthenticated(SESSION_MISSING, "This page needs a session", hint="Sign in with an API key")
        return await handler(Visit(request, section))

    handle.__doc__ = handler.func.__doc__ if isinstance(handler, partial) else handler.__doc__
    return handle


def cookie_of(request: Request, name: str) -> str:
    """A cookie's value; empty when it is missing or the header cannot be read."""
    try:
        cookies = SimpleCookie(request.headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookies[name].value if name in cookies else ""


def form_token(secret: str) -> str:
    """The token of every form of a session: only who can read the cookie can make it."""
    return hmac.new(secret.encode(), CSRF_USE, hashlib.sha256).hexdigest()


def token_fits(secret: str, token: str) -> bool:
    """Whether a form's token belongs to the session's cookie; nothing belongs to an empty one."""
    return bool(secret) and hmac.compare_digest(form_token(secret).encode(), token.encode())


def error_page(error: KiungoError, request_id: str) -> Response:
    """An error as a page, for the routes of the console."""
    heading = {401: "Sign in first", 403: "Not for you", 404: "Not found"}.get(error.http_status, "That did not work")
    values = {
        "heading": heading,
        "message": error.message,
        "hint": error.hint,
        "details": error.details,
        "code": error.code,
        "request_id": request_id,
    }
    return html("error.html", values, error.http_status)
