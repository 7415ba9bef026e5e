"""Lean routes and FastAPI routes behind one pure-ASGI pipeline.

A lean route: `Route("GET", "/api/claims/{claim_id}/", show, scope="read:claims", api="payor")` with
`async def show(request: Request) -> Response`. A FastAPI route: any endpoint with
`exchange: Annotated[Exchange, secured("admin:access")]`. Both are given to a `Site`, which checks that
every route has a scope or stands in the list of public ones.
"""

from kiungo.kernel.http.errors import ErrorShape
from kiungo.kernel.http.messages import Handler, HeaderPairs, Request, Response
from kiungo.kernel.http.routes import Exchange, Route, as_starlette, open_to_all, secured

__all__ = [
    "ErrorShape",
    "Exchange",
    "Handler",
    "HeaderPairs",
    "Request",
    "Response",
    "Route",
    "as_starlette",
    "open_to_all",
    "secured",
]
