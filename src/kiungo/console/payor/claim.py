"""One claim as a page shows it: where every cent goes, why, what happened, and what can be done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kiungo.base.money import Money
from kiungo.console.rendering import words
from kiungo.domains.payor.book import PlanBook
from kiungo.domains.payor.model import Adjudication, Adjustment, Claim, Finding, Line, LineResult
from kiungo.domains.payor.rebuild import OnFile
from kiungo.domains.payor.store.claims import ClaimRow

TONES: Final = {"approved": "good", "under_review": "wait", "rejected": "bad"}


@dataclass(frozen=True, slots=True)
class Part:
    """Why a part of a line's charge is not paid by us."""

    text: str
    code: str
    amount: Money
    is_patient: bool


@dataclass(frozen=True, slots=True)
class LineView:
    """One line: charge = adjusted + patient + paid."""

    code: str
    text: str
    service_date: str
    units: int
    charge: Money
    adjusted: Money
    patient: Money
    paid: Money
    parts: Sequence[Part]


def line_views(on_file: OnFile, book: PlanBook | None) -> list[LineView]:
    """Every line with the parts of its charge that we do not pay, in the sender's words or the plan's."""
    pairs = zip(on_file.claim.lines, on_file.result.lines, strict=True)
    return [
        _line(stated, result, on_file.result, stated.description or words_of(book, "procedure", stated.procedure))
        for stated, result in pairs
    ]


def words_of(book: PlanBook | None, kind: str, code: str | None) -> str:
    """What a plan's list says a code means, or nothing."""
    listed = book.listed.get((kind, code)) if book and code else None
    return listed[0].description if listed else ""


def _line(stated: Line, result: LineResult, decision: Adjudication, text: str) -> LineView:
    findings = [finding for finding in decision.findings if finding.line == result.number]
    parts = [_part(entry, findings) for entry in (*result.adjustments, *result.shares)]
    return LineView(
        code=stated.procedure or "no code",
        text=text,
        service_date=stated.service_date,
        units=stated.units,
        charge=result.charge,
        adjusted=result.charge - result.patient - result.paid,
        patient=result.patient,
        paid=result.paid,
        parts=parts,
    )


def _part(entry: Adjustment, findings: Sequence[Finding]) -> Part:
    texts = [f.text for f in findings if (f.group, f.reason) == (entry.group, entry.reason)]
    return Part(" ".join(dict.fromkeys(texts)), f"{entry.group}-{entry.reason}", entry.amount, entry.group == "PR")


def finding_views(result: Adjudication) -> list[Mapping[str, Any]]:
    """What the rules said, in their order."""
    return [
        {
            "text": finding.text,
            "step": finding.step,
            "line": finding.line if len(result.lines) > 1 else 0,
            "code": f"{finding.group}-{finding.reason}" if finding.group and finding.reason else "",
            "amount": finding.amount,
        }
        for finding in result.findings
    ]


def head(on_file: OnFile, wire: Mapping[str, Any]) -> dict[str, Any]:
    """The top of the page. The amounts of a claim that waits are what it would come to."""
    row, claim, result = on_file.row, on_file.claim, on_file.result
    marks = [name for name in ("paid", "void", "information_requested") if wire.get(name)]
    if wire.get("partly_approved") and not on_file.standing.automatic:
        marks.append("partly_approved")
    if claim.priority in ("high", "urgent"):
        marks.append(claim.priority)
    return {
        "claim_id": row.claim_id,
        "version": row.version,
        "status": row.state,
        "marks": marks,
        "is_tentative": row.state == "under_review",
        "tone": TONES[row.state],
        "statement": _statement(wire),
        "patient_name": claim.patient_name,
        "insurance_id": claim.member_id,
        "provider": claim.provider_name or claim.provider_id,
        "charge": result.charge,
        "adjusted": result.charge - result.patient - result.paid,
        "patient": result.patient,
        "paid": result.paid,
    }


def _statement(wire: Mapping[str, Any]) -> dict[str, str] | None:
    """The one sentence a provider needs first."""
    if wire.get("void"):
        return {"title": "Void.", "text": wire.get("void_reason") or ""}
    if wire["status"] == "rejected":
        return {"title": "Rejected.", "text": wire["rejection_reason"]}
    if wire["status"] == "under_review":
        if wire["information_requested"]:
            return {"title": "Information is needed.", "text": wire["review_reason"]}
        why = wire["coverage_message"] if not wire["coverage_validated"] else wire["review_reason"]
        return {"title": "Waits for a reviewer.", "text": f"{why}. Usually {wire['estimated_review_time']}."}
    payment = wire.get("payment")
    if payment:
        how = f"{payment['payment_method']}, reference {payment['payment_reference']}"
        return {"title": "Paid.", "text": f"On {payment['payment_date']} by {how}"}
    return None


def facts(claim: Claim, row: ClaimRow, book: PlanBook | None) -> list[tuple[str, str]]:
    """What was stated, as far as it was."""
    diagnoses = ", ".join(claim.diagnoses)
    meaning = claim.diagnosis_description or words_of(book, "diagnosis", claim.diagnoses[0])
    if meaning:
        diagnoses += f" ({meaning})"
    named = [
        ("Diagnosis", diagnoses),
        ("Plan", book.plan.name if book else row.plan_id),
        ("Priority", words(claim.priority)),
        ("Emergency", "Yes" if claim.emergency else ""),
        ("Provider", ", ".join(filter(None, (claim.provider_name, claim.provider_id)))),
        ("Their number", claim.provider_claim_id),
        ("Booking", claim.booking_no),
        ("Authorization", claim.prior_authorization),
        ("Referred by", claim.referring_physician),
        ("Birth date", claim.patient_birth_date),
        ("Replaces", claim.replaces),
        ("Replaced by", row.replaced_by),
        ("Notes", claim.notes),
        ("Not read", ", ".join(claim.ignored_fields)),
    ]
    return [(name, value) for name, value in named if value]
