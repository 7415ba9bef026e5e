"""Claims followed at their payers: opened with the booking, submitted when asked, polled, told by notices."""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import replace
from random import Random

from kiungo.base.errors import Conflict, Detail, NotFound, define
from kiungo.base.time import SECOND_US
from kiungo.domains.vems import deciding
from kiungo.domains.vems.desk import Booked, BookingDesk
from kiungo.domains.vems.errors import BOOKING_STATE, invalid
from kiungo.domains.vems.polling import Poller
from kiungo.domains.vems.rules.claimable import claimable
from kiungo.domains.vems.rules.following import DAY_S, FollowPolicy, next_poll_s
from kiungo.domains.vems.store import bookings, claims
from kiungo.domains.vems.store.bookings import BookingRow
from kiungo.domains.vems.store.claims import ClaimRow
from kiungo.kernel import inbox
from kiungo.kernel.auth import Call, system_call
from kiungo.kernel.database import Unit
from kiungo.kernel.jobs import Effect, Handler, Job, enqueue
from kiungo.ports.payer import Payer, Report

PAYER_UNKNOWN = define("PAYER_UNKNOWN", NotFound, "No payer of this name is connected.")
CLAIM_LINKED = define("CLAIM_LINKED", Conflict, "The claim belongs to another booking, or the booking has another.")
CLAIM_NOT_FOLLOWED = define("CLAIM_NOT_FOLLOWED", NotFound, "The booking has no claim that is followed.")

NOTICE = "vems.payer_notice"


