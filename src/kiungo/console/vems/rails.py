"""Banks and floats: what can be paid from where, the queue of statement lines, and the balance proof."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kiungo.base.errors import Conflict, Detail, Forbidden, Incorrect, KiungoError, NotFound
from kiungo.console.rendering import go_to
from kiungo.console.vems.frame import HOME, show
from kiungo.console.visit import Notice, Visit
from kiungo.domains.vems.errors import invalid
from kiungo.domains.vems.model import CURRENCY
from kiungo.domains.vems.reconciliation import service as reconciliation
from kiungo.domains.vems.reconciliation.proof import prove
from kiungo.domains.vems.reconciliation.service import Ingested
from kiungo.domains.vems.roles import DECIDE_SETTLEMENTS, FUND_FLOATS, RECONCILE
from kiungo.domains.vems.routes.reading import Sent
from kiungo.domains.vems.routes.statements import EXPLAINED_AS, missing_rail, rail_view, take_in
from kiungo.domains.vems.settlement import desk
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel import audit
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http import Response
from kiungo.ports.payment import Rail

ADDRESS: Final = f"{HOME}/rails"
LINES_SHOWN: Final = 50
DONE: Final = {
    "accept": "The line is used for this payment.",
    "refuse": "This payment is not suggested for the line again.",
    "explain": "Booked.",
    "fund": "Booked. What waited for money is tried again.",
    "resume": "The rail sends again.",
    "upload": "Taken in: {} new lines, {} of them with their payment. The others are in the queue.",
}


@dataclass(frozen=True, slots=True)
class RailPages:
    """The pages about rails."""

    database: Database
    settlements: Settlements
    rails: Mapping[str, Rail]

    async def show_list(self, visit: Visit) -> Response:
        """Every rail with its float, its proof, and how many lines wait."""
        tenant = visit.call.tenant

        def read(unit: Unit) -> list[dict[str, Any]]:
            return [
                rail_view(self.settlements, unit, tenant, rail)
                | {
                    "proof": prove(unit, tenant, rail, CURRENCY),
                    "open": len(reconciliation.open_lines(unit, tenant, rail)),
                }
                for rail in sorted(self.rails)
            ]

        return show(visit, "rails", "rails.html", {"rails": await self.database.read_async(read)})

    async def show(self, visit: Visit, error: KiungoError | None = None) -> Response:
        """One rail: its queue with suggestions, and the proof line by line."""
        call, rail = visit.call, self._rail(visit)
        done = visit.query.get("done", "")
        if error is None and done in DONE:
            visit.notice = Notice("good", DONE[done].format(*_counts(visit)))

        def read(unit: Unit) -> dict[str, Any]:
            queue = reconciliation.suggestions(unit, call.tenant, rail)
            return {
                "rail": rail_view(self.settlements, unit, call.tenant, rail),
                "proof": prove(unit, call.tenant, rail, CURRENCY),
                "queue": queue[:LINES_SHOWN],
                "left": max(len(queue) - LINES_SHOWN, 0),
            }

        context = await self.database.read_async(read)
        context |= {
            "may_reconcile": visit.can(RECONCILE),
            "may_decide": visit.can(DECIDE_SETTLEMENTS),
            "may_fund": visit.can(FUND_FLOATS),
            "explained_as": [(name, name.replace("_", " ").capitalize()) for name in EXPLAINED_AS],
        }
        return show(visit, "rails", "rail.html", context, error)

    async def accept(self, visit: Visit) -> Response:
        """A line is this payment."""
        form, call, rail, legs = visit.form(), visit.call, self._rail(visit), self.settlements.legs
        line, reference = form.get("line", ""), form.get("reference", "").upper()
        return await self._done(
            visit, "accept", lambda unit: reconciliation.accept(legs, unit, call, rail, line, reference)
        )

    async def refuse(self, visit: Visit) -> Response:
        """A line is not this payment."""
        form, call, rail = visit.form(), visit.call, self._rail(visit)
        line, reference = form.get("line", ""), form.get("reference", "")
        return await self._done(visit, "refuse", lambda unit: reconciliation.refuse(unit, call, rail, line, reference))

    async def explain(self, visit: Visit) -> Response:
        """A line is no payment of ours."""
        form, call, rail = visit.form(), visit.call, self._rail(visit)

        def step(unit: Unit) -> None:
            sent = Sent(form)
            memo, booked_as = sent.text("memo"), sent.text("as", choices=tuple(EXPLAINED_AS))
            sent.check()
            line, account = form.get("line", ""), EXPLAINED_AS[booked_as]
            reconciliation.explain(unit, call, rail, line, account=account, memo=memo)

        return await self._done(visit, "explain", step)

    async def fund(self, visit: Visit) -> Response:
        """Own money was put at the rail."""
        form, call, rail = visit.form(), visit.call, self._rail(visit)

        def step(unit: Unit) -> None:
            sent = Sent(form)
            key, amount = sent.text("key", most=64), sent.amount("amount")
            sent.check()
            self.settlements.fund(unit, call.tenant, rail=rail, amount=amount, key=key)
            audit.record(unit, call, "fund", kind="Rail", id=rail, detail=key)

        return await self._done(visit, "fund", step)

    async def resume(self, visit: Visit) -> Response:
        """Send again on a paused rail."""
        visit.form()
        call, rail = visit.call, self._rail(visit)
        return await self._done(visit, "resume", lambda unit: desk.resume_rail(self.settlements, unit, call, rail))

    async def upload(self, visit: Visit) -> Response:
        """A statement of the bank, as a file."""
        sent, call, rail = visit.upload(), visit.call, self._rail(visit)

        def write(unit: Unit) -> list[Ingested]:
            return [take_in(self.settlements, unit, call, rail, one) for one in found]

        try:
            if not sent.content:
                raise invalid([Detail("file", "Choose a file first.")])
            found = self.rails[rail].read_statements(sent.content, {"name": "upload"})
            taken = await self.database.write_async(write)
        except (Conflict, Incorrect) as error:
            return await self.show(visit, error)
        new, matched = sum(one.new for one in taken), sum(one.matched for one in taken)
        return go_to(f"{ADDRESS}/{rail}?done=upload&new={new}&matched={matched}")

    async def _done(self, visit: Visit, what: str, step: Callable[[Unit], object]) -> Response:
        def write(unit: Unit) -> None:
            step(unit)

        try:
            await self.database.write_async(write)
        except (Conflict, Forbidden, Incorrect, NotFound) as error:
            return await self.show(visit, error)
        return go_to(f"{ADDRESS}/{self._rail(visit)}?done={what}")

    def _rail(self, visit: Visit) -> str:
        rail = visit.request.params["rail"]
        if rail not in self.rails:
            raise missing_rail(rail, self.rails)
        return rail


def _counts(visit: Visit) -> tuple[int, int]:
    """What an upload brought, as its redirect says it."""
    said = [visit.query.get(name, "")[:6] for name in ("new", "matched")]
    new, matched = (int(text) if text.isdecimal() else 0 for text in said)
    return new, matched
