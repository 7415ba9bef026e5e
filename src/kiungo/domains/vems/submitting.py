"""Claims we submit ourselves, when a booking carries a diagnosis: fixed first, sent by a job, never twice by mistake.

Usually the hospital's own system submits the claim with the booking number; see following.py for how we learn of it.
A booking that carries a diagnosis says that we are to do it, at the step the policy names: delivery unless set
otherwise, for a claim says that something was done. A claim the payer has already, whoever sent it, is only followed.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kiungo.base.errors import Conflict, Detail, Incorrect, Unavailable
from kiungo.domains.vems.desk import WRITE, Booked, BookingDesk
from kiungo.domains.vems.errors import BOOKING_STATE, invalid
from kiungo.domains.vems.following import ClaimDesk, payer_unknown, refuse_capitated
from kiungo.domains.vems.mapping.people import registered_patient
from kiungo.domains.vems.model import contract_day
from kiungo.domains.vems.rules.claimable import claimable, claimable_total
from kiungo.domains.vems.store import bookings, claims
from kiungo.domains.vems.store.bookings import BookingRow
from kiungo.domains.vems.store.claims import ClaimRow
from kiungo.kernel import audit
from kiungo.kernel.auth import Call, system_call
from kiungo.kernel.database import Unit
from kiungo.kernel.jobs import Effect, Handler, Job, Retry, enqueue
from kiungo.kernel.outbox import Event
from kiungo.ports.payer import Claim, ClaimedService, Query

SUBMIT = "vems.submit_claim"
ATTEMPTS_MAX = 1_000_000
DIAGNOSIS_MAX = 32


class Submissions:
    """Hands claims in for bookings."""

    def __init__(self, desk: BookingDesk, claim_desk: ClaimDesk) -> None:
        self._desk = desk
        self._claims = claim_desk

    def jobs(self) -> Mapping[str, Handler]:
        """The handler of this file's job."""
        return {SUBMIT: self.submit}

    def ask(self, unit: Unit, call: Call, booking_no: str, diagnosis: str | None) -> ClaimRow:
        """Have the claim of a booking submitted; again while it is under way is the same.

        Raises: NotFound; Conflict BOOKING_STATE; Incorrect BOOKING_INVALID without a diagnosis.
        """
        bookings.hold(unit, call.tenant, booking_no)
        booked = self._desk.find(unit, call, booking_no, action=WRITE)
        refuse_capitated(booked)
        row = claims.find(unit, call.tenant, booking_no)
        payer = self._claims.payer_of(booked.row.mode)
        if payer is None or row is None:
            raise payer_unknown(booked.row.mode)
        if row.state == "submitting":
            return row
        self._check(booked.row, row)
        wanted = (diagnosis or booked.row.diagnosis or "").strip()
        if not wanted or len(wanted) > DIAGNOSIS_MAX:
            raise invalid([Detail("diagnosisCode", "The diagnosisCode field is required.")])
        booking = replace(booked.row, diagnosis=wanted)
        return self._begin(unit, call, booking, row)

    def when_ready(self, unit: Unit, event: Event) -> None:
        """A subscriber of bookings' steps: submit the claim at the step the policy names.

        A booking without a diagnosis is the hospital's to claim, and one whose claim is known is claimed.
        """
        if event.topic != f"booking.{self._claims.policy.submit_on}":
            return
        tenant, booking_no = event.tenant, event.aggregate
        booking, row = bookings.find(unit, tenant, booking_no), claims.find(unit, tenant, booking_no)
        if booking is None or row is None or not booking.diagnosis:
            return
        if row.state == "open" and row.reference is None:
            self._begin(unit, system_call(tenant, name="submission"), booking, row, only_if_unknown=True)

    def submit(self, job: Job) -> Effect | None:
        """The job: first ask whether the payer has the claim already.

        An earlier answer may have been lost, and where nobody asked us to submit, the hospital may have done it.
        """
        booking_no, tenant = str(job.args["booking_no"]), job.tenant
        row, claim = self._desk.database.read(lambda unit: self._read(unit, tenant, booking_no))
        if row is None or claim is None or row.state != "submitting":
            return None
        payer = self._claims.payers[row.payer]
        try:
            asks = job.attempt > 1 or job.args.get("ask_first", False)
            known = payer.statuses([Query(booking_no, row.claim_id, row.reference)]) if asks else {}
            report = known.get(booking_no) or payer.submit(claim)
        except Unavailable as error:
            raise Retry(
                error.message, after_s=error.retry_after_s, effect=self._note(tenant, booking_no, error)
            ) from None
        except Incorrect as error:
            return self._refused(tenant, booking_no, error)

        def effect(unit: Unit) -> None:
            current = claims.find(unit, tenant, booking_no)
            if current is not None:
                opened = replace(current, state="open", note=None, reference=report.reference)
                claims.update(unit, tenant, opened)
                self._tell(unit, tenant, opened)
                self._claims.apply(unit, tenant, opened, report, "submission")

        return effect

    def _begin(
        self, unit: Unit, call: Call, booking: BookingRow, row: ClaimRow, *, only_if_unknown: bool = False
    ) -> ClaimRow:
        """Fix the booking, and let a job submit its claim."""
        booking = replace(booking, claimed_us=booking.claimed_us or unit.now_us, updated_us=unit.now_us)
        bookings.update(unit, call.tenant, booking)
        row = replace(row, state="submitting", note=None)
        claims.update(unit, call.tenant, row)
        enqueue(
            unit, SUBMIT, {"booking_no": row.booking_no, "ask_first": only_if_unknown}, tenant=call.tenant,
            key=row.booking_no, lane=f"payer:{row.payer}", attempts_max=ATTEMPTS_MAX,
        )  # fmt: skip
        text = f"The claim is on its way to {row.payer}"
        bookings.note(unit, call.tenant, row.booking_no, "claim.asked_for", text, by=call.principal.name)
        audit.record(unit, call, "submit", kind="booking", id=row.booking_no, person=booking.patient_fhir)
        return row

    def _check(self, booking: BookingRow, row: ClaimRow) -> None:
        why = None
        if booking.state == "cancelled":
            why = "it is cancelled"
        elif row.reference is not None and row.status != "rejected":
            why = f"{row.payer} has it as {row.reference}"
        if why is not None:
            raise Conflict(
                BOOKING_STATE,
                f"No claim can be submitted for booking {booking.booking_no}: {why}",
                field="bookingNo",
                hint="Look at the booking first",
            )

    def _read(self, unit: Unit, tenant: int, booking_no: str) -> tuple[ClaimRow | None, Claim | None]:
        call = system_call(tenant, name="submission")
        row, booking = claims.find(unit, tenant, booking_no), bookings.find(unit, tenant, booking_no)
        if row is None or booking is None:
            return None, None
        lines = bookings.lines_of(unit, tenant, booking_no)
        person = registered_patient(self._desk.patient(unit, call, booking))
        dated = self._desk.books.current(unit, tenant, booking.facility)
        return row, Claim(
            booking_no=booking_no,
            claim_id=booking.claim_id,
            facility=booking.facility,
            facility_name=dated.book.facility.name if dated else booking.facility,
            patient=booking.patient_cr,
            patient_name=person.name,
            birth_date=person.birth_date,
            gender=person.gender,
            diagnosis=booking.diagnosis or "",
            services=tuple(
                ClaimedService(
                    line.number, line.service_code, line.service_name, contract_day(line.at_us), line.share.total
                )
                for line in claimable(lines)
            ),
            total=claimable_total(lines),
        )

    def _tell(self, unit: Unit, tenant: int, row: ClaimRow) -> None:
        booking = bookings.find(unit, tenant, row.booking_no)
        if booking is None:
            return
        booked = Booked(booking, bookings.lines_of(unit, tenant, row.booking_no))
        more: dict[str, Any] = {"payer": row.payer, "reference": row.reference}
        text = f"Submitted to {row.payer} as {row.reference}"
        self._desk.tell(unit, system_call(tenant, name=row.payer), booked, "booking.claim_submitted", text, more)

    def _note(self, tenant: int, booking_no: str, error: Unavailable) -> Effect:
        """While the payer is away, the row says why the claim waits."""

        def effect(unit: Unit) -> None:
            current = claims.find(unit, tenant, booking_no)
            if current is not None:
                claims.update(unit, tenant, replace(current, note=error.message, failures=current.failures + 1))

        return effect

    def _refused(self, tenant: int, booking_no: str, error: Incorrect) -> Effect:
        """The payer did not take the claim: the booking may be corrected and the claim sent again."""

        def effect(unit: Unit) -> None:
            current, booking = claims.find(unit, tenant, booking_no), bookings.find(unit, tenant, booking_no)
            if current is None or booking is None:
                return
            claims.update(unit, tenant, replace(current, state="open", note=error.message))
            if current.reference is None:
                bookings.update(unit, tenant, replace(booking, claimed_us=None, updated_us=unit.now_us))
            bookings.note(unit, tenant, booking_no, "claim.refused", error.message, by=current.payer)

        return effect
