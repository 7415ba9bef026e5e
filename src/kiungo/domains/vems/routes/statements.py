"""Rails over HTTP: their floats and pauses, statements, the queue of lines nobody placed, and the balance proof."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kiungo.base.errors import Detail, NotFound
from kiungo.domains.vems.errors import invalid
from kiungo.domains.vems.model import CURRENCY
from kiungo.domains.vems.reconciliation import service as reconciliation
from kiungo.domains.vems.reconciliation.proof import prove
from kiungo.domains.vems.reconciliation.service import Ingested
from kiungo.domains.vems.roles import DECIDE_SETTLEMENTS, FUND_FLOATS, READ_STATEMENTS, RECONCILE
from kiungo.domains.vems.routes import money_views as views
from kiungo.domains.vems.routes.describing import AMOUNT, OBJECT, TEXT, fields, many, one, operation, text, words
from kiungo.domains.vems.routes.reading import Sent
from kiungo.domains.vems.routes.settlements import API, OWN
from kiungo.domains.vems.settlement import accounts, desk
from kiungo.domains.vems.settlement.errors import RAIL_NOT_FOUND
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel import audit
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http import Request, Response, Route
from kiungo.ports.payment import AccountStatement, Rail

TAG: Final = "Equipment reconciliation"
STATEMENT_BYTES_MAX: Final = 8_000_000
ID_MAX: Final = 200
# What a line may be booked as by hand: never a payee's account, which only decisions and payments move.
EXPLAINED_AS: Final[Mapping[str, str]] = {
    "bank_charges": "expense:bank_charges",
    "interest": "income:interest",
    "own_money": accounts.FUNDING,
    "suspense": accounts.SUSPENSE,
}
MEDIA: Final = ("application/xml", "text/csv", "text/plain", "application/octet-stream")

RAILS: Final = operation("The connected rails, their floats, and which are paused", "The rails", tag=TAG,
                         schema=many(OBJECT))  # fmt: skip
RESUME: Final = operation("Send on a paused rail again, after its credential was seen to", "The rail", tag=TAG,
                          writes=True)  # fmt: skip
FUND: Final = operation(
    "Book own money that was put at a rail; the key counts once",
    "The rail",
    tag=TAG,
    writes=True,
    body=fields(("key", "amount"), key=text(64), amount=AMOUNT),
)
UPLOAD: Final = operation(
    "Take a statement in: camt.053, MT940, or the bank's CSV",
    "What it brought",
    tag=TAG,
    writes=True,
    body=TEXT,
    media=MEDIA,
)
QUEUE: Final = operation(
    "Statement lines nobody placed, each with the payments it might be", "The queue", tag=TAG, schema=many(OBJECT)
)
_MATCH: Final = fields(("lineId", "reference"), lineId=text(ID_MAX), reference=text(64))
ACCEPT: Final = operation("Say which payment a line is", "What is left of the queue", tag=TAG, writes=True, body=_MATCH)
REFUSE: Final = operation(
    "Say that a line is not this payment", "What is left of the queue", tag=TAG, writes=True, body=_MATCH
)
EXPLAIN: Final = operation(
    "Book a line that is no payment of ours",
    "What is left of the queue",
    tag=TAG,
    writes=True,
    body=fields(("lineId", "as", "memo"), lineId=text(ID_MAX), memo=text(200), **{"as": words(*EXPLAINED_AS)}),
)
PROOF: Final = operation(
    "Our books at a rail against its newest statement, every difference explained", "The proof", tag=TAG,
    schema=one(OBJECT),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StatementApi:
    """The handlers."""

    database: Database
    settlements: Settlements
    rails: Mapping[str, Rail]

    async def page(self, request: Request) -> Response:
        """GET /vems/v1/rails"""
        call = request.call
        found = await self.database.read_async(
            lambda unit: [rail_view(self.settlements, unit, call.tenant, name) for name in sorted(self.rails)]
        )
        return Response.json({"success": True, "data": found, "next": None})

    async def resume(self, request: Request) -> Response:
        """POST /vems/v1/rails/{rail}/resume"""
        call, rail = request.call, self.rail_of(request)

        def work(unit: Unit) -> Response:
            desk.resume_rail(self.settlements, unit, call, rail)
            return _data(rail_view(self.settlements, unit, call.tenant, rail))

        return await request.write(work)

    async def fund(self, request: Request) -> Response:
        """POST /vems/v1/rails/{rail}/fundings"""
        call, rail, sent = request.call, self.rail_of(request), Sent.of(request)
        key, amount = sent.text("key", most=64), sent.amount("amount")
        sent.check()

        def work(unit: Unit) -> Response:
            self.settlements.fund(unit, call.tenant, rail=rail, amount=amount, key=key)
            audit.record(unit, call, "fund", kind="Rail", id=rail, detail=key)
            return _data(rail_view(self.settlements, unit, call.tenant, rail))

        return await request.write(work)

    async def upload(self, request: Request) -> Response:
        """POST /vems/v1/rails/{rail}/statements"""
        call, rail = request.call, self.rail_of(request)
        if not request.body:
            raise invalid([Detail("body", "The body must be a statement: camt.053, MT940, or the bank's CSV.")])
        found = self.rails[rail].read_statements(request.body, {"name": "upload"})

        def work(unit: Unit) -> Response:
            return _data([_told(one, take_in(self.settlements, unit, call, rail, one)) for one in found])

        return await request.write(work)

    async def queue(self, request: Request) -> Response:
        """GET /vems/v1/rails/{rail}/queue"""
        call, rail = request.call, self.rail_of(request)
        found = await self.database.read_async(lambda unit: queue_of(unit, call, rail))
        return Response.json({"success": True, "data": found, "next": None})

    async def accept(self, request: Request) -> Response:
        """POST /vems/v1/rails/{rail}/accept"""
        line_id, reference = _match_of(request)
        return await self._decide(
            request,
            lambda unit, call, rail: reconciliation.accept(self.settlements.legs, unit, call, rail, line_id, reference),
        )

    async def refuse(self, request: Request) -> Response:
        """POST /vems/v1/rails/{rail}/refuse"""
        line_id, reference = _match_of(request)
        return await self._decide(
            request, lambda unit, call, rail: reconciliation.refuse(unit, call, rail, line_id, reference)
        )

    async def explain(self, request: Request) -> Response:
        """POST /vems/v1/rails/{rail}/explain"""
        sent = Sent.of(request)
        line_id, memo = sent.text("lineId", most=ID_MAX), sent.text("memo")
        booked_as = sent.text("as", choices=tuple(EXPLAINED_AS))
        sent.check()
        account = EXPLAINED_AS[booked_as]
        return await self._decide(
            request,
            lambda unit, call, rail: reconciliation.explain(unit, call, rail, line_id, account=account, memo=memo),
        )

    async def proof(self, request: Request) -> Response:
        """GET /vems/v1/rails/{rail}/proof"""
        call, rail = request.call, self.rail_of(request)
        found = await self.database.read_async(lambda unit: prove(unit, call.tenant, rail, CURRENCY))
        return _data(views.proof(found))

    def rail_of(self, request: Request) -> str:
        """The rail a path names. Raises: NotFound RAIL_NOT_FOUND."""
        rail = request.params["rail"]
        if rail not in self.rails:
            raise missing_rail(rail, self.rails)
        return rail

    async def _decide(self, request: Request, step: Any) -> Response:
        call, rail = request.call, self.rail_of(request)

        def work(unit: Unit) -> Response:
            step(unit, call, rail)
            return _data(queue_of(unit, call, rail))

        return await request.write(work)

    def routes(self) -> list[Route]:
        """The routes."""
        rail = OWN + "/rails/{rail}"
        return [
            Route("GET", f"{OWN}/rails", self.page, scope=READ_STATEMENTS, api=API, openapi=RAILS),
            Route("POST", f"{rail}/resume", self.resume, scope=DECIDE_SETTLEMENTS, api=API, openapi=RESUME),
            Route("POST", f"{rail}/fundings", self.fund, scope=FUND_FLOATS, api=API, openapi=FUND),
            Route(
                "POST", f"{rail}/statements", self.upload, scope=RECONCILE, api=API, openapi=UPLOAD,
                body_bytes_max=STATEMENT_BYTES_MAX,
            ),
            Route("GET", f"{rail}/queue", self.queue, scope=READ_STATEMENTS, api=API, openapi=QUEUE),
            Route("POST", f"{rail}/accept", self.accept, scope=RECONCILE, api=API, openapi=ACCEPT),
            Route("POST", f"{rail}/refuse", self.refuse, scope=RECONCILE, api=API, openapi=REFUSE),
            Route("POST", f"{rail}/explain", self.explain, scope=RECONCILE, api=API, openapi=EXPLAIN),
            Route("GET", f"{rail}/proof", self.proof, scope=READ_STATEMENTS, api=API, openapi=PROOF),
        ]  # fmt: skip


def take_in(settlements: Settlements, unit: Unit, call: Call, rail: str, statement: AccountStatement) -> Ingested:
    """Take a statement in that a person gives us. Raises: Incorrect STATEMENT_WRONG."""
    taken = reconciliation.ingest(settlements.legs, unit, call.tenant, rail, statement)
    audit.record(unit, call, "upload", kind="Statement", id=statement.statement_id[:64], detail=rail)
    return taken


def missing_rail(rail: str, rails: Iterable[str]) -> NotFound:
    """The refusal of a rail that is not connected."""
    connected = ", ".join(sorted(rails)) or "none is"
    return NotFound(RAIL_NOT_FOUND, f"No rail {rail[:32]} is connected", field="rail", hint=f"Connected: {connected}")


def rail_view(settlements: Settlements, unit: Unit, tenant: int, rail: str) -> dict[str, Any]:
    """A rail: what it can do, its float, and why it is paused if it is."""
    can = settlements.rails[rail]
    return {
        "rail": rail,
        "currency": can.currency,
        "destinations": sorted(can.destinations),
        "float": accounts.float_of(unit, tenant, rail, can.currency),
        "pausedBecause": settlements.legs.paused(unit, tenant).get(rail),
    }


def queue_of(unit: Unit, call: Call, rail: str) -> list[dict[str, Any]]:
    """Lines nobody placed, with suggestions."""
    return [views.line(line, suggested) for line, suggested in reconciliation.suggestions(unit, call.tenant, rail)]


def _told(statement: AccountStatement, taken: Ingested) -> dict[str, Any]:
    return {
        "statementId": statement.statement_id,
        "account": statement.account,
        "from": statement.opened_on.isoformat(),
        "until": statement.closed_on.isoformat(),
        "closing": statement.closing,
        "newLines": taken.new,
        "matched": taken.matched,
    }


def _match_of(request: Request) -> tuple[str, str]:
    sent = Sent.of(request)
    line_id, reference = sent.text("lineId", most=ID_MAX), sent.text("reference", most=64)
    sent.check()
    return line_id, reference


def _data(data: Any) -> Response:
    return Response.json({"success": True, "data": data})
