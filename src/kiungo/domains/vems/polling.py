"""Asks payers about the claims that are due: one poller per payer, one caller per claim.

A payer that fails is left alone for as long as it says, and a claim whose report cannot be applied waits alone; both
are asked about later, not less, until their deadline gives them to a person.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any, Final

import structlog

from kiungo.base.errors import KiungoError, Unavailable
from kiungo.base.time import SECOND_US
from kiungo.domains.vems.desk import Booked, BookingDesk
from kiungo.domains.vems.rules.following import FollowPolicy, kept_of, next_poll_s, split_of
from kiungo.domains.vems.store import bookings, claims
from kiungo.domains.vems.store.claims import ClaimRow
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import Unit
from kiungo.kernel.jobs import Effect, Handler, Job, enqueue
from kiungo.ports.payer import Payer, Query, Report

START: Final = "vems.start_following"
FOLLOW: Final = "vems.follow_claims"
FOR_EVER: Final = 1_000_000_000
IDLE_S_MAX: Final = 60.0
FAULTS_MAX: Final = 32
"""After so many unreadable answers in one poll it is the payer that is odd, not a claim."""
Apply = Callable[[Unit, int, ClaimRow, Report, str], None]
_log: Any = structlog.get_logger("kiungo.vems")


class Poller:
    """The polls of one installation. Shapes: `payers` by name; `apply` brings a claim up to a report."""

    def __init__(
        self, desk: BookingDesk, payers: Mapping[str, Payer], policy: FollowPolicy, rng: Random, apply: Apply
    ) -> None:
        self.desk = desk
        self.payers = payers
        self.policy = policy
        self._rng = rng
        self._apply = apply

    def jobs(self) -> Mapping[str, Handler]:
        """The handlers of the polls' jobs."""
        return {START: self.start, FOLLOW: self.follow}

    def start(self, job: Job) -> Effect:
        """By the clock: every payer has a poller, also after one was lost."""
        return lambda unit: self.ensure(unit, job.tenant)

    def ensure(self, unit: Unit, tenant: int) -> None:
        """Give every payer its poller where it has none."""
        for payer in self.payers:
            self.wake(unit, tenant, payer, unit.now_us, key=payer)

    def follow(self, job: Job) -> Effect:
        """Ask a payer about its due claims, in batches as it allows, and write what changed."""
        name, tenant = str(job.args["payer"]), job.tenant
        payer = self.payers.get(name)
        if payer is None:
            return lambda unit: None
        taken = self.desk.database.write(lambda unit: claims.take_due(unit, tenant, name, self.policy.batch_claims))
        asked = _Asked(payer)
        for batch in _batches(taken, payer.capabilities.batch_max):
            asked.ask(batch)
        again = asked.away is None and len(taken) == self.policy.batch_claims
        pause_s = 0.0 if again else max(self._tick_s, asked.rest_s or 0.0)
        reports, failed = asked.reports, asked.failed
        learned = [row for row in taken if row.booking_no in reports and _says_something(row, reports[row.booking_no])]
        failed.update(dict.fromkeys(self._learn_each(tenant, learned, reports)))

        def effect(unit: Unit) -> None:
            self._put_off(unit, tenant, taken, reports, failed)
            if job.key == name:
                idle = not claims.has_open(unit, tenant, name)
                wait_s = max(pause_s, min(IDLE_S_MAX, self.policy.interval_s)) if idle else pause_s
                self.wake(unit, tenant, name, unit.now_us + int(wait_s * SECOND_US), key=name)

        return effect

    def _learn_each(self, tenant: int, rows: Sequence[ClaimRow], reports: Mapping[str, Report]) -> set[str]:
        """Write what was learned, each claim in a unit of its own; the bookings whose report could not be applied.

        One report that makes no sense must not keep its payer's other claims, or the poller itself, from going on.
        Raises: what a unit raised outside of its report, as at its commit.
        """
        failed: dict[str, Exception] = {}

        def learn(unit: Unit, row: ClaimRow) -> None:
            failed.pop(row.booking_no, None)
            try:
                self._learn(unit, tenant, row, reports[row.booking_no])
            except Exception as error:
                failed[row.booking_no] = error
                raise

        try:
            self.desk.database.write_each([partial(learn, row=row) for row in rows])
        except Exception:
            if not failed:
                raise
        for booking_no, error in failed.items():
            _log.error("claim_report_failed", booking=booking_no, code=_code_of(error))
        return set(failed)

    def _learn(self, unit: Unit, tenant: int, row: ClaimRow, report: Report) -> None:
        """One claim, in a unit of its own: what it posts locks accounts that other units wait for.

        What was learned otherwise since we asked is newer than this report, and these units are not the job's own,
        which is fenced; the next poll says what holds.
        """
        if _held(unit, tenant, row) is not None:
            self._apply(unit, tenant, row, report, "poll")

    def _put_off(
        self,
        unit: Unit,
        tenant: int,
        taken: Sequence[ClaimRow],
        reports: Mapping[str, Report],
        failed: Mapping[str, float | None],
    ) -> None:
        """Ask again later about the claims that nothing new was said of, or nothing that could be applied."""
        unchanged: list[tuple[str, int, int]] = []
        for row in taken:
            number, report = row.booking_no, reports.get(row.booking_no)
            if number not in failed and report is not None and _says_something(row, report):
                continue
            if unit.now_us > row.deadline_us:
                self._give_up(unit, tenant, row)
            else:
                failures = row.failures + 1 if number in failed else 0
                wait_s = next_poll_s(self.policy, failures, self._rng, retry_after_s=failed.get(number))
                unchanged.append((number, failures, unit.now_us + int(wait_s * SECOND_US)))
        claims.put_off(unit, tenant, unchanged)

    def _give_up(self, unit: Unit, tenant: int, row: ClaimRow) -> None:
        """The deadline passed: from here on it is for a person, and nothing is lost."""
        current = _held(unit, tenant, row)
        if current is None or current.next_poll_us is None:
            return
        note = f"{row.payer} did not decide in {self.policy.deadline_days} days"
        if row.state == "decided":
            note = f"{row.payer} did not say that it paid in {self.policy.deadline_days} days"
        claims.update(unit, tenant, replace(current, state="overdue", next_poll_us=None, note=note))
        booking = bookings.find(unit, tenant, row.booking_no)
        if booking is not None:
            booked = Booked(booking, bookings.lines_of(unit, tenant, row.booking_no))
            more = {"payer": row.payer, "reference": row.reference, "reason": note}
            self.desk.tell(unit, system_call(tenant, name=row.payer), booked, "booking.claim_overdue", note, more)

    def wake(self, unit: Unit, tenant: int, payer: str, at_us: int, *, key: str) -> None:
        """Have a payer asked about its due claims at a moment. Units: `at_us` microseconds."""
        enqueue(
            unit, FOLLOW, {"payer": payer}, tenant=tenant, key=key, lane=f"payer:{payer}", run_at_us=at_us,
            attempts_max=FOR_EVER,
        )  # fmt: skip

    @property
    def _tick_s(self) -> float:
        return min(self.policy.tick_s, self.policy.interval_s)


