"""Is this claim here already? The exact repetition by fingerprint, the near one by a person."""

import hashlib
from collections.abc import Iterator

from kiungo.domains.payor.model import Claim, Finding, Line, Neighbour
from kiungo.domains.payor.rules.case import Case, Sheet

STEP = "duplicate"
# Modifiers that say "yes, this service was really done again".
REPEATED_ON_PURPOSE = frozenset({"76", "77", "59", "XE", "XP", "XS", "XU", "91"})


def fingerprint(claim: Claim) -> bytes:
    """What makes two claims the same: all that a decision follows from, and the provider's own id.

    Names, notes and priority are left out: they describe a claim and do not make another one of it. What another
    payer paid, the authorization, an emergency and the claim replaced are in it, for they are what corrections change.
    """
    parts = [claim.member_id, claim.provider_id, claim.provider_claim_id or "", claim.booking_no or ""]
    parts += [claim.prior_authorization or "", "emergency" if claim.emergency else "", claim.replaces or ""]
    parts += claim.diagnoses
    for line in claim.lines:
        modifiers = ".".join(sorted(line.modifiers))
        money = f"{line.charge.currency}{line.charge.minor}"
        prior = "" if line.prior_paid is None else str(line.prior_paid.minor)
        parts.append(f"{line.service_date}|{line.procedure or ''}|{modifiers}|{line.units}|{money}|{prior}")
    return hashlib.sha256("\x1f".join(parts).encode()).digest()[:16]


def check(case: Case, _sheet: Sheet) -> Iterator[Finding]:
    """Services on file for the same member, day, code and provider are suspect, unless marked as repeated."""
    within_bp = case.book.plan.suspect_within_bp
    for line in case.claim.lines:
        if line.procedure is None or not REPEATED_ON_PURPOSE.isdisjoint(line.modifiers):
            continue
        for neighbour in case.neighbours:
            if _alike(case.claim, line, neighbour, within_bp):
                yield Finding(
                    STEP,
                    "pend",
                    f"Line {line.number} looks like a repetition of claim {neighbour.claim_id}",
                    line=line.number,
                    reason="18",
                    review="Possible duplicate of a claim already on file",
                    resolve="Confirm that the service was given twice, or reject the claim as a duplicate",
                )
                break


def _alike(claim: Claim, line: Line, neighbour: Neighbour, within_bp: int | None) -> bool:
    if (
        neighbour.procedure != line.procedure
        or neighbour.service_date != line.service_date
        or neighbour.provider_id != claim.provider_id
        or neighbour.claim_id == claim.replaces
    ):
        return False
    if within_bp is None:
        return True
    return abs(neighbour.charge_minor - line.charge.minor) * 10_000 <= within_bp * line.charge.minor
