"""Every page of the dashboard, and its routes. A page asks the domain's services and shows their answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

from kiungo.base.errors import Conflict, Detail, Forbidden, Incorrect, KiungoError
from kiungo.console.rendering import go_to
from kiungo.console.vems import bookings, contracts, settlements
from kiungo.console.vems.frame import HOME, route
from kiungo.console.vems.overview import show_overview
from kiungo.console.vems.payees import PayeePages
from kiungo.console.vems.rails import RailPages
from kiungo.console.visit import Notice, Visit
from kiungo.domains.vems import correcting, overriding, roles
from kiungo.domains.vems.errors import invalid
from kiungo.domains.vems.routes.legs import EVIDENCE_MAX, OUTCOMES, visible_leg
from kiungo.domains.vems.routes.overrides import wish_of
from kiungo.domains.vems.routes.reading import Sent
from kiungo.domains.vems.routes.statements import STATEMENT_BYTES_MAX
from kiungo.domains.vems.service import Vems
from kiungo.domains.vems.settlement import desk
from kiungo.domains.vems.settlement.desk import Outcome
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel.audit import Reads
from kiungo.kernel.database import Unit
from kiungo.kernel.http import Response, Route
from kiungo.ports.payment import Rail

WISHED: Final = ("bookingStatus", "approvalStatus", "approvedAmount")
REFUSALS: Final = (Conflict, Forbidden, Incorrect)
FORM_BYTES: Final = 10_000
"""What a form with a file holds beside the file."""


@dataclass(frozen=True, slots=True)
class VemsPages:
    """The dashboard."""

    vems: Vems
    settlements: Settlements
    rails: Mapping[str, Rail]
    reads: Reads

    async def overview(self, visit: Visit) -> Response:
        """Figures, what needs somebody, and charts."""
        return await show_overview(self.vems.database, self.settlements, visit)

    async def bookings(self, visit: Visit) -> Response:
        """The list of bookings."""
        return await bookings.show_list(self.vems.desk, self.reads, visit)

    async def booking(self, visit: Visit) -> Response:
        """One booking."""
        self._say(visit, bookings.DONE)
        return await bookings.show_one(self.vems.desk, self.reads, visit)

    async def correct(self, verb: str, visit: Visit) -> Response:
        """Propose or confirm a correction of a booking, or agree with an override."""
        form, call, number = visit.form(), visit.call, visit.request.params["booking_no"]

        def write(unit: Unit) -> None:
            if verb == "override":
                wish = wish_of({name: value for name, value in form.items() if name in WISHED and value})
                overriding.confirm(self.vems.desk, unit, call, number, wish)
                return
            sent = Sent(form)
            approved = sent.amount("approvedAmount", least_minor=0)
            reason = sent.text("reason", most=500, lines=True, required=verb == "propose")
            sent.check()
            if verb == "propose":
                correcting.propose(self.vems.desk, unit, call, number, approved, reason)
            else:
                correcting.confirm(self.vems.desk, unit, call, number, approved)

        error = await self._write(write)
        if error is not None:
            return await bookings.show_one(self.vems.desk, self.reads, visit, error)
        return go_to(f"{bookings.ADDRESS}/{number}?done={verb}")

    async def settled(self, visit: Visit) -> Response:
        """The list of settlements."""
        return await settlements.show_list(self.vems.database, self.reads, visit)

    async def settlement(self, visit: Visit) -> Response:
        """One settlement."""
        return await settlements.show_one(self.vems.database, self.reads, visit)

    async def payments(self, visit: Visit) -> Response:
        """The desk of payments."""
        return await settlements.show_desk(self.vems.database, visit)

    async def payment(self, visit: Visit) -> Response:
        """One payment."""
        self._say(visit, settlements.DONE | settlements.SET_OFF)
        return await settlements.show_payment(self.vems.database, visit)

    async def decide(self, verb: str, visit: Visit) -> Response:
        """Propose, confirm, release, or pay again."""
        form, call, reference = visit.form(), visit.call, visit.request.params["reference"]
        outcome = cast("Outcome", form.get("outcome", ""))

        def write(unit: Unit) -> str:
            visible_leg(unit, call, reference)
            if verb == "release":
                desk.release_leg(self.settlements, unit, call, reference)
            elif verb == "pay-again":
                return desk.pay_again(self.settlements, unit, call, reference)
            elif outcome not in OUTCOMES:
                raise invalid([Detail("outcome", "Say how the payment ended.")])
            elif verb == "propose":
                sent = Sent(form)
                evidence = sent.text("evidence", most=EVIDENCE_MAX, lines=True)
                sent.check()
                desk.propose_outcome(unit, call, reference, outcome, evidence)
            else:
                desk.confirm_outcome(self.settlements, unit, call, reference, outcome)
            return reference

        try:
            shown = await self.vems.database.write_async(write)
        except REFUSALS as error:
            return await settlements.show_payment(self.vems.database, visit, error)
        done = "set-off" if verb == "pay-again" and shown == reference else verb
        return go_to(f"{settlements.PAYMENTS}/{shown}?done={done}")

    async def contracts(self, visit: Visit) -> Response:
        """The list of contracts."""
        return await contracts.show_list(self.vems.database, visit)

    async def contract(self, visit: Visit) -> Response:
        """The editor."""
        return await contracts.show_form(self.vems.database, self.vems.contracts, visit)

    async def save(self, visit: Visit) -> Response:
        """What the editor sends."""
        return await contracts.save(self.vems.database, self.vems.contracts, visit)

    async def import_contracts(self, visit: Visit) -> Response:
        """A file of contracts."""
        return await contracts.import_file(self.vems.database, self.vems.contracts, visit)

    async def _write(self, work: Callable[[Unit], None]) -> KiungoError | None:
        try:
            await self.vems.database.write_async(work)
        except REFUSALS as error:
            return error
        return None

    def _say(self, visit: Visit, done: Mapping[str, str]) -> None:
        verb = visit.query.get("done", "")
        if verb in done:
            visit.notice = Notice("wait" if verb == "propose" else "good", done[verb])

    def routes(self) -> tuple[Route, ...]:
        """The routes of these pages."""
        booking = bookings.ADDRESS + "/{booking_no}"
        payment = settlements.PAYMENTS + "/{reference}"
        one_contract = contracts.ADDRESS + "/{contract_id}"
        read, correct = roles.READ_SETTLEMENTS, roles.OVERRIDE_BOOKINGS
        return (
            route("GET", HOME, roles.READ_ANALYTICS, self.overview),
            route("GET", bookings.ADDRESS, roles.READ_BOOKINGS, self.bookings),
            route("GET", booking, roles.READ_BOOKINGS, self.booking),
            *(route("POST", f"{booking}/{verb}", correct, partial(self.correct, verb)) for verb in bookings.DONE),
            route("GET", settlements.ADDRESS, read, self.settled),
            route("GET", settlements.ADDRESS + "/{number:path}", read, self.settlement),
            route("GET", settlements.PAYMENTS, read, self.payments),
            route("GET", payment, read, self.payment),
            *(
                route("POST", f"{payment}/{verb}", roles.DECIDE_SETTLEMENTS, partial(self.decide, verb))
                for verb in settlements.DONE
            ),
            route("GET", contracts.ADDRESS, roles.READ_CONTRACTS, self.contracts),
            route("GET", contracts.ADDRESS + "/new", roles.WRITE_CONTRACTS, self.contract),
            route("POST", contracts.ADDRESS + "/new", roles.WRITE_CONTRACTS, self.save),
            route(
                "POST",
                contracts.ADDRESS + "/import",
                roles.WRITE_CONTRACTS,
                self.import_contracts,
                body_bytes_max=contracts.FILE_BYTES_MAX,
            ),
            route("GET", one_contract, roles.READ_CONTRACTS, self.contract),
            route("POST", one_contract, roles.WRITE_CONTRACTS, self.save),
            *self._payee_routes(),
            *self._rail_routes(),
        )

    def _payee_routes(self) -> tuple[Route, ...]:
        pages = PayeePages(self.vems.database, self.settlements)
        listed = f"{HOME}/payees"
        one = listed + "/{payee}"
        return (
            route("GET", listed, roles.READ_PAYEES, pages.show_list),
            route("POST", listed, roles.WRITE_PAYEES, pages.add),
            route("GET", one, roles.READ_PAYEES, pages.show),
            route("POST", f"{one}/change", roles.WRITE_PAYEES, pages.change),
            route("POST", f"{one}/propose", roles.WRITE_PAYEES, pages.propose),
            route("POST", f"{one}/approve", roles.APPROVE_PAYEES, pages.approve),
            route("POST", f"{one}/refuse", roles.APPROVE_PAYEES, pages.refuse),
        )

    def _rail_routes(self) -> tuple[Route, ...]:
        pages = RailPages(self.vems.database, self.settlements, self.rails)
        listed = f"{HOME}/rails"
        one = listed + "/{rail}"
        return (
            route("GET", listed, roles.READ_STATEMENTS, pages.show_list),
            route("GET", one, roles.READ_STATEMENTS, pages.show),
            route("POST", f"{one}/accept", roles.RECONCILE, pages.accept),
            route("POST", f"{one}/refuse", roles.RECONCILE, pages.refuse),
            route("POST", f"{one}/explain", roles.RECONCILE, pages.explain),
            route("POST", f"{one}/fund", roles.FUND_FLOATS, pages.fund),
            route("POST", f"{one}/resume", roles.DECIDE_SETTLEMENTS, pages.resume),
            route(
                "POST", f"{one}/statements", roles.RECONCILE, pages.upload,
                body_bytes_max=STATEMENT_BYTES_MAX + FORM_BYTES,
            ),
        )  # fmt: skip
