"""A decision as FHIR: the ClaimResponse says what, the ExplanationOfBenefit says why, cent by cent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kiungo.base import codes
from kiungo.base.money import Money
from kiungo.base.time import iso_seconds
from kiungo.domains.payor.mapping import terms
from kiungo.domains.payor.mapping.terms import money, read_money
from kiungo.domains.payor.model import Adjudication, Adjustment, Finding, LineResult, Outcome
from kiungo.domains.payor.rules.case import PR_COINSURANCE, PR_COPAY, PR_DEDUCTIBLE, Case
from kiungo.domains.payor.rules.order import in_order
from kiungo.fhir.pieces import Resource, code_in, coded, identifier, reference

SUBMITTED: Final = coded(terms.AMOUNT, "submitted")
ELIGIBLE: Final = coded(terms.AMOUNT, "eligible")
BENEFIT: Final = coded(terms.AMOUNT, "benefit")
PATIENT: Final = coded(terms.OWN_AMOUNT, "patient")
SHARES: Final[Mapping[str, Resource]] = {
    PR_DEDUCTIBLE: coded(terms.AMOUNT, "deductible"),
    PR_COPAY: coded(terms.AMOUNT, "copay"),
    PR_COINSURANCE: coded(terms.OWN_AMOUNT, "coinsurance"),
}
OUTCOMES: Final = {"approved": "complete", "rejected": "complete", "under_review": "queued"}


@dataclass(frozen=True, slots=True)
class Ids:
    """The resource ids of one claim, chosen before anything is written."""

    claim: str
    response: str
    benefit: str


def response(
    case: Case, result: Adjudication, ids: Ids, *, claim_id: str, disposition: str, decided_us: int
) -> Resource:
    """The ClaimResponse: outcome, one sentence, and the totals."""
    return {
        "resourceType": "ClaimResponse",
        "id": ids.response,
        "identifier": [identifier(terms.CLAIM_ID, claim_id)],
        "status": "active",
        "type": terms.CLAIM_TYPE,
        "use": "claim",
        "patient": reference("Patient", case.member.fhir_id),
        "created": iso_seconds(decided_us),
        "insurer": {"identifier": identifier(terms.PAYOR_ID, case.book.plan.payor_id)},
        "request": reference("Claim", ids.claim),
        "outcome": OUTCOMES[result.outcome],
        "disposition": disposition,
        "total": _totals(result),
    }


def benefit(
    case: Case, result: Adjudication, ids: Ids, *, claim_id: str, disposition: str, decided_us: int
) -> Resource:
    """The ExplanationOfBenefit: each line's amounts, and every finding in the order it was made."""
    claim = case.claim
    by_line: dict[int, list[Resource]] = {}
    for finding in result.findings:
        by_line.setdefault(finding.line, []).append(_finding(finding))
    resource: Resource = {
        "resourceType": "ExplanationOfBenefit",
        "id": ids.benefit,
        "identifier": [identifier(terms.CLAIM_ID, claim_id)],
        "status": "active",
        "type": terms.CLAIM_TYPE,
        "use": "claim",
        "patient": reference("Patient", case.member.fhir_id),
        "created": iso_seconds(decided_us),
        "insurer": {"identifier": identifier(terms.PAYOR_ID, case.book.plan.payor_id)},
        "provider": terms.provider_reference(
            claim.provider_id, claim.provider_name, case.provider.fhir_id if case.provider else None
        ),
        "claim": reference("Claim", ids.claim),
        "claimResponse": reference("ClaimResponse", ids.response),
        "outcome": OUTCOMES[result.outcome],
        "disposition": disposition,
        "insurance": [{"focal": True, "coverage": reference("Coverage", case.coverage.fhir_id)}],
        "item": [
            {
                "sequence": line.number,
                "productOrService": _service(stated.procedure),
                "servicedDate": stated.service_date,
                "adjudication": [*_amounts(line), *by_line.get(line.number, ())],
            }
            for line, stated in zip(result.lines, claim.lines, strict=True)
        ],
        "total": _totals(result),
    }
    if 0 in by_line:
        resource["adjudication"] = by_line[0]
    return resource


def _service(procedure: str | None) -> Resource:
    return {"text": procedure} if procedure else coded(terms.DATA_ABSENT, "unknown")


def _totals(result: Adjudication) -> list[Resource]:
    parts: dict[str, Money] = {}
    for line in result.lines:
        for share in line.shares:
            parts[share.reason] = parts.get(share.reason, Money.zero(share.amount.currency)) + share.amount
    return _coded_amounts(result.charge, result.allowed, result.paid, result.patient, parts)


def _amounts(line: LineResult) -> list[Resource]:
    """What the line comes to, before the findings that made it so."""
    parts = {share.reason: share.amount for share in line.shares}
    found = _coded_amounts(line.charge, line.allowed, line.paid, line.patient, parts)
    if line.denied:
        found.append({"category": coded(terms.FINDING, "denied")})
    return found


