"""Signing in with an API key, and signing out."""

import re
import secrets
from dataclasses import dataclass

from kiungo.base.errors import KiungoError, Unauthenticated
from kiungo.console.assets import NOT_AN_API
from kiungo.console.forms import parse_form
from kiungo.console.rendering import go_to, html
from kiungo.console.visit import CSRF_FIELD, MENU, Visit, cookie_of, error_page, form_token, token_fits
from kiungo.kernel.auth import Call, may
from kiungo.kernel.auth.sessions import COOKIE, close_session, cookie_header, find_session, open_session
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http import ErrorShape, Request, Response, Route

HOME = "/console/"
FIRST_PAGE = "/console/claims"
SIGN_IN = "/console/sign-in"
SIGN_OUT = "/console/sign-out"
BEFORE = "kiungo_before"
BEFORE_BYTES = 24
# Only what we made ourselves is sent back in a header.
_OURS = re.compile(r"[A-Za-z0-9_-]{32}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Access:
    """The sign-in pages. Shapes: `secure` keeps the cookie to https; `is_dev` names where keys come from."""

    database: Database
    secure: bool
    is_dev: bool

    async def show(self, request: Request) -> Response:
        """The sign-in form."""
        return self._form(request)

    async def enter(self, request: Request) -> Response:
        """Open a session and go to the first page; a wrong key is said on the form."""
        form = parse_form(request.body)
        if not token_fits(cookie_of(request, BEFORE), form.get(CSRF_FIELD, "")):
            return self._form(request, self._unknown_page(), 403)
        key = form.get("api_key", "")
        try:
            value = await self.database.write_async(lambda unit: open_session(unit, request.call, key))
        except Unauthenticated:
            return self._form(request, "This key opens nothing. It may be mistyped, revoked or expired.", 401)
        first = await self.database.read_async(lambda unit: _first_page(unit, value))
        return go_to(first, (cookie_header(value, secure=self.secure),))

    async def leave(self, request: Request) -> Response:
        """End the session and show the sign-in form."""
        visit = Visit(request, "")
        visit.form()

        def end(unit: Unit) -> None:
            found = find_session(unit, visit.cookie.encode())
            if found is not None:
                owner = Call(found[0].principal("session"), visit.call.request_id, visit.call.origin)
                close_session(unit, owner, visit.cookie)

        await self.database.write_async(end)
        return go_to(SIGN_IN, (cookie_header("", secure=self.secure, lifetime_s=0),))

    async def home(self, request: Request) -> Response:
        """The first page they may see for who has a session, the sign-in form for everybody else."""
        value = cookie_of(request, COOKIE)
        return go_to(await self.database.read_async(lambda unit: _first_page(unit, value)) if value else SIGN_IN)

    def refuse(self, error: KiungoError, request_id: str) -> Response:
        """An error as a page; a visitor without a session is sent to the sign-in form."""
        if error.http_status == 401:
            return go_to(SIGN_IN, (cookie_header("", secure=self.secure, lifetime_s=0),))
        return error_page(error, request_id)

    def _form(self, request: Request, problem: str = "", status: int = 200) -> Response:
        before = cookie_of(request, BEFORE)
        if not _OURS.match(before):
            before = secrets.token_urlsafe(BEFORE_BYTES)
        flags = f"{BEFORE}={before}; Path={SIGN_IN}; Max-Age=3600; HttpOnly; SameSite=Strict"
        cookie = (b"set-cookie", (flags + ("; Secure" if self.secure else "")).encode("ascii"))
        values = {
            "problem": problem,
            "is_dev": self.is_dev,
            "csrf": form_token(before),
        }
        return html("sign_in.html", values, status, (cookie,))

    def _unknown_page(self) -> str:
        """Why the form's cookie did not come with it."""
        https = " Over plain http browsers keep our cookies back: use the https address." if self.secure else ""
        return f"The page was too old. Please try again.{https}"

    def routes(self) -> tuple[Route, ...]:
        """The public sign-in pages, and leaving."""
        return (
            Route("GET", SIGN_IN, self.show, public=True, api="console", openapi=NOT_AN_API),
            Route("POST", SIGN_IN, self.enter, public=True, api="console", openapi=NOT_AN_API),
            Route("POST", SIGN_OUT, self.leave, public=True, api="console", openapi=NOT_AN_API),
            Route("GET", HOME, self.home, public=True, api="console", openapi=NOT_AN_API),
        )

    def error_shape(self) -> ErrorShape:
        """How errors under /console look."""
        return ErrorShape("console", ("/console",), self.refuse)


def _first_page(unit: Unit, value: str) -> str:
    """The first place of the menu a session may go to; the claims where it may go nowhere, which says so."""
    found = find_session(unit, value.encode())
    if found is None:
        return SIGN_IN
    principal = found[0].principal("session")
    return next((entry.address for entry in MENU if may(principal, entry.scope).allowed), FIRST_PAGE)
