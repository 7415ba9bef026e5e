"""The payor's use cases for providers: submit a claim, look at it, list claims, ask why.

Prepare outside, decide inside: a claim is read, looked up and adjudicated before the unit of work; inside, the
family is held, and only if anything changed meanwhile is the claim judged again.
"""

import time
from dataclasses import dataclass, replace
from random import Random

from kiungo.base.errors import Conflict, Forbidden, Incorrect
from kiungo.base.ids import human_id
from kiungo.base.time import Clock, date_of
from kiungo.domains.payor import access, events, stated, view, voiding
from kiungo.domains.payor.decided import Decided, describe
from kiungo.domains.payor.errors import CLAIM_STATE, PROVIDER_DIFFERS, VALIDATION_ERROR, claim_not_found
from kiungo.domains.payor.mapping.decision import Ids
from kiungo.domains.payor.mapping.records import Records
from kiungo.domains.payor.model import Adjudication, Finding
from kiungo.domains.payor.opening import Opening, Openings, Snapshots, refuse_if_refused
from kiungo.domains.payor.rules.order import in_order
from kiungo.domains.payor.rules.pipeline import adjudicate
from kiungo.domains.payor.store import claims, desk, members
from kiungo.domains.payor.store.claims import ClaimRow
from kiungo.domains.payor.view import Standing
from kiungo.fhir.model import Prepared
from kiungo.fhir.repository import Repository
from kiungo.kernel import audit, json
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.outbox import Outbox
from kiungo.ports.bookings import Bookings

CLAIM_ID_TRIES_MAX = 20


@dataclass(frozen=True, slots=True)
class New:
    """A decision of a new claim, with the claim itself as FHIR."""

    decided: Decided
    stated: Prepared


