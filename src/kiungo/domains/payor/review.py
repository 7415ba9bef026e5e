"""The review desk: what people decide about claims, each step audited, each accumulator reversed exactly."""

from collections.abc import Mapping
from dataclasses import replace

from kiungo.base.errors import Conflict, Forbidden
from kiungo.base.money import Money
from kiungo.domains.payor import access, events, rebuild, voiding
from kiungo.domains.payor.asked import amounts, said_in
from kiungo.domains.payor.decided import Decided, describe
from kiungo.domains.payor.errors import (
    CLAIM_CHANGED,
    CLAIM_STATE,
    SECOND_PERSON_NEEDED,
    claim_not_found,
)
from kiungo.domains.payor.explanation import steps_for
from kiungo.domains.payor.model import Adjudication, Ruling
from kiungo.domains.payor.rules.case import Case
from kiungo.domains.payor.rules.pipeline import adjudicate
from kiungo.domains.payor.store import claims, desk, members
from kiungo.domains.payor.store.claims import ClaimRow
from kiungo.domains.payor.store.desk import FIRST_VOID, REPLACEMENT
from kiungo.kernel import audit, json
from kiungo.kernel.auth import Call
from kiungo.kernel.auth.keys import root_of
from kiungo.kernel.database import Unit


class ReviewDesk:
    """Everything a reviewer does. Every method works inside its caller's unit of work.

    Raises (all methods): NotFound CLAIM_NOT_FOUND; Conflict CLAIM_STATE; Incorrect VALIDATION_ERROR; Forbidden
    NOT_YOURS for a bound credential, but for `provide_information`.
    """

    def __init__(self, payor: voiding.Desk) -> None:
        self._payor = payor

    def assign(self, unit: Unit, call: Call, claim_id: str, *, to: str | None) -> ClaimRow:
        """Give a waiting claim to somebody, or back to nobody."""
        row = self._waiting(unit, call, claim_id)
        self._step(unit, call, row, "assign", to or "")
        return self._store(unit, call, replace(row, assigned_to=to))

    def approve(
        self,
        unit: Unit,
        call: Call,
        claim_id: str,
        *,
        note: str = "",
        allowed: Mapping[int, str] | None = None,
        allowed_total: str | None = None,
        version: int | None = None,
    ) -> ClaimRow:
        """Approve a waiting claim, wholly or in part.

        `allowed` sets the allowed amount of lines, `allowed_total` that of the claim, spread over its lines;
        the patient's part is then worked out as always. Above the plan's four-eyes amount the first approval
        is kept until a second person gives the same one. `version` is that of the claim the reviewer looked at.
        Raises: Forbidden SECOND_PERSON_NEEDED when the same person approves twice, or asked for what it would
        void; Conflict CLAIM_CHANGED when the claim is at another version.
        """
        row = self._waiting(unit, call, claim_id, version)
        self._refuse_sender(unit, call, row)
        on_file = rebuild.read(unit, call, self._payor.repository, row)
        ruling = Ruling("approve", note, amounts(on_file, allowed or {}, allowed_total))
        case, result = self._judge(unit, call, on_file, ruling)
        if result.outcome != "approved":
            raise Conflict(
                CLAIM_STATE,
                f"Claim {claim_id} has no line that could be paid: {_denial(result)}",
                hint="Set the allowed amount of the lines to pay, or reject the claim",
            )
        above = case.book.plan.four_eyes_above
        if above is not None and result.paid > above and not self._seconded(unit, call, row, ruling, result.paid):
            self._step(unit, call, row, "first_approval", note, ruling, result.paid)
            return self._store(unit, call, replace(row, desk="second_approval"))
        return self._decide(unit, call, on_file, case, result, action="approve", note=note, ruling=ruling)

    def reject(self, unit: Unit, call: Call, claim_id: str, *, reason: str, version: int | None = None) -> ClaimRow:
        """Reject a waiting claim. Raises: Conflict CLAIM_CHANGED when it is at another version than `version`."""
        row = self._waiting(unit, call, claim_id, version)
        on_file = rebuild.read(unit, call, self._payor.repository, row)
        ruling = Ruling("reject", said_in(reason, "reason"))
        case, result = self._judge(unit, call, on_file, ruling)
        return self._decide(unit, call, on_file, case, result, action="reject", note=ruling.reason, ruling=ruling)

    def request_information(self, unit: Unit, call: Call, claim_id: str, *, question: str) -> ClaimRow:
        """Ask the provider something; the claim stays under review."""
        row = self._waiting(unit, call, claim_id)
        self._step(unit, call, row, "request_information", said_in(question, "question"))
        changed = self._store(unit, call, replace(row, desk="information_requested"))
        self._publish(unit, call, changed, "claim.information_requested", previous=row.state, message=question.strip())
        return changed

    def provide_information(self, unit: Unit, call: Call, claim_id: str, *, text: str) -> ClaimRow:
        """The provider's answer; the claim goes back to the desk.

        Raises: NotFound CLAIM_NOT_FOUND, Conflict CLAIM_STATE.
        """
        access.refuse_anonymous(call, "Answering a reviewer")
        known = claims.find(unit, call.tenant, claim_id)
        if known is None or not access.sees(call, known.provider_id):
            raise claim_not_found(claim_id)
        row = voiding.hold(unit, call, claim_id)
        if row.desk != "information_requested":
            raise Conflict(CLAIM_STATE, f"Claim {claim_id} waits for no information", hint="Look at the claim again")
        self._step(unit, call, row, "information", said_in(text, "text"))
        return self._store(unit, call, replace(row, desk="open"))

    def reopen(self, unit: Unit, call: Call, claim_id: str, *, reason: str) -> ClaimRow:
        """Take a decision back: its accumulators are reversed and the claim waits again.

        Raises: Conflict CLAIM_STATE.
        """
        access.refuse_bound(call)
        row = voiding.hold_to_judge(unit, call, claim_id)
        if row.state == "under_review" or row.payment_id is not None:
            why = "is under review already" if row.payment_id is None else "was paid"
            raise Conflict(CLAIM_STATE, f"Claim {claim_id} {why}", hint="A paid claim can be voided, not reopened")
        on_file = rebuild.read(unit, call, self._payor.repository, row)
        ruling = Ruling("reopen", said_in(reason, "reason"))
        case, result = self._judge(unit, call, on_file, ruling)
        return self._decide(unit, call, on_file, case, result, action="reopen", note=ruling.reason, ruling=ruling)

    def void(self, unit: Unit, call: Call, claim_id: str, *, reason: str) -> ClaimRow:
        """Take a claim out of force; what was paid for it is owed back.

        A claim that was paid more than the plan's four-eyes amount stays in force until a second person voids it.
        Raises: Forbidden SECOND_PERSON_NEEDED when the same person asks twice.
        """
        access.refuse_bound(call)
        said = said_in(reason, "reason")
        row = voiding.hold(unit, call, claim_id)
        snapshot = self._payor.openings.snapshot(unit, call.tenant)
        if voiding.is_large_payment(snapshot, row) and not self._void_seconded(unit, call, row):
            self._step(unit, call, row, FIRST_VOID, said)
            return self._store(unit, call, replace(row, desk="second_approval"))
        return voiding.void(self._payor, unit, call, claim_id, reason=said)

    def keep(self, unit: Unit, call: Call, claim_id: str, *, reason: str) -> ClaimRow:
        """Let a paid claim stand that somebody asked to void: the one who asked, or another.

        Raises: Conflict CLAIM_STATE when nobody asked.
        """
        access.refuse_bound(call)
        said = said_in(reason, "reason")
        row = voiding.hold(unit, call, claim_id)
        last = _last_step(unit, call, row)
        if last is None or last.action != FIRST_VOID:
            raise Conflict(
                CLAIM_STATE, f"Nobody asked to void claim {claim_id}", hint="Look at the claim again; it stands"
            )
        self._step(unit, call, row, "keep", said)
        return self._store(unit, call, replace(row, desk=None))

    def steps(self, unit: Unit, call: Call, claim_id: str) -> list[desk.DeskStep]:
        """What people did with a claim, oldest first, as far as the caller may know."""
        return steps_for(call, desk.steps(unit, call.tenant, claim_id))

    def _waiting(self, unit: Unit, call: Call, claim_id: str, version: int | None = None) -> ClaimRow:
        access.refuse_bound(call)
        row = voiding.hold_to_judge(unit, call, claim_id)
        if version is not None and version != row.version:
            raise Conflict(
                CLAIM_CHANGED,
                f"Claim {claim_id} is at version {row.version}, not {version}",
                field="version",
                hint="Look at the claim again, then decide",
            )
        if row.state != "under_review":
            raise Conflict(
                CLAIM_STATE, f"Claim {claim_id} is {row.state}, not under review", hint="Reopen it to decide again"
            )
        return row

    def _judge(self, unit: Unit, call: Call, on_file: rebuild.OnFile, ruling: Ruling) -> tuple[Case, Adjudication]:
        """Reverse what the claim took, then judge it again as of now with the reviewer's ruling."""
        row = on_file.row
        voiding.reverse_entries(unit, call.tenant, row, version=row.version + 1)
        case = self._payor.openings.on_file(
            unit, call.tenant, on_file.claim, claim_id=row.claim_id, plan_id=row.plan_id, ruling=ruling
        )
        result = adjudicate(case)
        if case.booking_used_by is not None and result.outcome != "rejected":
            raise Conflict(
                CLAIM_STATE,
                f"The booking of claim {row.claim_id} was claimed by {case.booking_used_by}",
                hint="Void that claim first; a booking is paid once",
            )
        return case, result

    def _decide(
        self,
        unit: Unit,
        call: Call,
        on_file: rebuild.OnFile,
        case: Case,
        result: Adjudication,
        *,
        action: str,
        note: str,
        ruling: Ruling,
    ) -> ClaimRow:
        row, tenant = on_file.row, call.tenant
        self._step(unit, call, row, action, note, ruling)
        if action == "approve" and on_file.claim.replaces is not None:
            self._void_replaced(unit, call, row.claim_id, on_file.claim.replaces)
        decided = describe(
            self._payor.records,
            case,
            result,
            rebuild.standing_of(unit, tenant, row),
            claim_id=row.claim_id,
            ids=on_file.ids,
            submitted_us=row.submitted_us,
            decided_us=unit.now_us,
        )
        for prepared in (decided.response, decided.benefit):
            self._payor.repository.update(unit, call, prepared)
        version = row.version + 1
        members.add_entries(
            unit,
            tenant,
            result.entries,
            family_id=row.family_id,
            claim_id=row.claim_id,
            version=version,
            reversal=False,
        )
        claims.remove_services(unit, tenant, row.claim_id, on_file.claim)
        if result.outcome != "rejected":
            ruled_out = ruling.ruled_out
            claims.add_services(unit, tenant, row.claim_id, on_file.claim, result.lines, ruled_out=ruled_out)
        elif ruling.kind == "reject":
            claims.add_refused(unit, tenant, row.claim_id, on_file.claim)
        changed = replace(
            row,
            state=result.outcome,
            version=version,
            paid_minor=result.paid.minor if result.outcome == "approved" else 0,
            patient_minor=result.patient.minor if result.outcome != "under_review" else 0,
            decided_us=None if result.outcome == "under_review" else unit.now_us,
            desk="open" if result.outcome == "under_review" else None,
            wire=decided.wire,
        )
        claims.update(unit, tenant, changed)
        self._announce(unit, call, row, decided)
        return changed

    def _announce(self, unit: Unit, call: Call, row: ClaimRow, decided: Decided) -> None:
        topic = "claim.pended" if decided.result.outcome == "under_review" else "claim.decided"
        message = decided.view["notes"] or events.message_of(decided.view)
        payload = events.status_update(
            decided.view,
            at_us=unit.now_us,
            previous=row.state,
            new=decided.result.outcome,
            message=message,
            processed_by=events.BY_HAND,
            payment=decided.payment_details(),
        )
        self._payor.outbox.publish(unit, tenant=call.tenant, topic=topic, aggregate=decided.claim_id, payload=payload)

    def _publish(self, unit: Unit, call: Call, row: ClaimRow, topic: str, *, previous: str, message: str) -> None:
        payload = events.status_update(
            json.loads(row.wire),
            at_us=unit.now_us,
            previous=previous,
            new=row.state,
            message=message,
            processed_by=events.BY_HAND,
        )
        self._payor.outbox.publish(unit, tenant=call.tenant, topic=topic, aggregate=row.claim_id, payload=payload)

    def _store(self, unit: Unit, call: Call, row: ClaimRow) -> ClaimRow:
        """Write a claim that changed, as its next version."""
        return voiding.store_view(self._payor, unit, call, replace(row, version=row.version + 1))

    def _void_replaced(self, unit: Unit, call: Call, claim_id: str, replaced_id: str) -> None:
        """Void the paid claim whose replacement waited for a person; usually it was voided long ago."""
        replaced = claims.find(unit, call.tenant, replaced_id)
        if replaced is None:
            return
        if replaced.replaced_by not in (None, claim_id):
            raise Conflict(
                CLAIM_STATE,
                f"Claim {replaced_id} was replaced by {replaced.replaced_by} already",
                hint="Reject this claim; the provider can replace the other one",
            )
        if replaced.voided_us is None:
            voiding.void(self._payor, unit, call, replaced_id, reason="Replaced", by=claim_id)

    def _step(
        self,
        unit: Unit,
        call: Call,
        row: ClaimRow,
        action: str,
        note: str,
        ruling: Ruling | None = None,
        paid: Money | None = None,
    ) -> None:
        principal = call.principal
        desk.add(
            unit,
            call.tenant,
            row.claim_id,
            action=action,
            principal_id=principal.id,
            principal_name=principal.name,
            note=note,
            ruling=ruling,
            paid_minor=paid.minor if paid is not None else None,
        )
        audit.record(unit, call, action, kind="claim", id=row.claim_id, person=row.patient_fhir)

    def _seconded(self, unit: Unit, call: Call, row: ClaimRow, ruling: Ruling, paid: Money) -> bool:
        """Whether somebody else gave the same approval just before, which came to the same.

        Raises: Forbidden SECOND_PERSON_NEEDED.
        """
        last = _last_step(unit, call, row)
        if last is None or last.action != "first_approval" or last.ruling is None:
            return False
        if dict(last.ruling.allowed) != dict(ruling.allowed) or last.paid_minor not in (None, paid.minor):
            return False
        _refuse_same_person(unit, call, last, "Approving this amount")
        return True

    def _void_seconded(self, unit: Unit, call: Call, row: ClaimRow) -> bool:
        """Whether somebody else asked for the same just before. Raises: Forbidden SECOND_PERSON_NEEDED."""
        last = _last_step(unit, call, row)
        if last is None or last.action != FIRST_VOID:
            return False
        _refuse_same_person(unit, call, last, "Voiding a claim that was paid this much")
        return True

    def _refuse_sender(self, unit: Unit, call: Call, row: ClaimRow) -> None:
        """Who asked to replace a large paid claim does not approve it. Raises: Forbidden SECOND_PERSON_NEEDED."""
        for step in desk.steps(unit, call.tenant, row.claim_id):
            if step.action == REPLACEMENT:
                _refuse_same_person(unit, call, step, "Replacing a claim that was paid this much")


def _last_step(unit: Unit, call: Call, row: ClaimRow) -> desk.DeskStep | None:
    steps = [step for step in desk.steps(unit, call.tenant, row.claim_id) if step.action != "assign"]
    return steps[-1] if steps else None


def _refuse_same_person(unit: Unit, call: Call, step: desk.DeskStep, what: str) -> None:
    """A rotated key is its predecessor's person."""
    if root_of(unit, call.tenant, step.principal_id) == root_of(unit, call.tenant, call.principal.id):
        raise Forbidden(
            SECOND_PERSON_NEEDED,
            f"{what} needs a second person",
            hint="Ask a colleague with the scope review:claims to decide the same",
        )


def _denial(result: Adjudication) -> str:
    denial = result.first("deny")
    return denial.text if denial else "nothing would be paid"
