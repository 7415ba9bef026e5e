"""What waits at the review desk, oldest first, with the reasons and what would resolve them."""

from dataclasses import dataclass
from typing import Any

from kiungo.domains.payor import rebuild
from kiungo.domains.payor.access import refuse_bound
from kiungo.domains.payor.model import Finding
from kiungo.domains.payor.store import claims
from kiungo.domains.payor.store.claims import ClaimRow
from kiungo.domains.payor.voiding import Desk
from kiungo.kernel import json
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Unit


@dataclass(frozen=True, slots=True)
class Waiting:
    """One waiting claim and every question about it."""

    row: ClaimRow
    questions: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Queue:
    """One page of the desk, and where the next begins."""

    items: tuple[Waiting, ...]
    cursor: str | None


def waiting(
    payor: Desk, unit: Unit, call: Call, *, assigned_to: str | None, limit: int, after: tuple[int, str] | None
) -> Queue:
    """Claims that wait for a person, oldest first: all, somebody's, or (an empty text) nobody's.

    Raises: Forbidden NOT_YOURS for a bound credential.
    """
    refuse_bound(call)
    where: list[tuple[str, Any]] = [("desk IS NOT NULL", None)]
    if assigned_to is not None:
        where.append(("assigned_to = ?", assigned_to) if assigned_to else ("assigned_to IS NULL", None))
    rows = claims.page(unit, call.tenant, where=where, before=after, limit=limit + 1, oldest_first=True)
    more, rows = len(rows) > limit, rows[:limit]
    items = []
    for row in rows:
        findings = rebuild.read(unit, call, payor.repository, row).result.findings
        items.append(Waiting(row, tuple(finding for finding in findings if finding.effect == "pend")))
    return Queue(tuple(items), f"{rows[-1].submitted_us}_{rows[-1].claim_id}" if more else None)


def shown(queue: Queue) -> dict[str, Any]:
    """The body of GET /api/review/claims."""
    return {
        "count": len(queue.items),
        "claims": [
            {
                "claim": json.loads(item.row.wire),
                "version": item.row.version,
                "desk": item.row.desk,
                "assigned_to": item.row.assigned_to,
                "questions": [
                    {
                        "line": finding.line or None,
                        "reason": finding.reason,
                        "text": finding.text,
                        "review_reason": finding.review,
                        "what_resolves_it": finding.resolve,
                    }
                    for finding in item.questions
                ],
            }
            for item in queue.items
        ],
        "next": queue.cursor,
    }
