"""The HTTP API of equipment bookings: the documented part, further steps, and administration."""

from kiungo.domains.vems.routes.booking import booking_routes
from kiungo.domains.vems.routes.claims import PUBLIC, claim_routes
from kiungo.domains.vems.routes.contracts import contract_routes
from kiungo.domains.vems.service import Vems
from kiungo.kernel.audit import Reads
from kiungo.kernel.http import Route

__all__ = ["PUBLIC", "vems_routes"]


def vems_routes(vems: Vems, reads: Reads) -> list[Route]:
    """Every route of the domain."""
    return [
        *booking_routes(vems.desk, reads),
        *claim_routes(vems.claims, vems.submissions, reads),
        *contract_routes(vems.database, vems.contracts, vems.people, vems.books, reads),
    ]