@dataclass(frozen=True, slots=True)
class Sent:
    """A submission on its way: read and judged, not yet written."""

    sent: stated.Stated
    provider_id: str
    opening: Opening
    new: New | None
    begun_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What POST answers: 201 for a new claim, 200 for one that was there already."""

    status: int
    claim_id: str
    body: bytes


class Payor:
    """The claims desk of one installation.

    `default_provider_id` stands in for a provider nobody named; None refuses such a claim.
    """

    def __init__(
        self,
        database: Database,
        repository: Repository,
        outbox: Outbox,
        *,
        bookings: Bookings | None = None,
        default_provider_id: str | None = None,
        rng: Random | None = None,
    ) -> None:
        self.database = database
        self.repository = repository
        self.outbox = outbox
        self.clock: Clock = database.clock
        self.openings = Openings(Snapshots(), bookings, repository)
        self.records = Records()
        self._default_provider_id = default_provider_id
        self._rng = rng

    async def prepare(self, call: Call, body: bytes, *, named_provider: str | None = None) -> Sent:
        """Read, look up and judge a submission; nothing is written.

        Raises: Incorrect, NotFound INSURANCE_NOT_FOUND, Forbidden PROVIDER_DIFFERS or NOT_YOURS, Unauthenticated
        when a claim is to be replaced by nobody known.
        """
        begun_s = time.perf_counter()
        sent = stated.parse(body)
        if sent.texts.get("replaces") is not None:
            access.refuse_anonymous(call, "Replacing a claim")
        provider_id = self._provider(call, sent, named_provider)
        opening = await self.database.point_read(lambda unit: self._open(unit, call, sent, provider_id))
        new = None if opening.same else self._decide(opening)
        return Sent(sent, provider_id, opening, new, begun_s)

    def submit(self, unit: Unit, call: Call, sent: Sent) -> Answer:
        """Write a prepared submission: FHIR, row, accumulators, audit and events, or nothing.

        Raises: as `prepare`, when what was read has changed and the claim is judged again.
        """
        tenant, opening, new = call.tenant, sent.opening, sent.new
        family_id = opening.case.member.family_id
        fresh = self._held_as_read(unit, tenant, opening) and members.take_family(
            unit, tenant, family_id, opening.family_version, opening.case.snapshot.version
        )
        if not fresh:
            opening, new = self._again(unit, call, sent)
        if opening.same is not None:
            return self._repeated(unit, call, sent, opening.same)
        assert new is not None
        decided = self._write(unit, call, opening, new)
        body = view.submission_answer(
            decided.view,
            itemized=decided.case.claim.itemized,
            message=view.MESSAGES[decided.result.outcome],
            processing_time_ms=_elapsed_ms(sent),
        )
        return Answer(201, decided.claim_id, body)

    def find(self, unit: Unit, call: Call, claim_id: str, *, named_provider: str | None = None) -> ClaimRow:
        """A claim the caller may see. Raises: NotFound CLAIM_NOT_FOUND, also for another provider's."""
        row = claims.find(unit, call.tenant, claim_id)
        if row is None or not access.sees(call, row.provider_id, named_provider):
            raise claim_not_found(claim_id)
        return row

    def find_wire(
        self, unit: Unit, call: Call, claim_id: str, *, named_provider: str | None = None
    ) -> tuple[bytes, str, int]:
        """The body of GET, the patient's record id and the claim's version. Raises: NotFound CLAIM_NOT_FOUND."""
        found = claims.find_wire(unit, call.tenant, claim_id)
        if found is None or not access.sees(call, found[2], named_provider):
            raise claim_not_found(claim_id)
        return view.claim_answer(found[0], found[1]), found[3], found[4]

    @staticmethod
    def only_provider(call: Call, named: str | None = None) -> str | None:
        """Whose claims the caller is confined to; see `access.only_provider`."""
        return access.only_provider(call, named)

    def _open(self, unit: Unit, call: Call, sent: stated.Stated, provider_id: str) -> Opening:
        now_us = self.clock.now_us()
        return self.openings.submitted(unit, call.tenant, sent, provider_id=provider_id, now_us=now_us)

    def _held_as_read(self, unit: Unit, tenant: int, opening: Opening) -> bool:
        """Hold the claim's booking and the provider's own number; whether nobody can have used them since it was read.

        They are held before any family: claims of two families may have them in common.
        """
        claim = opening.case.claim
        if claim.booking_no is not None:
            voiding.hold_booking(unit, tenant, claim.booking_no)
        if claim.provider_claim_id is not None:
            unit.lock(f"payor:number:{tenant}:{claim.provider_id}:{claim.provider_claim_id}")
        if claim.booking_no is not None:
            return False  # whoever keeps bookings may have changed it: it is always read again
        return opening.same is not None or claims.of_own_number(unit, tenant, claim) == opening.case.same_number

    def _again(self, unit: Unit, call: Call, sent: Sent) -> tuple[Opening, New | None]:
        """Hold what may change and read it all again."""
        members.hold_family(unit, call.tenant, sent.opening.case.member.family_id)
        opening = self._open(unit, call, sent.sent, sent.provider_id)
        return opening, None if opening.same else self._decide(opening)

    def _decide(self, opening: Opening) -> New:
        result = adjudicate(opening.case)
        refuse_if_refused(result)
        if _waits_to_replace(opening):
            result = _asked(opening, result)
        return self._describe(opening, result, Ids(*(self.repository.new_id() for _ in range(3))))

    def _describe(self, opening: Opening, result: Adjudication, ids: Ids) -> New:
        now_us = self.clock.now_us()
        decided = describe(
            self.records,
            opening.case,
            result,
            Standing(),
            claim_id=human_id("CLM", date_of(now_us), self._rng),
            ids=ids,
            submitted_us=now_us,
            decided_us=now_us,
        )
        stated = self.records.claim(opening.case, ids, claim_id=decided.claim_id, submitted_us=now_us)
        return New(decided, stated)

    def _place(self, unit: Unit, call: Call, opening: Opening, new: New) -> New:
        """Write the row under a claim id nobody has, voiding what it replaces in that id's name.

        A taken id is drawn again, and then nothing of the try is left.
        """
        replaced = None if _waits_to_replace(opening) else opening.replaced
        for _ in range(CLAIM_ID_TRIES_MAX):
            row = _row(opening, new.decided)
            if claims.insert(unit, call.tenant, row) if replaced is None else self._replace(unit, call, replaced, row):
                return new
            new = self._describe(opening, new.decided.result, new.decided.ids)
        raise AssertionError("no free claim id was drawn; the generator does not draw")

    def _replace(self, unit: Unit, call: Call, replaced: ClaimRow, row: ClaimRow) -> bool:
        """Void a claim and write the one in its place; False, with nothing done, when the id is taken."""
        try:
            with unit.savepoint():
                voiding.void(self, unit, call, replaced.claim_id, reason="Replaced", by=row.claim_id)
                if not claims.insert(unit, call.tenant, row):
                    raise _IdTaken
        except _IdTaken:
            return False
        return True

    def _write(self, unit: Unit, call: Call, opening: Opening, new: New) -> Decided:
        new = self._place(unit, call, opening, new)
        if _waits_to_replace(opening):
            desk.add(
                unit,
                call.tenant,
                new.decided.claim_id,
                action=desk.REPLACEMENT,
                principal_id=call.principal.id,
                principal_name=call.principal.name,
                note="",
            )
        tenant, decided = call.tenant, new.decided
        claim, result = decided.case.claim, decided.result
        self.repository.create_all(unit, call, (new.stated, decided.response, decided.benefit))
        if result.outcome != "rejected":
            claims.add_services(unit, tenant, decided.claim_id, claim, result.lines)
        members.add_entries(
            unit,
            tenant,
            result.entries,
            family_id=decided.case.member.family_id,
            claim_id=decided.claim_id,
            version=1,
            reversal=False,
        )
        person = decided.case.member.fhir_id
        audit.record(unit, call, "submit", kind="claim", id=decided.claim_id, person=person)
        self._publish(unit, tenant, decided)
        return decided

    def _publish(self, unit: Unit, tenant: int, decided: Decided) -> None:
        received = events.status_update(
            decided.view, at_us=decided.submitted_us, previous=None, new="submitted", message=events.MESSAGE_RECEIVED
        )
        publish = self.outbox.publish
        publish(unit, tenant=tenant, topic="claim.submitted", aggregate=decided.claim_id, payload=received)
        topic = "claim.pended" if decided.result.outcome == "under_review" else "claim.decided"
        payload = events.status_update(
            decided.view,
            at_us=decided.decided_us,
            previous="submitted",
            new=decided.result.outcome,
            message=events.message_of(decided.view),
            payment=decided.payment_details(),
        )
        publish(unit, tenant=tenant, topic=topic, aggregate=decided.claim_id, payload=payload)

    def _repeated(self, unit: Unit, call: Call, sent: Sent, row: ClaimRow) -> Answer:
        audit.record(unit, call, "submit", kind="claim", id=row.claim_id, person=row.patient_fhir, detail="REPEATED")
        body = view.submission_answer(
            json.loads(row.wire),
            itemized=sent.sent.itemized,
            message=view.MESSAGE_REPLACED.format(row.replaced_by) if row.replaced_by else view.MESSAGE_REPEATED,
            processing_time_ms=_elapsed_ms(sent),
        )
        return Answer(200, row.claim_id, body)

    def _provider(self, call: Call, sent: stated.Stated, named: str | None) -> str:
        """Who the claim is from: the key's own provider, else the header's, the body's, or the default."""
        own = access.own_provider(call)
        in_body = sent.texts.get("provider_id")
        known = own or named
        if known and in_body and in_body != known:
            raise Forbidden(
                PROVIDER_DIFFERS,
                f"provider_id {in_body} is not the provider of this call",
                field="provider_id",
                hint="Leave provider_id out, or send the claim with that provider's own key",
            )
        if own and named and named != own:
            raise Forbidden(
                PROVIDER_DIFFERS,
                "X-Provider-ID names another provider than the key's",
                field="X-Provider-ID",
                hint="Leave the header out, or use that provider's own key",
            )
        if named is not None and not 0 < len(named) <= stated.TEXTS_MAX["provider_id"]:
            raise Incorrect(
                VALIDATION_ERROR,
                "X-Provider-ID is empty or too long",
                field="X-Provider-ID",
                hint="Send the provider id you were given, or leave the header out",
            )
        provider_id = known or in_body or self._default_provider_id
        if provider_id is None:
            raise Incorrect(
                VALIDATION_ERROR,
                "provider_id is required",
                field="provider_id",
                hint="Name the provider in provider_id or in the header X-Provider-ID",
            )
        return provider_id


