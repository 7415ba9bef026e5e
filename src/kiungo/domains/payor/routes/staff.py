"""Routes of the payor's own people: the scope, and no binding."""

from typing import Any

from fastapi import Depends
from starlette.requests import Request as StarletteRequest

from kiungo.domains.payor.access import refuse_bound
from kiungo.kernel.http.routes import Exchange, Guard


class Staff(Guard):
    """A guard that refuses credentials bound to one owner, whatever their scopes."""

    __slots__ = ()

    async def __call__(self, request: StarletteRequest) -> Exchange:
        exchange = await super().__call__(request)
        refuse_bound(exchange.call)
        return exchange


def staff(scope: str) -> Any:
    """The dependency of a route of the payor's own people, as `secured` is of everybody's."""
    return Depends(Staff(scope))
