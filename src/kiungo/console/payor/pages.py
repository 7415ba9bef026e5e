"""Every page of the payor, and its routes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from kiungo.base.errors import Conflict, Forbidden, Incorrect, KiungoError
from kiungo.console.assets import NOT_AN_API
from kiungo.console.payor import submission
from kiungo.console.payor.actions import (
    DONE,
    FIRST_APPROVAL,
    FIRST_VOID,
    REVIEW,
    WRITE,
    act,
    actions_for,
    first_approval_of,
    history_of,
    name_of,
)
from kiungo.console.payor.claim import facts, finding_views, head, line_views
from kiungo.console.payor.claims import ADDRESS, show_claims
from kiungo.console.payor.codes import show_codes
from kiungo.console.payor.queue import QUEUE, show_queue
from kiungo.console.rendering import go_to
from kiungo.console.visit import Notice, Visit, page
from kiungo.domains.payor import rebuild
from kiungo.domains.payor.book import PlanBook
from kiungo.domains.payor.review import ReviewDesk
from kiungo.domains.payor.service import Payor
from kiungo.domains.payor.store.claims import ClaimRow
from kiungo.domains.payor.store.desk import DeskStep
from kiungo.kernel import json
from kiungo.kernel.audit import Reads
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Unit
from kiungo.kernel.http import Response, Route

READ = "read:claims"
CODES = "/console/codes"
ARRIVED = {
    "submitted": "The claim is on file.",
    "repeated": "This claim was here already; this is the original.",
}


@dataclass(frozen=True, slots=True)
class PayorPages:
    """The payor's pages. A page asks the services and shows their answer."""

    payor: Payor
    desk: ReviewDesk
    reads: Reads

    async def list(self, visit: Visit) -> Response:
        """The list of claims."""
        return await show_claims(self.payor, visit, note=self._note)

    async def queue(self, visit: Visit) -> Response:
        """The review desk."""
        return await show_queue(self.payor, self.desk, visit, note=self._note)

    async def codes(self, visit: Visit) -> Response:
        """The code cheat-sheet."""
        return await show_codes(self.payor, visit)

    async def form(self, visit: Visit) -> Response:
        """The submission form."""
        return await submission.show_form(self.payor, visit)

    async def submit(self, visit: Visit) -> Response:
        """What the submission form sends."""
        return await submission.submit(self.payor, visit)

    async def show(self, visit: Visit) -> Response:
        """One claim."""
        done = visit.query.get("done", "")
        if done in ARRIVED:
            visit.notice = Notice("info", ARRIVED[done])
        elif done in DONE:
            visit.notice = Notice("good", DONE[done])
        elif done == "first_void":
            visit.notice = Notice("wait", FIRST_VOID)
        elif done == "first_approval":
            visit.notice = Notice("wait", FIRST_APPROVAL)
        return await self._claim(visit)

    async def act(self, verb: str, visit: Visit) -> Response:
        """Do something with a claim, and show it again; a refusal is said on its page."""
        form = visit.form()
        claim_id = visit.request.params["claim_id"]

        def write(unit: Unit) -> ClaimRow:
            self.payor.find(unit, visit.call, claim_id)
            return act(self.desk, unit, visit, claim_id, verb, form)

        try:
            row = await self.payor.database.write_async(write)
        except (Conflict, Forbidden, Incorrect) as error:
            return await self._claim(visit, error)
        if form.get("back") == "review":
            return go_to(QUEUE)
        done = "first_approval" if verb == "approve" and row.state == "under_review" else verb
        done = "first_void" if verb == "void" and row.voided_us is None else done
        return go_to(f"{ADDRESS}/{claim_id}?done={done}")

    async def _claim(self, visit: Visit, error: KiungoError | None = None) -> Response:
        claim_id = visit.request.params["claim_id"]

        def read(unit: Unit) -> tuple[rebuild.OnFile, list[DeskStep], PlanBook | None]:
            row = self.payor.find(unit, visit.call, claim_id)
            on_file = rebuild.read(unit, visit.call, self.payor.repository, row)
            book = self.payor.openings.snapshot(unit, visit.call.tenant).plans.get(row.plan_id)
            return on_file, self.desk.steps(unit, visit.call, claim_id), book

        on_file, steps, book = await self.payor.database.read_async(read)
        row = on_file.row
        self._note(visit.call, "read", row)
        if error is not None:
            visit.notice = Notice("bad", error.told)
        actions = actions_for(visit, on_file, first_approval_of(row, steps))
        context: dict[str, Any] = {
            "claim": head(on_file, json.loads(row.wire)),
            "lines": line_views(on_file, book),
            "findings": finding_views(on_file.result),
            "facts": facts(on_file.claim, row, book),
            "history": history_of(on_file, steps),
            "review": {
                "assignee": name_of(row, steps),
                "second_needed": row.desk == "second_approval",
                "is_waiting": row.state == "under_review" and visit.can(REVIEW),
                "actions": actions,
            }
            if actions
            else None,
        }
        return visit.page("claim.html", context, error.http_status if error else 200)

    def _note(self, call: Call, action: str, row: ClaimRow) -> None:
        """Reading a person's record is audited."""
        self.reads.note(call, action, "claim", row.claim_id, row.patient_fhir)

    def routes(self) -> tuple[Route, ...]:
        """The routes of these pages."""
        one = ADDRESS + "/{claim_id}"
        scopes = dict.fromkeys(DONE, REVIEW) | {"provide-information": WRITE}
        return (
            _route("GET", ADDRESS, READ, "claims", self.list),
            _route("GET", ADDRESS + "/new", WRITE, "submit", self.form),
            _route("POST", ADDRESS + "/new", WRITE, "submit", self.submit),
            _route("GET", one, READ, "claims", self.show),
            *(_route("POST", f"{one}/{verb}", scopes[verb], "claims", partial(self.act, verb)) for verb in DONE),
            _route("GET", QUEUE, REVIEW, "review", self.queue),
            _route("GET", CODES, READ, "codes", self.codes),
        )


def _route(method: str, path: str, scope: str, section: str, handler: Callable[[Visit], Awaitable[Response]]) -> Route:
    return Route(method, path, page(section, handler), scope=scope, api="console", openapi=NOT_AN_API)
