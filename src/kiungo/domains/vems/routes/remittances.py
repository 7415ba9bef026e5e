"""Money that came in for a booking, over HTTP: a person says which statement line it is."""

from dataclasses import dataclass
from typing import Final

from kiungo.domains.vems.reconciliation.remittances import remit_line
from kiungo.domains.vems.roles import RECONCILE
from kiungo.domains.vems.routes.describing import fields, operation, text
from kiungo.domains.vems.routes.reading import Sent
from kiungo.domains.vems.routes.settlements import API, OWN, read_settlement
from kiungo.domains.vems.routes.statements import ID_MAX, TAG, missing_rail
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http import Request, Response, Route

REMIT: Final = operation(
    "Say which booking's money a statement line is; what waited for it is paid out",
    "The settlement",
    tag=TAG,
    writes=True,
    body=fields(("lineId", "settlementNo"), lineId=text(ID_MAX), settlementNo=text(ID_MAX)),
)


@dataclass(frozen=True, slots=True)
class RemittanceApi:
    """The handler."""

    database: Database
    settlements: Settlements

    async def remit(self, request: Request) -> Response:
        """POST /vems/v1/rails/{rail}/remittances"""
        call, rail, sent = request.call, request.params["rail"], Sent.of(request)
        if rail not in self.settlements.rails:
            raise missing_rail(rail, self.settlements.rails)
        line_id, number = sent.text("lineId", most=ID_MAX), sent.text("settlementNo", most=ID_MAX)
        sent.check()

        def work(unit: Unit) -> Response:
            remit_line(self.settlements, unit, call, rail, line_id, number)
            return Response.json({"success": True, "data": read_settlement(unit, call, number)})

        return await request.write(work)

    def routes(self) -> list[Route]:
        """The route."""
        return [Route("POST", OWN + "/rails/{rail}/remittances", self.remit, scope=RECONCILE, api=API, openapi=REMIT)]
