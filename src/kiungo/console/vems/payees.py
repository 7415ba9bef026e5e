"""Payees: who is paid and where; details are proposed by one person and approved by another."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from kiungo.base.errors import Conflict, Forbidden, Incorrect, KiungoError
from kiungo.console.rendering import go_to
from kiungo.console.vems.frame import HOME, show
from kiungo.console.visit import Notice, Visit
from kiungo.domains.vems.notifications.templates import LANGUAGES
from kiungo.domains.vems.roles import APPROVE_PAYEES, WRITE_PAYEES
from kiungo.domains.vems.routes.payees import PayeeApi, missing_payee, read_payee
from kiungo.domains.vems.routes.reading import Sent, whole_of
from kiungo.domains.vems.settlement import listing, payees
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http import Response

ADDRESS: Final = f"{HOME}/payees"
SHOWN: Final = 50
FORM_PREFERENCES: Final = 2
NOTICES: Final = {
    "saved": Notice("good", "Saved."),
    "propose": Notice("wait", "Your proposal is kept. A second person has to approve it."),
    "approve": Notice("good", "Approved. Changed details are used when their hold is over."),
    "refuse": Notice("info", "Refused. The payee is paid as before."),
}
FIELDS: Final = ("name", "language", "phone", "email")


@dataclass(frozen=True, slots=True)
class PayeePages:
    """The pages about payees."""

    database: Database
    settlements: Settlements

    async def show_list(
        self, visit: Visit, form: dict[str, str] | None = None, error: KiungoError | None = None
    ) -> Response:
        """Payees by their ids, and the form to register one."""
        call, after = visit.call, visit.query.get("after", "")
        found = await self.database.read_async(
            lambda unit: [
                (one, payees.active_details(unit, call.tenant, one.payee_id))
                for one in payees.payees_page(unit, call.tenant, after=after, limit=SHOWN + 1)
            ]
        )
        context = {
            "payees": found[:SHOWN],
            "may_write": visit.can(WRITE_PAYEES),
            "languages": LANGUAGES,
            "values": form or {},
            "next_page": f"{ADDRESS}?after={found[SHOWN - 1][0].payee_id}" if len(found) > SHOWN else "",
        }
        return show(visit, "payees", "payees.html", context, error)

    async def add(self, visit: Visit) -> Response:
        """Register a payee."""
        form, call = visit.form(), visit.call
        try:
            payee = read_payee(Sent({name: form.get(name, "") for name in FIELDS}), form.get("payee", ""))
            await self.database.write_async(lambda unit: payees.put_payee(unit, call, payee))
        except Incorrect as error:
            return await self.show_list(visit, form, error)
        return go_to(f"{ADDRESS}/{payee.payee_id}?done=saved")

    async def show(self, visit: Visit, error: KiungoError | None = None) -> Response:
        """One payee: its details with their versions, and what it owes back."""
        call, payee_id = visit.call, visit.request.params["payee"]
        if error is None:
            visit.notice = NOTICES.get(visit.query.get("done", ""))

        def read(unit: Unit) -> dict[str, Any]:
            payee = payees.find_payee(unit, call.tenant, payee_id)
            if payee is None:
                raise missing_payee(payee_id)
            versions = payees.details_of(unit, call.tenant, payee_id)
            return {
                "payee": payee,
                "versions": versions,
                "proposed": next((one for one in versions if one.state == "proposed"), None),
                "active": next((one for one in versions if one.state == "active"), None),
                "now_us": unit.now_us,
                "clawbacks": listing.clawbacks(unit, call.tenant, payee=payee_id, limit=SHOWN),
            }

        context = await self.database.read_async(read)
        context |= {
            "may_write": visit.can(WRITE_PAYEES),
            "may_approve": visit.can(APPROVE_PAYEES),
            "me": call.principal.id,
            "languages": LANGUAGES,
            "rails": sorted(self.settlements.rails.items()),
        }
        return show(visit, "payees", "payee.html", {**context, "slots": range(FORM_PREFERENCES)}, error)

    async def change(self, visit: Visit) -> Response:
        """Change a payee's name and how it is told."""
        form, call, payee_id = visit.form(), visit.call, visit.request.params["payee"]

        def step(unit: Unit) -> None:
            if payees.find_payee(unit, call.tenant, payee_id) is None:
                raise missing_payee(payee_id)
            payee = read_payee(Sent({name: form.get(name, "") for name in FIELDS}), payee_id)
            payees.put_payee(unit, call, payee)

        return await self._done(visit, "saved", step)

    async def propose(self, visit: Visit) -> Response:
        """Propose where the payee is paid."""
        form, call, payee_id = visit.form(), visit.call, visit.request.params["payee"]
        given = [
            {"rail": rail, "kind": kind, "number": form.get(f"number{place}", ""),
             "bankCode": form.get(f"bankCode{place}", ""), "branchCode": form.get(f"branchCode{place}", "")}
            for place in range(FORM_PREFERENCES)
            if form.get(f"number{place}")
            for rail, _, kind in [form.get(f"to{place}", "").partition("/")]
        ]  # fmt: skip

        def step(unit: Unit) -> None:
            preferences = PayeeApi(self.database, self.settlements).read_preferences({"preferences": given})
            payees.propose_details(unit, call, payee_id, preferences)

        return await self._done(visit, "propose", step)

    async def approve(self, visit: Visit) -> Response:
        """Approve proposed details."""
        form, call, payee_id = visit.form(), visit.call, visit.request.params["payee"]
        version, hold_s = whole_of(form.get("version", "")) or 0, self.settlements.policy.details_hold_s
        return await self._done(
            visit, "approve", lambda unit: payees.approve_details(unit, call, payee_id, version, hold_s=hold_s)
        )

    async def refuse(self, visit: Visit) -> Response:
        """Refuse proposed details."""
        form, call, payee_id = visit.form(), visit.call, visit.request.params["payee"]
        version = whole_of(form.get("version", "")) or 0
        return await self._done(visit, "refuse", lambda unit: payees.refuse_details(unit, call, payee_id, version))

    async def _done(self, visit: Visit, what: str, step: Callable[[Unit], object]) -> Response:
        def write(unit: Unit) -> None:
            step(unit)

        try:
            await self.database.write_async(write)
        except (Conflict, Forbidden, Incorrect) as error:
            return await self.show(visit, error)
        return go_to(f"{ADDRESS}/{visit.request.params['payee']}?done={what}")