class _Asked:
    """What one poll brought. Shapes: `failed` by booking number, with the rest in seconds the payer asked for."""

    def __init__(self, payer: Payer) -> None:
        self.reports: dict[str, Report] = {}
        self.failed: dict[str, float | None] = {}
        self.away: Unavailable | None = None
        self._payer = payer
        self._faults = 0

    @property
    def rest_s(self) -> float | None:
        """How long the payer wants to be left alone."""
        return self.away.retry_after_s if self.away is not None else None

    def ask(self, rows: Sequence[ClaimRow]) -> None:
        """Ask about a batch; where its answer cannot be read, about its halves, until the odd claim is alone."""
        if self.away is None and self._faults < FAULTS_MAX:
            try:
                self.reports.update(self._payer.statuses([_query(row) for row in rows]))
                return
            except Unavailable as error:
                self.away = error
            except Exception as error:
                self._faults += 1
                _log.error("claim_answer_unreadable", payer=rows[0].payer, claims=len(rows), code=_code_of(error))
                if len(rows) > 1:
                    self.ask(rows[: len(rows) // 2])
                    self.ask(rows[len(rows) // 2 :])
                    return
        self.failed.update({row.booking_no: self.rest_s for row in rows})


def _code_of(error: Exception) -> str:
    return error.code if isinstance(error, KiungoError) else type(error).__name__


def _query(row: ClaimRow) -> Query:
    return Query(row.booking_no, row.claim_id, row.reference)


def _batches(rows: Sequence[ClaimRow], size: int) -> Iterator[Sequence[ClaimRow]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _says_something(row: ClaimRow, report: Report) -> bool:
    """Whether a report differs from what the row has, cheaply: most polls say what the last one said."""
    if row.status == "unknown" or report.reference != row.reference:
        return True
    if report.paid is not None and (report.paid.minor, kept_of(report)) != (row.paid_minor, row.kept_minor or 0):
        return True
    if report.status == "pending":
        return False
    if row.status != report.status or report.approved is None or report.approved.minor != row.approved_minor:
        return True
    return row.split != split_of(report)


def _held(unit: Unit, tenant: int, row: ClaimRow) -> ClaimRow | None:
    """A claim as it was when it was taken, its booking locked; None when something was learned of it since."""
    bookings.hold(unit, tenant, row.booking_no)
    current = claims.find(unit, tenant, row.booking_no)
    return current if current is not None and current.version == row.version else None
