"""Claims followed at their payers: opened with the booking, submitted when asked, polled in batches, told by notices.

One poller per claim: a claim is taken with a lease before anybody asks about it. A payer that fails is left alone for
as long as it says; its claims are asked about later, not less.
"""

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from random import Random

from kiungo.base.errors import Detail, NotFound, Unavailable, define
from kiungo.base.time import SECOND_US
from kiungo.domains.vems import deciding
from kiungo.domains.vems.desk import Booked, BookingDesk
from kiungo.domains.vems.errors import invalid
from kiungo.domains.vems.rules.following import DAY_S, FollowPolicy, next_poll_s
from kiungo.domains.vems.store import bookings, claims
from kiungo.domains.vems.store.bookings import BookingRow
from kiungo.domains.vems.store.claims import ClaimRow
from kiungo.kernel import inbox
from kiungo.kernel.auth import Call, system_call
from kiungo.kernel.database import Unit
from kiungo.kernel.jobs import Effect, Handler, Job, enqueue
from kiungo.ports.payer import Payer, Query, Report

PAYER_UNKNOWN = define("PAYER_UNKNOWN", NotFound, "No payer of this name is connected.")
CLAIM_NOT_FOLLOWED = define("CLAIM_NOT_FOLLOWED", NotFound, "The booking has no claim that is followed.")

