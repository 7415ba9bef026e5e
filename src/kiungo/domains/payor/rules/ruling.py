"""A reviewer's decision carried out: a rejection denies every line that is still open."""

from collections.abc import Iterator

from kiungo.domains.payor.model import Finding, Ruling
from kiungo.domains.payor.rules import pricing
from kiungo.domains.payor.rules.case import Case, Sheet

STEP = "review"
REASON_REJECTED = "A1"


def check(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """Deny what is left of a claim the reviewer rejected; ask again about one that was reopened."""
    ruling = case.ruling
    if ruling is None or ruling.kind == "approve":
        return
    if ruling.kind == "reopen":
        yield Finding(STEP, "pend", f"Reopened: {ruling.reason}", review="Reopened for review", resolve="Decide again")
        return
    for line_sheet in sheet.open_lines():
        yield Finding(
            STEP,
            "deny",
            ruling.reason,
            line=line_sheet.line.number,
            group="CO",
            reason=REASON_REJECTED,
            amount=sheet.money(line_sheet.left),
        )


def overrule(ruling: Ruling, finding: Finding) -> Finding:
    """The finding as it stands after a reviewer looked at it.

    Questions are answered, so they become notes. From a line whose allowed amount the reviewer set by hand every
    denial and every cut is lifted, save the one that brings the line to that amount.
    """
    if ruling.kind == "reopen":
        return finding
    lifted = finding.effect in ("deny", "adjust") and finding.line in ruling.allowed and finding.step != pricing.STEP
    if finding.effect != "pend" and not lifted:
        return finding
    return Finding(
        finding.step,
        "note",
        f"{finding.text} (decided by the reviewer)",
        line=finding.line,
        reason=finding.reason,
        about_cover=finding.about_cover,
    )
