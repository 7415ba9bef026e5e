"""`kiungo check`: do the rows say what the record says, and do the totals say what the entries say?"""

from dataclasses import dataclass, replace

from kiungo.domains.payor import rebuild
from kiungo.domains.payor.model import Outcome
from kiungo.domains.payor.opening import Openings
from kiungo.domains.payor.store import claims, members
from kiungo.fhir.repository import Repository
from kiungo.kernel import json
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
        found += [Difference("claim", row.claim_id, what) for what in _differences(unit, call, repository, on_file)]
        wire = rebuild.wire_of(on_file, plans[row.plan_id].plan)
        if wire != row.wire:
            found.append(Difference("claim", row.claim_id, "the claim object is not what the record says"))
            if repair:
                claims.update(unit, call.tenant, replace(row, wire=wire))
    return found, rows[-1].claim_id if len(rows) == CLAIMS_A_PAGE else None


def _differences(unit: Unit, call: Call, repository: Repository, on_file: rebuild.OnFile) -> list[str]:
    """The columns of a claim's row that do not say what its record says."""
    row, claim, result = on_file.row, on_file.claim, on_file.result
    state = _state_of(on_file)
    record = {
        "state": state,
        "member_id": claim.member_id,
        "provider_id": claim.provider_id,
        "provider_claim_id": claim.provider_claim_id,
        "booking_no": claim.booking_no,
        "plan_id": _plan_of(unit, call, repository, on_file.coverage_fhir),
        "currency": result.charge.currency,
        "charge_minor": result.charge.minor,
        "paid_minor": result.paid.minor if state == "approved" else 0,
        "patient_minor": result.patient.minor if state != "under_review" else 0,
        "payment_id": on_file.payment_id,
    }
    wrong = [name for name, said in record.items() if getattr(row, name) != said]
    if on_file.cancelled != (row.voided_us is not None):
        wrong.append("voided_us")
    return [f"{name} of the row is not what the record says" for name in wrong]


def _plan_of(unit: Unit, call: Call, repository: Repository, coverage_id: str) -> str | None:
    """The plan of the cover a claim was judged under; None when the record has no such cover any more."""
    found = repository.find(unit, call, "Coverage", coverage_id)
    if found is None or found.deleted:
        return None
    classes = json.loads(found.body)["class"]
    return next((one["value"] for one in classes if one["type"]["coding"][0]["code"] == "plan"), None)


def _state_of(on_file: rebuild.OnFile) -> Outcome:
    """The state a claim's record says it is in."""
    if on_file.is_waiting:
        return "under_review"
    return "rejected" if all(line.denied for line in on_file.result.lines) else "approved"


def check_accumulators(unit: Unit, tenant: int) -> list[Difference]:
    """Accumulators whose total is not the sum of their entries."""
    return [
        Difference("accumulator", f"{family}/{member or '*'}/{bucket}/{period}", f"total {total}, entries {entries}")
        for family, member, bucket, period, total, entries in members.wrong_totals(unit, tenant)
    ]
