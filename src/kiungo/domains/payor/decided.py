"""A decision with everything that will be written about it, made before any unit of work is opened."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kiungo.domains.payor import events, view
from kiungo.domains.payor.mapping.decision import Ids
from kiungo.domains.payor.mapping.records import Records
from kiungo.domains.payor.model import Adjudication
from kiungo.domains.payor.rules.case import Case
from kiungo.domains.payor.view import Standing
from kiungo.fhir.model import Prepared
from kiungo.kernel import json


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision of one claim, ready to be stored."""

    case: Case
    result: Adjudication
    claim_id: str
    ids: Ids
    submitted_us: int
    decided_us: int
    view: Mapping[str, Any]
    wire: bytes
    response: Prepared
    benefit: Prepared

    def payment_details(self) -> Mapping[str, Any] | None:
        """What the provider will be paid and when, for an approved claim."""
        if self.result.outcome != "approved":
            return None
        plan = self.case.book.plan
        return events.payment_details(
            self.result.paid,
            self.result.patient,
            expected_on=view.expected_payment_date(self.decided_us, plan),
            method=plan.payment_method,
        )


def describe(
    records: Records,
    case: Case,
    result: Adjudication,
    standing: Standing,
    *,
    claim_id: str,
    ids: Ids,
    submitted_us: int,
    decided_us: int,
) -> Decided:
    """Write a decision as the API's claim object and as FHIR."""
    shown = view.claim_object(
        case.claim,
        case.book.plan,
        result,
        standing,
        claim_id=claim_id,
        submitted_us=submitted_us,
        decided_us=None if result.outcome == "under_review" else decided_us,
    )
    disposition = disposition_of(shown)
    return Decided(
        case=case,
        result=result,
        claim_id=claim_id,
        ids=ids,
        submitted_us=submitted_us,
        decided_us=decided_us,
        view=shown,
        wire=json.dumps(shown),
        response=records.response(case, result, ids, claim_id=claim_id, disposition=disposition, decided_us=decided_us),
        benefit=records.benefit(case, result, ids, claim_id=claim_id, disposition=disposition, decided_us=decided_us),
    )


def disposition_of(shown: Mapping[str, Any]) -> str:
    """The decision in one sentence."""
    for name in ("rejection_reason", "review_reason", "notes"):
        if shown.get(name):
            return str(shown[name])
    return str(shown["coverage_message"])