START = "vems.start_following"
FOLLOW = "vems.follow_claims"
NOTICE = "vems.payer_notice"
FOR_EVER = 1_000_000_000
IDLE_S_MAX = 60.0


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

    def jobs(self) -> Mapping[str, Handler]:
        """The handlers of this desk's jobs."""
        return {START: self.start, FOLLOW: self.follow, NOTICE: self.digest}

    def opened(self, unit: Unit, tenant: int, row: BookingRow, *, is_new: bool) -> None:
        """A booking was made or revised: follow its claim, or no longer, as its payment mode says."""
        payer = self._payer_of_mode.get(row.mode)
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

        Raises: NotFound BOOKING_NOT_FOUND, PAYER_UNKNOWN; Incorrect for an empty reference.
        """
        if not reference.strip() or len(reference) > 128:
            raise invalid([Detail("reference", "The reference field is required.")])
        bookings.hold(unit, call.tenant, booking_no)
        booked = self.desk.find(unit, call, booking_no, action="write:bookings")
        name = payer or self._payer_of_mode.get(booked.row.mode, "")
        if name not in self.payers:
            raise payer_unknown(name)
        row = claims.find(unit, call.tenant, booking_no) or self._inserted(unit, call.tenant, booked.row, name)
        row = replace(row, payer=name, reference=reference.strip(), next_poll_us=unit.now_us, state="open")
        claims.update(unit, call.tenant, row)
        self._fix(
            unit, call, booked, f"{name} has the claim as {row.reference}", {"payer": name, "reference": reference}
        )
        self._wake(unit, call.tenant, name, unit.now_us, key=f"{name}:{booking_no}")
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

    def start(self, job: Job) -> Effect:
        """By the clock: every payer has a poller, also after one was lost."""
        return lambda unit: self.ensure_pollers(unit, job.tenant)

    def ensure_pollers(self, unit: Unit, tenant: int) -> None:
        """Give every payer its poller where it has none."""
        for payer in self.payers:
            self._wake(unit, tenant, payer, unit.now_us, key=payer)

    def follow(self, job: Job) -> Effect:
        """Ask a payer about its due claims, in batches as it allows, and write what changed."""
        name, tenant = str(job.args["payer"]), job.tenant
        payer = self.payers.get(name)
        if payer is None:
            return lambda unit: None
        taken = self.desk.database.write(lambda unit: claims.take_due(unit, tenant, name, self.policy.batch_claims))
        reports: dict[str, Report] = {}
        failed: dict[str, float | None] = {}
        away: Unavailable | None = None
        for batch in _batches(taken, payer.capabilities.batch_max):
            if away is None:
                try:
                    reports.update(payer.statuses([_query(row) for row in batch]))
                    continue
                except Unavailable as error:
                    away = error
            failed.update({row.booking_no: away.retry_after_s for row in batch})
        again = away is None and len(taken) == self.policy.batch_claims
        pause_s = 0.0 if again else max(self._tick_s, (away.retry_after_s or 0.0) if away else 0.0)

        self.desk.database.write_each(
            [
                partial(self._learn, tenant=tenant, row=row, report=reports[row.booking_no])
                for row in taken
                if row.booking_no in reports and _says_something(row, reports[row.booking_no])
            ]
        )

        def effect(unit: Unit) -> None:
            self._put_off(unit, tenant, taken, reports, failed)
            if job.key == name:
                idle = not claims.has_open(unit, tenant, name)
                wait_s = max(pause_s, min(IDLE_S_MAX, self.policy.interval_s)) if idle else pause_s
                self._wake(unit, tenant, name, unit.now_us + int(wait_s * SECOND_US), key=name)

        return effect

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
                if row is not None and row.payer == name:
                    self.apply(unit, job.tenant, row, report, "notice")

        return effect

    def _learn(self, unit: Unit, tenant: int, row: ClaimRow, report: Report) -> None:
        """One claim, in a unit of its own: what it posts locks accounts that other units wait for.

        What was learned otherwise since we asked is newer than this report, and these units are not the job's own,
        which is fenced; the next poll says what holds.
        """
        bookings.hold(unit, tenant, row.booking_no)
        current = claims.find(unit, tenant, row.booking_no)
        if current is None or current.version != row.version:
            return
        self.apply(unit, tenant, row, report, "poll")

    def _put_off(
        self,
        unit: Unit,
        tenant: int,
        taken: Sequence[ClaimRow],
        reports: Mapping[str, Report],
        failed: Mapping[str, float | None],
    ) -> None:
        """Ask again later about the claims that nothing new was said of."""
        unchanged: list[tuple[str, int, int]] = []
        for row in taken:
            report = reports.get(row.booking_no)
            if report is not None and _says_something(row, report):
                continue
            if unit.now_us > row.deadline_us:
                self._give_up(unit, tenant, row)
            else:
                failures = row.failures + 1 if row.booking_no in failed else 0
                wait_s = next_poll_s(self.policy, failures, self._rng, retry_after_s=failed.get(row.booking_no))
                unchanged.append((row.booking_no, failures, unit.now_us + int(wait_s * SECOND_US)))
        claims.put_off(unit, tenant, unchanged)

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

    def _give_up(self, unit: Unit, tenant: int, row: ClaimRow) -> None:
        """The deadline passed: from here on it is for a person, and nothing is lost."""
        note = f"{row.payer} did not decide in {self.policy.deadline_days} days"
        if row.state == "decided":
            note = f"{row.payer} did not say that it paid in {self.policy.deadline_days} days"
        claims.update(unit, tenant, replace(row, state="overdue", next_poll_us=None, note=note))
        booking = bookings.find(unit, tenant, row.booking_no)
        if booking is not None:
            booked = Booked(booking, bookings.lines_of(unit, tenant, row.booking_no))
            more = {"payer": row.payer, "reference": row.reference, "reason": note}
            self.desk.tell(unit, system_call(tenant, name=row.payer), booked, "booking.claim_overdue", note, more)

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

    def _wake(self, unit: Unit, tenant: int, payer: str, at_us: int, *, key: str) -> None:
        enqueue(
            unit, FOLLOW, {"payer": payer}, tenant=tenant, key=key, lane=f"payer:{payer}", run_at_us=at_us,
            attempts_max=FOR_EVER,
        )  # fmt: skip

    @property
    def _tick_s(self) -> float:
        return min(self.policy.tick_s, self.policy.interval_s)


def _query(row: ClaimRow) -> Query:
    return Query(row.booking_no, row.claim_id, row.reference)


def _batches(rows: Sequence[ClaimRow], size: int) -> Iterator[Sequence[ClaimRow]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _says_something(row: ClaimRow, report: Report) -> bool:
    """Whether a report differs from what the row has, cheaply: most polls say what the last one said."""
    if row.status == "unknown" or report.reference != row.reference:
        return True
    if report.paid is not None and report.paid.minor != row.paid_minor:
        return True
    if report.status == "pending":
        return False
    return row.status != report.status or report.approved is None or report.approved.minor != row.approved_minor


def _is_over(row: ClaimRow, *, reports_payment: bool) -> bool:
    """Rejected is over; approved is over when paid, or when the payer never says that it paid."""
    if row.status == "rejected":
        return True
    if row.status not in ("approved", "partially_paid"):
        return False
    return not reports_payment or (row.paid_minor or 0) >= (row.approved_minor or 0)


def payer_unknown(name: str) -> NotFound:
    """The refusal of a payer nobody connected."""
    return NotFound(PAYER_UNKNOWN, f"No payer {name[:64]!r} is connected", field="payer", hint="Name a connected payer")
