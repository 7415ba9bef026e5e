"""The HTTP API of equipment bookings: the documented part, further steps, administration, and the money of bookings."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from fastapi import APIRouter

from kiungo.domains.vems.roles import OWNERS
from kiungo.domains.vems.routes.analytics import AnalyticsApi
from kiungo.domains.vems.routes.booking import booking_routes
from kiungo.domains.vems.routes.claims import PUBLIC, claim_routes
from kiungo.domains.vems.routes.contracts import contract_routes
from kiungo.domains.vems.routes.corrections import CorrectionApi
from kiungo.domains.vems.routes.describing import COMPONENTS
from kiungo.domains.vems.routes.legs import LegApi
from kiungo.domains.vems.routes.notices import NoticeApi
from kiungo.domains.vems.routes.overrides import OverrideApi
from kiungo.domains.vems.routes.payees import PayeeApi
from kiungo.domains.vems.routes.remittances import RemittanceApi
from kiungo.domains.vems.routes.settlements import SettlementApi
from kiungo.domains.vems.routes.statements import StatementApi
from kiungo.domains.vems.service import Vems
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel.audit import Reads
from kiungo.kernel.http import Route
from kiungo.ports.payment import Rail

__all__ = ["COMPONENTS", "PUBLIC", "money_routers", "money_routes", "vems_routes"]


def vems_routes(vems: Vems, reads: Reads) -> list[Route]:
    """Every route of bookings, their claims and their contracts."""
    found = [
        *booking_routes(vems.desk, reads),
        *OverrideApi(vems.desk, vems.alone_max).routes(),
        *claim_routes(vems.claims, vems.submissions, reads),
        *contract_routes(vems.database, vems.contracts, vems.people, vems.books, reads),
    ]
    return confined(found)


def confined(routes: Iterable[Route]) -> list[Route]:
    """Routes that refuse who is bound to what they cannot be confined to."""
    return [replace(route, owners=OWNERS.get(route.scope or "")) for route in routes]


def money_routes(vems: Vems, settlements: Settlements, rails: Mapping[str, Rail], reads: Reads) -> list[Route]:
    """Every route of what bookings pay: settlements, the desk of payments, payees, reconciliation, messages."""
    database = vems.database
    found = [
        *SettlementApi(database, reads).routes(),
        *LegApi(database, settlements).routes(),
        *CorrectionApi(vems.desk).routes(),
        *PayeeApi(database, settlements).routes(),
        *StatementApi(database, settlements, rails).routes(),
        *RemittanceApi(database, settlements).routes(),
        *NoticeApi(database).routes(),
        *AnalyticsApi(database).routes(),
    ]
    return confined(found)


def money_routers(vems: Vems) -> list[APIRouter]:
    """What is streamed."""
    return [AnalyticsApi(vems.database).router()]
