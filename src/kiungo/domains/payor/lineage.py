"""The claims a replacement stands in the place of, back to the first: since when is each day of service on file?"""

from collections.abc import Iterator

from kiungo.domains.payor.mapping import claim as claim_mapping
from kiungo.domains.payor.mapping.decision import findings_of
from kiungo.domains.payor.model import Claim
from kiungo.domains.payor.rules import filing
from kiungo.domains.payor.store import claims
from kiungo.domains.payor.store.claims import ClaimRow
from kiungo.fhir.repository import Repository
from kiungo.kernel import json
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import Unit

REPLACED_MOST = 100


def carried(unit: Unit, tenant: int, repository: Repository, replaces: str | None) -> dict[str, str]:
    """The day each day of service was first claimed on, by the chain of replaced claims.

    Days a claim of the chain was refused for being late are left out: replacing it makes nobody punctual.
    """
    first: dict[str, str] = {}
    if replaces is None:
        return first
    call = system_call(tenant)
    for row, claim in _chain(unit, tenant, repository, replaces):
        benefit = json.loads(repository.read(unit, call, "ExplanationOfBenefit", row.benefit_fhir).body)
        late = {
            finding.line
            for finding in findings_of(benefit)
            if finding.effect == "deny" and finding.reason == filing.REASON_LATE
        }
        for line in claim.lines:
            if line.number not in late:
                first[line.service_date] = claim.received_on
    return first


def _chain(unit: Unit, tenant: int, repository: Repository, replaces: str | None) -> Iterator[tuple[ClaimRow, Claim]]:
    """From the claim replaced last to the first one."""
    call = system_call(tenant)
    for _ in range(REPLACED_MOST):
        row = claims.find(unit, tenant, replaces) if replaces is not None else None
        if row is None:
            return
        claim = claim_mapping.from_fhir(json.loads(repository.read(unit, call, "Claim", row.claim_fhir).body))
        yield row, claim
        replaces = claim.replaces
