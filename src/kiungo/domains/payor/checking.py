"""`kiungo check`: do the rows say what the record says, and do the totals say what the entries say?"""

from dataclasses import dataclass, replace

from kiungo.domains.payor import rebuild
from kiungo.domains.payor.opening import Openings
from kiungo.domains.payor.store import claims, members
from kiungo.fhir.repository import Repository
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Unit

CLAIMS_A_PAGE = 200


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that does not follow from the record."""

    kind: str
    id: str
    what: str


def check_claims(
    repository: Repository,
    openings: Openings,
    unit: Unit,
    call: Call,
    *,
    after: str = "",
    repair: bool = False,
) -> tuple[list[Difference], str | None]:
    """Compare one page of claims with their FHIR resources; with `repair`, write the rows anew.

    Shapes: the second value is where the next page begins, None after the last.
    """
    plans = openings.snapshot(unit, call.tenant).plans
    rows = claims.by_id(unit, call.tenant, after=after, limit=CLAIMS_A_PAGE)
    found = []
    for row in rows:
        on_file = rebuild.read(unit, call, repository, row)
        wire = rebuild.wire_of(on_file, plans[row.plan_id].plan)
        amounts = (on_file.result.charge.minor, on_file.claim.member_id, on_file.claim.provider_id)
        if amounts != (row.charge_minor, row.member_id, row.provider_id):
            found.append(Difference("claim", row.claim_id, "the row's keys are not the record's"))
        if wire != row.wire:
            found.append(Difference("claim", row.claim_id, "the claim object is not what the record says"))
            if repair:
                claims.update(unit, call.tenant, replace(row, wire=wire))
    return found, rows[-1].claim_id if len(rows) == CLAIMS_A_PAGE else None


def check_accumulators(unit: Unit, tenant: int) -> list[Difference]:
    """Accumulators whose total is not the sum of their entries."""
    return [
        Difference("accumulator", f"{family}/{member or '*'}/{bucket}/{period}", f"total {total}, entries {entries}")
        for family, member, bucket, period, total, entries in members.wrong_totals(unit, tenant)
    ]
