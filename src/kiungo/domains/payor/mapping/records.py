"""A claim's FHIR records, prepared: those of one provider and plan are alike but for who, when and which.

None of their amounts, codes and reasons is an R4 search parameter, so the index gets the same rows for all of them.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kiungo.domains.payor.mapping import claim as claim_mapping
from kiungo.domains.payor.mapping import decision
from kiungo.domains.payor.mapping.decision import OUTCOMES, Ids
from kiungo.domains.payor.model import Adjudication
from kiungo.domains.payor.rules.case import Case
from kiungo.fhir.model import Prepared
from kiungo.fhir.moulds import IDENTIFIER, SECOND, Moulds
from kiungo.fhir.pieces import Resource


class Records:
    """Prepares the records of claims, each kind by its mould. Safe from any thread."""

    def __init__(self) -> None:
        self._moulds = Moulds()

    def claim(self, case: Case, ids: Ids, *, claim_id: str, submitted_us: int) -> Prepared:
        """The Claim; its own numbers are among its identifiers where it has them."""
        stated = case.claim
        numbers = {
            name: number
            for name, number in (("provider_claim_id", stated.provider_claim_id), ("booking_no", stated.booking_no))
            if number
        }

        def made_up(values: Sequence[Any]) -> Resource:
            number, member_id, patient, then_us, *others = values
            return claim_mapping.to_fhir(
                replace(
                    case,
                    claim=replace(stated, member_id=member_id, **dict(zip(numbers, others, strict=True))),
                    member=replace(case.member, fhir_id=patient),
                ),
                id=ids.claim,
                claim_id=number,
                submitted_us=then_us,
            )

        alike = ("Claim", case.book.plan.time_zone, stated.priority, *_parties(case), *numbers)
        kinds = (IDENTIFIER, IDENTIFIER, "Patient", SECOND, *[IDENTIFIER] * len(numbers))
        values = (claim_id, stated.member_id, case.member.fhir_id, submitted_us, *numbers.values())
        resource = claim_mapping.to_fhir(case, id=ids.claim, claim_id=claim_id, submitted_us=submitted_us)
        return self._moulds.prepare(alike, resource, values, kinds, made_up, id=ids.claim)

    def response(
        self, case: Case, result: Adjudication, ids: Ids, *, claim_id: str, disposition: str, decided_us: int
    ) -> Prepared:
        """The ClaimResponse."""

        def made_up(values: Sequence[Any]) -> Resource:
            number, patient, claim, then_us = values
            return decision.response(
                replace(case, member=replace(case.member, fhir_id=patient)),
                result,
                replace(ids, claim=claim),
                claim_id=number,
                disposition=disposition,
                decided_us=then_us,
            )

        alike = ("ClaimResponse", OUTCOMES[result.outcome], disposition, case.book.plan.payor_id)
        kinds = (IDENTIFIER, "Patient", "Claim", SECOND)
        values = (claim_id, case.member.fhir_id, ids.claim, decided_us)
        resource = decision.response(
            case, result, ids, claim_id=claim_id, disposition=disposition, decided_us=decided_us
        )
        return self._moulds.prepare(alike, resource, values, kinds, made_up, id=ids.response)

    def benefit(
        self, case: Case, result: Adjudication, ids: Ids, *, claim_id: str, disposition: str, decided_us: int
    ) -> Prepared:
        """The ExplanationOfBenefit."""

        def made_up(values: Sequence[Any]) -> Resource:
            number, patient, coverage, claim, then_us = values
            return decision.benefit(
                replace(
                    case,
                    member=replace(case.member, fhir_id=patient),
                    coverage=replace(case.coverage, fhir_id=coverage),
                ),
                result,
                replace(ids, claim=claim),
                claim_id=number,
                disposition=disposition,
                decided_us=then_us,
            )

        alike = ("ExplanationOfBenefit", OUTCOMES[result.outcome], disposition, *_parties(case))
        kinds = (IDENTIFIER, "Patient", "Coverage", "Claim", SECOND)
        values = (claim_id, case.member.fhir_id, case.coverage.fhir_id, ids.claim, decided_us)
        resource = decision.benefit(
            case, result, ids, claim_id=claim_id, disposition=disposition, decided_us=decided_us
        )
        return self._moulds.prepare(alike, resource, values, kinds, made_up, id=ids.benefit)


def _parties(case: Case) -> tuple[str | None, ...]:
    """Who pays and who is paid, as the records name them."""
    stated, provider = case.claim, case.provider
    return case.book.plan.payor_id, stated.provider_id, stated.provider_name, provider.fhir_id if provider else None
