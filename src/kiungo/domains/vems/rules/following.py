"""What a payer's report means for a booking, and when to ask again."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from kiungo.base.money import Money
from kiungo.domains.vems.model import ApprovalState, BookedLine
from kiungo.domains.vems.rules.claimable import claimable_of
from kiungo.ports.payer import ApprovedService, Report

DAY_S: Final = 86_400
SubmitOn = Literal["never", "confirmed", "completed"]
"""When we submit the claim of a booking that carries a diagnosis ourselves."""


@dataclass(frozen=True, slots=True)
class FollowPolicy:
    """How claims are followed. Units: seconds and days as named; `jitter` is a part of the interval.

    Source: payments facts, VEMS: SHA pays late and partly, so the deadline is long and the queue of persons real.
    """

    interval_s: float = 900.0
    backoff_s_max: float = 6 * 3_600.0
    deadline_days: int = 120
    tick_s: float = 15.0
    jitter: float = 0.1
    batch_claims: int = 500
    submit_on: SubmitOn = "completed"


@dataclass(frozen=True, slots=True)
class Judged:
    """A report as it concerns the booking: approved = the sum over its lines, never above what was booked.

    Shapes: `excess` is what the payer approved beyond the booking.
    """

    approval: ApprovalState
    approved: Money
    lines: tuple[Money, ...]
    excess: Money


def judge(lines: Sequence[BookedLine], report: Report, standing: Sequence[int] | None = None) -> Judged:
    """What a report approves, line by line; nothing of it is for a capitated service.

    A payer that says "approved" without an amount approves what was booked; one that says nothing of lines has its
    amount spread over them by largest remainder: as the `standing` decision has it, where there is one, and beyond
    that over what it left. Units: `standing` minor.
    """
    totals = tuple(claimable_of(line) for line in lines)
    currency = totals[0].currency
    whole, zero = sum(totals, Money.zero(currency)), Money.zero(currency)
    if report.status in ("pending", "rejected"):
        return Judged(report.status, zero, tuple(zero for _ in totals), zero)
    said = report.approved
    if said is None:
        said = whole if report.status == "approved" else zero
    if said.minor < 0:
        # No payer approves less than nothing: what that means is for a person to ask.
        return Judged("pending", zero, tuple(zero for _ in totals), zero)
    approved = max(min(said, whole), zero)
    excess = max(said - whole, zero)
    parts = _by_line(lines, report, approved, standing)
    if approved.minor == 0:
        # A payer that decided in favour and names no amount yet has not decided how much.
        state: ApprovalState = "rejected" if report.approved is not None else "pending"
        return Judged(state, zero, parts, excess)
    return Judged("approved" if approved == whole else "partially_paid", approved, parts, excess)


def split_of(report: Report) -> str:
    """What a report approves of each service, in a form to compare: the same sum cut otherwise is another decision."""
    return ";".join(f"{one.code if one.number is None else one.number}={one.approved.minor}" for one in report.services)


def kept_of(report: Report) -> int:
    """What a payer kept back of a payment. Units: minor."""
    return report.kept.minor if report.kept is not None else 0


def next_poll_s(policy: FollowPolicy, failures: int, rng: Random, *, retry_after_s: float | None = None) -> float:
    """How long to wait before asking about a claim again: the interval, or after failures full jitter up to a cap.

    Units: seconds. A time the payer asked for is always kept.
    """
    if failures == 0:
        wait_s = policy.interval_s * (1 + rng.uniform(-policy.jitter, policy.jitter))
    else:
        cap_s = min(policy.backoff_s_max, policy.interval_s * 2 ** min(failures, 16))
        wait_s = rng.uniform(min(policy.tick_s, cap_s), cap_s)
    return max(wait_s, retry_after_s or 0.0)


def standing_of(lines: Sequence[BookedLine], split: str | None) -> tuple[int, ...] | None:
    """What a decision's split says of each line; None where it does not speak of all of them. Units: minor."""
    said = [entry.rpartition("=") for entry in (split or "").split(";") if entry]
    found = []
    for line in lines:
        names = (str(line.number), line.service_code)
        entry = next((one for one in said if one[0] in names), None)
        if entry is None:
            return None
        said.remove(entry)
        found.append(max(int(entry[2]), 0))
    return tuple(found)


def _spread(approved: Money, totals: Sequence[int], standing: Sequence[int] | None) -> tuple[Money, ...]:
    """A sum over lines: a line that was rejected gets nothing of what others were approved."""
    if sum(totals) == 0:
        return tuple(approved for _ in totals)  # all are capitated, and nothing is approved
    if standing is None or sum(standing) == 0:
        return approved.allocate(totals)
    if approved.minor <= sum(standing):
        return approved.allocate(standing)
    more = Money(approved.minor - sum(standing), approved.currency)
    room = [max(total - had, 0) for total, had in zip(totals, standing, strict=True)]
    parts = more.allocate(room)
    return tuple(Money(had, more.currency) + part for had, part in zip(standing, parts, strict=True))


def _by_line(
    lines: Sequence[BookedLine], report: Report, approved: Money, standing: Sequence[int] | None
) -> tuple[Money, ...]:
    totals = [claimable_of(line) for line in lines]
    left = list(report.services)
    named: list[Money] = []
    for line in lines:
        if line.capitated:
            named.append(claimable_of(line))
            continue
        found = next((one for one in left if _is_for(one, line)), None)
        if found is not None:
            left.remove(found)
            named.append(found.approved)
    fits = len(named) == len(lines) and all(
        part.minor >= 0 and part <= top for part, top in zip(named, totals, strict=False)
    )
    if fits and sum(part.minor for part in named) == approved.minor:
        return tuple(named)
    return _spread(approved, [total.minor for total in totals], standing)


def _is_for(approved: ApprovedService, line: BookedLine) -> bool:
    return approved.code == line.service_code if approved.number is None else approved.number == line.number
