"""The desk of payments: what nobody knows the outcome of, what waits, and what came back.

Nothing here sends an order again whose outcome is unknown. A person says how it ended, another one agrees.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from kiungo.base.errors import Detail, NotFound
from kiungo.domains.vems.errors import invalid
from kiungo.domains.vems.roles import DECIDE_SETTLEMENTS, READ_SETTLEMENTS
from kiungo.domains.vems.routes import money_views as views
from kiungo.domains.vems.routes.describing import LIMIT, OBJECT, TEXT, fields, many, one, operation, text, words
from kiungo.domains.vems.routes.reading import Sent
from kiungo.domains.vems.routes.settlements import API, OWN, TAG
from kiungo.domains.vems.routes.shapes import limit_of, read_cursor
from kiungo.domains.vems.rules.settlement_states import STEPS
from kiungo.domains.vems.settlement import desk, listing, store
from kiungo.domains.vems.settlement.desk import Outcome
from kiungo.domains.vems.settlement.errors import LEG_NOT_FOUND
from kiungo.domains.vems.settlement.model import Leg, LegState
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http import Request, Response, Route

OUTCOMES: Final = ("paid", "failed", "returned")
EVIDENCE_MAX: Final = 500
Step = Callable[[Unit, str], None]

LIST: Final = operation(
    "Payments, oldest first",
    "One page",
    tag=TAG,
    schema=many(OBJECT),
    query={
        "legStatus": text(120, description="One state, or several with commas"),
        "payee": text(64),
        "rail": text(64),
        "limit": LIMIT,
        "cursor": TEXT,
    },
)
SHOW: Final = operation("One payment, and what happened to it", "The payment", tag=TAG, schema=one(OBJECT))
_OUTCOME: Final = words(*OUTCOMES)
PROPOSE: Final = operation(
    "Say how an unknown payment ended, or that a paid one came back; a colleague has to confirm it",
    "The payment with the proposal",
    tag=TAG,
    writes=True,
    body=fields(("outcome", "evidence"), outcome=_OUTCOME, evidence=text(EVIDENCE_MAX)),
)
CONFIRM: Final = operation(
    "Agree with a colleague's proposal; it takes effect",
    "The payment as it now is",
    tag=TAG,
    writes=True,
    body=fields(("outcome",), outcome=_OUTCOME),
)
RELEASE: Final = operation("Try a waiting or held payment again, now", "The payment", tag=TAG, writes=True)
PAY_AGAIN: Final = operation(
    "Pay a failed or returned payment again, to the payee's present details",
    "The new payment; the same one, now replaced, when what the payee owes took all of it",
    tag=TAG,
    writes=True,
    status="201",
)


@dataclass(frozen=True, slots=True)
class LegApi:
    """The handlers."""

    database: Database
    settlements: Settlements

    async def page(self, request: Request) -> Response:
        """GET /vems/v1/legs"""
        asked, call = dict(request.query), request.call
        states = _states(asked.get("legStatus"))
        limit, after = limit_of(asked), read_cursor(asked.get("cursor"))
        payee = _own(call) or asked.get("payee")
        found = await self.database.read_async(
            lambda unit: listing.legs_page(
                unit, call.tenant, states=states, payee=payee, rail=asked.get("rail"), after=after, limit=limit + 1
            )
        )
        following = f"{found[limit - 1][0]}_{found[limit - 1][1].reference}" if len(found) > limit else None
        return Response.json({"success": True, "data": [views.leg(leg) for _, leg in found[:limit]], "next": following})

    async def show(self, request: Request) -> Response:
        """GET /vems/v1/legs/{reference}"""
        call, reference = request.call, request.params["reference"]
        found = await self.database.read_async(lambda unit: _shown(unit, call, reference))
        return Response.json({"success": True, "data": found})

    async def propose(self, request: Request) -> Response:
        """POST /vems/v1/legs/{reference}/propose"""
        sent = Sent.of(request)
        outcome = cast("Outcome", sent.text("outcome", choices=OUTCOMES))
        evidence = sent.text("evidence", most=EVIDENCE_MAX, lines=True)
        sent.check()
        return await self._step(
            request, lambda unit, reference: desk.propose_outcome(unit, request.call, reference, outcome, evidence)
        )

    async def confirm(self, request: Request) -> Response:
        """POST /vems/v1/legs/{reference}/confirm"""
        sent = Sent.of(request)
        outcome = cast("Outcome", sent.text("outcome", choices=OUTCOMES))
        sent.check()
        return await self._step(
            request,
            lambda unit, reference: desk.confirm_outcome(self.settlements, unit, request.call, reference, outcome),
        )

    async def release(self, request: Request) -> Response:
        """POST /vems/v1/legs/{reference}/release"""
        return await self._step(
            request, lambda unit, reference: desk.release_leg(self.settlements, unit, request.call, reference)
        )

    async def pay_again(self, request: Request) -> Response:
        """POST /vems/v1/legs/{reference}/pay-again"""
        call, reference = request.call, request.params["reference"]

        def work(unit: Unit) -> Response:
            visible_leg(unit, call, reference)
            made = desk.pay_again(self.settlements, unit, call, reference)
            return Response.json({"success": True, "data": _shown(unit, call, made)}, 201)

        return await request.write(work)

    async def _step(self, request: Request, step: Step) -> Response:
        call, reference = request.call, request.params["reference"]

        def work(unit: Unit) -> Response:
            visible_leg(unit, call, reference)
            step(unit, reference)
            return Response.json({"success": True, "data": _shown(unit, call, reference)})

        return await request.write(work)

    def routes(self) -> list[Route]:
        """The routes."""
        one_leg = OWN + "/legs/{reference}"
        read, decide = READ_SETTLEMENTS, DECIDE_SETTLEMENTS
        return [
            Route("GET", f"{OWN}/legs", self.page, scope=read, api=API, openapi=LIST),
            Route("GET", one_leg, self.show, scope=read, api=API, openapi=SHOW),
            Route("POST", f"{one_leg}/propose", self.propose, scope=decide, api=API, openapi=PROPOSE),
            Route("POST", f"{one_leg}/confirm", self.confirm, scope=decide, api=API, openapi=CONFIRM),
            Route("POST", f"{one_leg}/release", self.release, scope=decide, api=API, openapi=RELEASE),
            Route("POST", f"{one_leg}/pay-again", self.pay_again, scope=decide, api=API, openapi=PAY_AGAIN),
        ]


def _own(call: Call) -> str | None:
    """The payee a bound credential is, or nothing: facilities are paid under their code."""
    bound = call.principal.bindings
    return bound.get("payee") or bound.get("facility")


def visible_leg(unit: Unit, call: Call, reference: str) -> Leg:
    """A payment the caller may see. Raises: NotFound LEG_NOT_FOUND, also for another payee's."""
    leg = store.peek_leg(unit, call.tenant, reference)
    own = _own(call)
    if leg is None or (own is not None and own != leg.payee_id):
        raise NotFound(
            LEG_NOT_FOUND, f"No payment has the reference {reference[:64]}", field="reference", hint="Check it"
        )
    return leg


def _shown(unit: Unit, call: Call, reference: str) -> dict[str, Any]:
    leg = visible_leg(unit, call, reference)
    steps = [
        {"at": views.moment(at_us), "what": what, "by": who, "text": detail}
        for at_us, what, ref, who, detail in store.steps_of(unit, call.tenant, leg.booking_no)
        if ref == reference
    ]
    return views.leg(leg) | {"steps": steps}


def _states(value: str | None) -> tuple[LegState, ...]:
    wanted = tuple(part for part in (value or "").split(",") if part)
    if wanted and not set(wanted) <= STEPS.keys():
        raise invalid([Detail("legStatus", f"The selected legStatus is invalid. Use some of: {', '.join(STEPS)}.")])
    return cast("tuple[LegState, ...]", wanted)
