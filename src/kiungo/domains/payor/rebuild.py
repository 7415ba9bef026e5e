"""A claim as the store holds it, put together again from its FHIR resources, its steps and its payment."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kiungo.domains.payor import view
from kiungo.domains.payor.book import Plan
from kiungo.domains.payor.mapping import claim as claim_mapping
from kiungo.domains.payor.mapping import terms
from kiungo.domains.payor.mapping.decision import OUTCOMES, Ids, result_of
from kiungo.domains.payor.model import Adjudication, Claim
from kiungo.domains.payor.store import desk, payments
from kiungo.domains.payor.store.claims import ClaimRow
from kiungo.domains.payor.view import Standing
from kiungo.fhir.repository import Repository
from kiungo.kernel import json
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Unit


@dataclass(frozen=True, slots=True)
class OnFile:
    """A claim as it was stated and as it was last decided.

    Shapes: the ids, whether the record is `cancelled`, and the payment are what the ExplanationOfBenefit says.
    """

    row: ClaimRow
    claim: Claim
    result: Adjudication
    standing: Standing
    payor_id: str
    coverage_fhir: str
    cancelled: bool
    payment_id: str | None
    is_waiting: bool

    @property
    def ids(self) -> Ids:
        """The ids of its FHIR resources."""
        return Ids(self.row.claim_fhir, self.row.response_fhir, self.row.benefit_fhir)


def read(unit: Unit, call: Call, repository: Repository, row: ClaimRow) -> OnFile:
    """Read a claim back from the record. Raises: NotFound when a resource is missing."""
    claim = json.loads(repository.read(unit, call, "Claim", row.claim_fhir).body)
    benefit = json.loads(repository.read(unit, call, "ExplanationOfBenefit", row.benefit_fhir).body)
    return OnFile(
        row=row,
        claim=claim_mapping.from_fhir(claim),
        result=result_of(benefit, row.state),
        standing=_with_what_was_kept(standing_of(unit, call.tenant, row), benefit),
        payor_id=benefit["insurer"]["identifier"]["value"],
        coverage_fhir=benefit["insurance"][0]["coverage"]["reference"].removeprefix("Coverage/"),
        cancelled=benefit["status"] == "cancelled",
        payment_id=benefit["payment"]["identifier"]["value"] if "payment" in benefit else None,
        is_waiting=benefit["outcome"] == OUTCOMES["under_review"],
    )


def standing_of(unit: Unit, tenant: int, row: ClaimRow) -> Standing:
    """What the steps and the payment say about a claim."""
    question = reason = notes = None
    automatic = True
    for step in desk.steps(unit, tenant, row.claim_id):
        if step.action in ("approve", "reject"):
            automatic, notes, question = False, step.note or None, None
        elif step.action == "reopen":
            automatic, notes, question = True, None, None
        elif step.action == "request_information":
            question = step.note
        elif step.action == "information":
            question = None
        elif step.action in ("void", "replaced"):
            reason = step.note
    payment = payments.find(unit, tenant, row.payment_id) if row.payment_id else None
    return Standing(
        automatic=automatic,
        notes=notes,
        question=question,
        voided_us=row.voided_us,
        void_reason=reason,
        replaced_by=row.replaced_by,
        payment=payment.shown() if payment else None,
    )


def _with_what_was_kept(standing: Standing, benefit: Mapping[str, Any]) -> Standing:
    """What was sent for a claim and what was kept back of it, where the two differ."""
    kept = benefit.get("payment", {}).get("adjustment")
    if standing.payment is None or kept is None:
        return standing
    sent = terms.read_money(benefit["payment"]["amount"])
    told = {"paid_amount": sent, "recovered_amount": terms.read_money(kept)}
    return replace(standing, payment={**standing.payment, **told})


def wire_of(on_file: OnFile, plan: Plan) -> bytes:
    """The bytes the row must hold; `kiungo check` compares them.

    Who the payor was, and whom to ask until when, are as they were told with the decision: a plan that changes these
    later changes no claim.
    """
    row = on_file.row
    told = json.loads(row.wire)
    as_told = replace(
        plan,
        payor_id=on_file.payor_id,
        review_time=told.get("estimated_review_time", plan.review_time),
        reviewer_contact=told.get("reviewer_contact", plan.reviewer_contact),
    )
    return json.dumps(
        view.claim_object(
            on_file.claim,
            as_told,
            on_file.result,
            on_file.standing,
            claim_id=row.claim_id,
            submitted_us=row.submitted_us,
            decided_us=row.decided_us,
        )
    )
