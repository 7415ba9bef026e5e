"""Is this claim here already? The exact repetition by fingerprint, the near one by a person."""

import hashlib
from collections.abc import Iterator

from kiungo.domains.payor.model import Claim, Finding, Line, Neighbour
from kiungo.domains.payor.rules.case import Case, Sheet

STEP = "duplicate"
REASON_DUPLICATE = "18"
# Modifiers that say "yes, this service was really done again".
REPEATED_ON_PURPOSE = frozenset({"76", "77", "59", "XE", "XP", "XS", "XU", "91"})


def fingerprint(claim: Claim, *, dated: bool = True) -> bytes:
    """What makes two claims the same: all that a decision follows from, and the provider's own id.

    Names, notes and priority are left out: they describe a claim and do not make another one of it. What another
    payer paid, the authorization, an emergency and the claim replaced are in it, for they are what corrections change.
    Shapes: not `dated` when a day of service is not the provider's word but the day the claim came.
    """
    parts = [claim.member_id, claim.provider_id, claim.provider_claim_id or "", claim.booking_no or ""]
    parts += [claim.prior_authorization or "", "emergency" if claim.emergency else "", claim.replaces or ""]
    parts += claim.diagnoses
    for line in claim.lines:
        modifiers = ".".join(sorted(line.modifiers))
        money = f"{line.charge.currency}{line.charge.minor}"
        prior = "" if line.prior_paid is None else str(line.prior_paid.minor)
        parts.append(f"{line.service_date}|{line.procedure or ''}|{modifiers}|{line.units}|{money}|{prior}")
    if not dated:
        parts.append("undated")
    return hashlib.sha256("\x1f".join(parts).encode()).digest()[:16]


def check(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """A claim voided before is asked about; a line stated twice is denied; like services on file are suspect.

    So is a number the provider gave to another claim. Services marked as repeated are neither denied nor suspect.
    """
    if case.voided_same is not None:
        yield Finding(
            STEP,
            "pend",
            f"The claim is the same as {case.voided_same}, which was voided",
            reason=REASON_DUPLICATE,
            review="The same claim was voided before",
            resolve="Approve it if it is meant to be paid now, or reject the claim as a late repetition",
        )
    elif case.same_number is not None:
        yield Finding(
            STEP,
            "pend",
            f"The provider's number {case.claim.provider_claim_id} is that of claim {case.same_number}",
            reason=REASON_DUPLICATE,
            review="The provider's own number is on file already",
            resolve="Confirm that it is another claim, or reject it; a correction names the claim it `replaces`",
        )
    if len(sheet.lines) > 1:
        yield from _stated_twice(sheet)
    within_bp = case.book.plan.suspect_within_bp
    for line_sheet in sheet.open_lines():
        line = line_sheet.line
        if line.procedure is None or not REPEATED_ON_PURPOSE.isdisjoint(line.modifiers):
            continue
        for neighbour in case.neighbours:
            if _alike(case.claim, line, neighbour, within_bp):
                yield Finding(
                    STEP,
                    "pend",
                    f"Line {line.number} looks like a repetition of claim {neighbour.claim_id}"
                    f"{', which a person refused' if neighbour.refused else ''}",
                    line=line.number,
                    reason=REASON_DUPLICATE,
                    review="Possible duplicate of a claim already on file",
                    resolve="Confirm that the service was given twice, or reject the claim as a duplicate",
                )
                break


def _stated_twice(sheet: Sheet) -> Iterator[Finding]:
    """Lines of one service, day and number of units: the same charge again is denied, another charge is asked about."""
    first: dict[tuple[str, str, tuple[str, ...], int], Line] = {}
    for line_sheet in sheet.open_lines():
        line = line_sheet.line
        if line.procedure is None or not REPEATED_ON_PURPOSE.isdisjoint(line.modifiers):
            continue
        known = first.setdefault((line.procedure, line.service_date, tuple(sorted(line.modifiers)), line.units), line)
        if known is line:
            continue
        text = f"Line {line.number} states the service of line {known.number} again"
        if known.charge == line.charge:
            amount = sheet.money(line_sheet.left)
            yield Finding(STEP, "deny", text, line.number, group="CO", reason=REASON_DUPLICATE, amount=amount)
        else:
            yield Finding(
                STEP,
                "pend",
                text,
                line=line.number,
                reason=REASON_DUPLICATE,
                review="A service is on the claim twice",
                resolve="Confirm that the service was given twice, or allow nothing for the line",
            )


def _alike(claim: Claim, line: Line, neighbour: Neighbour, within_bp: int | None) -> bool:
    if (
        neighbour.procedure != line.procedure
        or neighbour.service_date != line.service_date
        or neighbour.provider_id != claim.provider_id
        or (neighbour.claim_id == claim.replaces and not neighbour.refused)
    ):
        return False
    if within_bp is None:
        return True
    return abs(neighbour.charge_minor - line.charge.minor) * 10_000 <= within_bp * line.charge.minor