def _coded_amounts(
    charge: Money, allowed: Money, paid: Money, patient: Money, parts: Mapping[str, Money]
) -> list[Resource]:
    """Amounts by category: what the patient owes as one sum, and each part of it under its own code."""
    amounts = [(SUBMITTED, charge), (ELIGIBLE, allowed), (BENEFIT, paid), (PATIENT, patient)]
    amounts += [(SHARES[reason], amount) for reason, amount in parts.items() if reason in SHARES and amount.minor]
    return [{"category": category, "amount": money(amount)} for category, amount in amounts]


def _read_amounts(entries: Iterable[Resource]) -> dict[str, Money]:
    """The coded amounts of a resource's totals, or of one line's adjudication, by code."""
    found: dict[str, Money] = {}
    for entry in entries:
        for system in (terms.AMOUNT, terms.OWN_AMOUNT):
            code = code_in(entry["category"], system)
            if code is not None:
                found[code] = read_money(entry["amount"])
    return found


def _finding(finding: Finding) -> Resource:
    category: Resource = {
        "coding": [
            {"system": terms.FINDING, "code": finding.effect},
            {"system": terms.STEP, "code": finding.step},
        ]
    }
    if finding.group:
        category["coding"].append({"system": f"{terms.FINDING}:group", "code": finding.group})
    if finding.about_cover:
        category["coding"].append({"system": f"{terms.FINDING}:about", "code": "cover"})
    reason: Resource = {"text": finding.text}
    if finding.reason:
        reason["coding"] = [{"system": codes.CARC, "code": finding.reason}]
    entry: Resource = {"category": category, "reason": reason}
    more = [
        {"url": f"{terms.FINDING}:{name}", "valueString": text}
        for name, text in (("review", finding.review), ("resolve", finding.resolve))
        if text
    ]
    if more:
        entry["extension"] = more
    if finding.amount is not None:
        entry["amount"] = money(finding.amount)
    return entry


def result_of(resource: Resource, outcome: Outcome) -> Adjudication:
    """The decision an ExplanationOfBenefit holds; what it moved in the accumulators is not part of it."""
    lines = lines_of(resource)
    totals = _read_amounts(resource["total"])
    return Adjudication(
        outcome=outcome,
        findings=findings_of(resource),
        lines=lines,
        entries=(),
        charge=totals["submitted"],
        allowed=totals["eligible"],
        paid=totals["benefit"],
        patient=totals["patient"],
    )


def findings_of(resource: Resource) -> tuple[Finding, ...]:
    """The findings an ExplanationOfBenefit holds, in the order they were told."""
    found = [_read_finding(entry, 0) for entry in resource.get("adjudication", ())]
    for item in resource["item"]:
        for entry in item["adjudication"]:
            if code_in(entry["category"], terms.STEP):
                found.append(_read_finding(entry, item["sequence"]))
    return in_order(found)


def _read_finding(entry: dict[str, Any], line: int) -> Finding:
    more = {extension["url"]: extension["valueString"] for extension in entry.get("extension", ())}
    category = entry["category"]
    return Finding(
        step=code_in(category, terms.STEP) or "",
        effect=code_in(category, terms.FINDING),  # type: ignore[arg-type]
        text=entry["reason"]["text"],
        line=line,
        group=code_in(category, f"{terms.FINDING}:group"),  # type: ignore[arg-type]
        reason=code_in(entry["reason"], codes.CARC),
        amount=read_money(entry["amount"]) if "amount" in entry else None,
        review=more.get(f"{terms.FINDING}:review"),
        resolve=more.get(f"{terms.FINDING}:resolve"),
        about_cover=code_in(category, f"{terms.FINDING}:about") is not None,
    )


def lines_of(resource: Resource) -> tuple[LineResult, ...]:
    """The line results an ExplanationOfBenefit holds, with reasons netted from its findings."""
    findings = findings_of(resource)
    return tuple(_read_line(item, findings) for item in resource["item"])


def _read_line(item: Resource, findings: tuple[Finding, ...]) -> LineResult:
    amounts = _read_amounts(item["adjudication"])
    adjustments: dict[tuple[str, str], Any] = {}
    shares: dict[tuple[str, str], Any] = {}
    for finding in findings:
        if finding.line != item["sequence"] or finding.amount is None or not finding.group or not finding.reason:
            continue
        netted = shares if finding.effect == "share" else adjustments
        key = (finding.group, finding.reason)
        netted[key] = netted[key] + finding.amount if key in netted else finding.amount
    return LineResult(
        number=item["sequence"],
        charge=amounts["submitted"],
        allowed=amounts["eligible"],
        paid=amounts["benefit"],
        patient=amounts["patient"],
        denied=any(code_in(e["category"], terms.FINDING) == "denied" for e in item["adjudication"]),
        adjustments=_netted(adjustments),
        shares=_netted(shares),
    )


def _netted(amounts: dict[tuple[str, str], Any]) -> tuple[Adjustment, ...]:
    return tuple(Adjustment(group, reason, amount) for (group, reason), amount in amounts.items() if amount)  # type: ignore[arg-type]