class ClaimDesk:
    """The claims of one installation. Shapes: `payers` by name; `payer_of_mode` names the payer of a payment mode."""

    def __init__(
        self,
        desk: BookingDesk,
        payers: Mapping[str, Payer],
        payer_of_mode: Mapping[str, str],
        policy: FollowPolicy,
        *,
        rng: Random | None = None,
    ) -> None:
        unknown = set(payer_of_mode.values()) - payers.keys()
        if unknown:
            raise ValueError(f"payment modes name payers that are not connected: {sorted(unknown)}")
        self.desk = desk
        self.payers = dict(payers)
        self.policy = policy
        self._payer_of_mode = dict(payer_of_mode)
        self._rng = rng or random.SystemRandom()
        self.poller = Poller(desk, self.payers, policy, self._rng, self.apply)

    def jobs(self) -> Mapping[str, Handler]:
        """The handlers of this desk's jobs."""
        return {**self.poller.jobs(), NOTICE: self.digest}

    def opened(self, unit: Unit, tenant: int, booked: Booked, *, is_new: bool) -> None:
        """A booking was made or revised: follow its claim, or no longer, as its mode and its services say."""
        row = booked.row
        payer = self._payer_of_mode.get(row.mode) if claimable(booked.lines) else None
        known = None if is_new else claims.find(unit, tenant, row.booking_no)
        if payer is None:
            if known is not None:
                claims.remove(unit, tenant, row.booking_no)
            return
        if known is not None:
            claims.update(unit, tenant, replace(known, payer=payer))
            return
        claims.insert(unit, tenant, self._fresh(unit, row, payer))

    def closed(self, unit: Unit, tenant: int, booking_no: str) -> None:
        """A booking was cancelled before any payer knew of it: nobody asks any more."""
        known = claims.find(unit, tenant, booking_no)
        if known is not None and known.status == "unknown":
            claims.update(unit, tenant, replace(known, state="closed", next_poll_us=None))

    def link(self, unit: Unit, call: Call, booking_no: str, reference: str, *, payer: str | None = None) -> ClaimRow:
        """A facility says under which number the payer has the claim: the booking is fixed, and we ask at once.

        Raises: NotFound BOOKING_NOT_FOUND, PAYER_UNKNOWN; Incorrect for an empty reference; Conflict CLAIM_LINKED,
        BOOKING_STATE when nothing of the booking is claimed.
        """
        if not reference.strip() or len(reference) > 128:
            raise invalid([Detail("reference", "The reference field is required.")])
        bookings.hold(unit, call.tenant, booking_no)
        booked = self.desk.find(unit, call, booking_no, action="write:bookings")
        refuse_capitated(booked)
        name = payer or self._payer_of_mode.get(booked.row.mode, "")
        if name not in self.payers:
            raise payer_unknown(name)
        row = claims.find(unit, call.tenant, booking_no) or self._inserted(unit, call.tenant, booked.row, name)
        _refuse_taken(unit, call.tenant, row, name, reference.strip())
        row = replace(row, payer=name, reference=reference.strip(), next_poll_us=unit.now_us, state="open")
        claims.update(unit, call.tenant, row)
        self._fix(
            unit, call, booked, f"{name} has the claim as {row.reference}", {"payer": name, "reference": reference}
        )
        self.poller.wake(unit, call.tenant, name, unit.now_us, key=f"{name}:{booking_no}")
        return row

    def claim_arrived(self, unit: Unit, tenant: int, booking_no: str, payer: str, reference: str) -> None:
        """A payer took a claim for a booking of ours: it can be revised no more, whoever submitted the claim.

        One we are submitting ourselves is told when its answer is here, and not twice.
        """
        bookings.hold(unit, tenant, booking_no)
        row = bookings.find(unit, tenant, booking_no)
        if row is None or payer not in self.payers:
            return
        known = claims.find(unit, tenant, booking_no) or self._inserted(unit, tenant, row, payer)
        if known.state == "submitting":
            return
        if known.reference is not None and known.status not in ("unknown", "rejected"):
            return
        claims.update(
            unit, tenant, replace(known, payer=payer, reference=reference, state="open", next_poll_us=unit.now_us)
        )
        booked = Booked(row, bookings.lines_of(unit, tenant, booking_no))
        call = system_call(tenant, name=payer)
        self._fix(unit, call, booked, f"{payer} has the claim as {reference}", {"payer": payer, "reference": reference})

    def payer_of(self, mode: str) -> str | None:
        """The payer whose claims a payment mode makes, or None."""
        return self._payer_of_mode.get(mode)

    def find(self, unit: Unit, call: Call, booking_no: str) -> ClaimRow:
        """The followed claim of a booking the caller may see. Raises: NotFound."""
        self.desk.find(unit, call, booking_no)
        row = claims.find(unit, call.tenant, booking_no)
        if row is None:
            raise NotFound(
                CLAIM_NOT_FOLLOWED,
                "No claim is followed for this booking",
                hint="Bookings paid in cash or by mobile money have no claim",
            )
        return row

    def check_notice(self, payer: str, headers: Mapping[str, str], body: bytes) -> None:
        """Is a notice from the payer it names? Raises: NotFound PAYER_UNKNOWN; Unauthenticated NOTICE_FORGED."""
        if payer not in self.payers:
            raise payer_unknown(payer)
        self.payers[payer].check_notice(headers, body)

    def receive(self, unit: Unit, tenant: int, payer: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Keep a payer's checked notice, and digest it in a job; False when it came before."""
        identity = headers.get("webhook-id") or hashlib.sha256(body).hexdigest()
        if not inbox.receive(unit, tenant=tenant, source=f"payer:{payer}", message_id=identity, body=body):
            return False
        args = {"payer": payer, "body": body.decode("utf-8", "replace")}
        enqueue(unit, NOTICE, args, tenant=tenant, key=f"{payer}:{identity}", lane=f"payer:{payer}")
        return True

    def digest(self, job: Job) -> Effect:
        """Do at once what a poll would have done later."""
        name = str(job.args["payer"])
        reports = self.payers[name].read_notice(str(job.args["body"]).encode())

        def effect(unit: Unit) -> None:
            for report in reports:
                row = claims.find(unit, job.tenant, report.booking_no)
                if row is None or row.payer != name:
                    continue
                if _is_of_a_second_claim(row, report):
                    claims.update(unit, job.tenant, replace(row, next_poll_us=row.next_poll_us and unit.now_us))
                else:
                    self.apply(unit, job.tenant, row, report, "notice")

        return effect

    def apply(self, unit: Unit, tenant: int, row: ClaimRow, report: Report, source: str) -> None:
        """Bring a claim up to what its payer says. Shapes: `source` is poll, notice or submission."""
        payer = self.payers[row.payer]
        wait_s = next_poll_s(self.policy, 0, self._rng)
        deciding.apply(
            self.desk,
            unit,
            system_call(tenant, name=row.payer),
            row,
            report,
            source=source,
            closes=lambda now: _is_over(now, reports_payment=payer.capabilities.reports_payment),
            next_us=unit.now_us + int(wait_s * SECOND_US),
        )

    def _fix(self, unit: Unit, call: Call, booked: Booked, text: str, more: dict[str, str]) -> None:
        if booked.row.claimed_us is None:
            row = replace(booked.row, claimed_us=unit.now_us, updated_us=unit.now_us)
            bookings.update(unit, call.tenant, row)
            booked = Booked(row, booked.lines)
        self.desk.tell(unit, call, booked, "booking.claim_submitted", text, dict(more))

    def _inserted(self, unit: Unit, tenant: int, row: BookingRow, payer: str) -> ClaimRow:
        fresh = self._fresh(unit, row, payer)
        claims.insert(unit, tenant, fresh)
        return fresh

    def _fresh(self, unit: Unit, row: BookingRow, payer: str) -> ClaimRow:
        wait_s = next_poll_s(self.policy, 0, self._rng)
        return ClaimRow(
            booking_no=row.booking_no,
            payer=payer,
            claim_id=row.claim_id,
            reference=None,
            state="open",
            status="unknown",
            version=0,
            currency=row.currency,
            approved_minor=None,
            paid_minor=None,
            decided_on=None,
            payment_date=None,
            reason=None,
            failures=0,
            next_poll_us=unit.now_us + int(wait_s * SECOND_US),
            last_poll_us=None,
            deadline_us=unit.now_us + self.policy.deadline_days * DAY_S * SECOND_US,
            note=None,
        )


def _is_of_a_second_claim(row: ClaimRow, report: Report) -> bool:
    """Whether it is about another claim than the one that pays the booking, and approves nothing in its place.

    What became of ours is then asked of the payer: a claim sent twice is refused the second time, and that refusal
    takes nothing from the first.
    """
    stands = row.status in ("approved", "partially_paid")
    return stands and report.reference != row.reference and report.status in ("pending", "rejected")


def _refuse_taken(unit: Unit, tenant: int, row: ClaimRow, payer: str, reference: str) -> None:
    """One claim pays one booking, and a booking whose claim is decided has its claim. Raises: Conflict."""
    unit.lock(f"vems:claim:{tenant}:{payer}:{reference}")
    if claims.is_of_another(unit, tenant, payer, reference, row.booking_no):
        raise Conflict(
            CLAIM_LINKED,
            f"{payer} has {reference[:64]} for another booking",
            field="reference",
            hint="Submit a claim for this booking, with its bookingNo",
        )
    if row.status not in ("unknown", "pending", "rejected") and (row.payer, row.reference) != (payer, reference):
        raise Conflict(
            CLAIM_LINKED,
            f"{row.payer} has decided {row.reference}, which is this booking's claim",
            field="reference",
            hint="Where the payer has replaced its claim, that is learned from the payer",
        )


def _is_over(row: ClaimRow, *, reports_payment: bool) -> bool:
    """Rejected is over; approved is over when paid, or when the payer never says that it paid."""
    if row.status == "rejected":
        return True
    if row.status not in ("approved", "partially_paid"):
        return False
    return not reports_payment or (row.paid_minor or 0) + (row.kept_minor or 0) >= (row.approved_minor or 0)


def refuse_capitated(booked: Booked) -> None:
    """Raises: Conflict BOOKING_STATE for a booking of which nothing can be claimed."""
    if not claimable(booked.lines):
        raise Conflict(
            BOOKING_STATE,
            f"Every service of booking {booked.row.booking_no} is capitated, and is in no claim",
            field="bookingNo",
            hint="Capitated services settle when they are delivered",
        )


def payer_unknown(name: str) -> NotFound:
    """The refusal of a payer nobody connected."""
    return NotFound(PAYER_UNKNOWN, f"No payer {name[:64]!r} is connected", field="payer", hint="Name a connected payer")