class _IdTaken(Exception):
    """The drawn claim id belongs to another claim."""


def _waits_to_replace(opening: Opening) -> bool:
    """Whether the claim takes the place of one that was paid too much for one person to take back."""
    replaced = opening.replaced
    return replaced is not None and voiding.is_large_payment(opening.case.snapshot, replaced)


def _asked(opening: Opening, result: Adjudication) -> Adjudication:
    """The result with the question whether the paid claim is to be replaced. Raises: Conflict CLAIM_STATE."""
    claim, replaced = opening.case.claim, opening.replaced
    assert replaced is not None
    if claim.booking_no is not None and claim.booking_no == replaced.booking_no:
        raise Conflict(
            CLAIM_STATE,
            f"Claim {replaced.claim_id} was paid, and its booking cannot be on two claims at once",
            field="replaces",
            hint="Ask the payor to void that claim, then send this one without replaces",
        )
    question = Finding(
        "review_triggers",
        "pend",
        f"The claim takes the place of {replaced.claim_id}, which was paid",
        reason="133",
        review="Replaces a paid claim",
        resolve="Approve to void the paid claim, whose amount is then owed back; reject to let it stand",
    )
    return replace(result, outcome="under_review", findings=in_order((*result.findings, question)), entries=())


def _elapsed_ms(sent: Sent) -> int:
    return int((time.perf_counter() - sent.begun_s) * 1_000)


def _row(opening: Opening, decided: Decided) -> ClaimRow:
    case, result = decided.case, decided.result
    claim, ids = case.claim, decided.ids
    return ClaimRow(
        claim_id=decided.claim_id,
        state=result.outcome,
        version=1,
        provider_id=claim.provider_id,
        member_id=claim.member_id,
        family_id=case.member.family_id,
        plan_id=case.coverage.plan_id,
        currency=claim.total.currency,
        charge_minor=result.charge.minor,
        paid_minor=result.paid.minor if result.outcome == "approved" else 0,
        patient_minor=result.patient.minor if result.outcome != "under_review" else 0,
        submitted_us=decided.submitted_us,
        decided_us=None if result.outcome == "under_review" else decided.decided_us,
        fingerprint=opening.fingerprint,
        provider_claim_id=claim.provider_claim_id,
        booking_no=claim.booking_no,
        patient_fhir=case.member.fhir_id,
        claim_fhir=ids.claim,
        response_fhir=ids.response,
        benefit_fhir=ids.benefit,
        desk="open" if result.outcome == "under_review" else None,
        assigned_to=None,
        voided_us=None,
        replaced_by=None,
        payment_id=None,
        wire=decided.wire,
    )
