"""The payor's HTTP API: lean routes for providers, FastAPI routes for the desk and the administrators."""

from fastapi import APIRouter

from kiungo.domains.payor.routes.admin import admin_router
from kiungo.domains.payor.routes.claims import claim_routes
from kiungo.domains.payor.routes.desk import answers_router, desk_router, payments_router
from kiungo.domains.payor.routes.reference import reference_router
from kiungo.domains.payor.service import Payor
from kiungo.kernel.audit import Reads
from kiungo.kernel.http import Route

__all__ = ["payor_routers", "payor_routes"]


def payor_routes(payor: Payor, reads: Reads) -> list[Route]:
    """The lean routes."""
    return claim_routes(payor, reads)


def payor_routers(payor: Payor, reads: Reads) -> list[APIRouter]:
    """The FastAPI routers."""
    return [
        desk_router(payor, reads),
        answers_router(payor),
        payments_router(payor),
        admin_router(payor, reads),
        reference_router(payor),
    ]
