"""The order in which findings are told: as the steps run, the whole claim before its lines.

FHIR keeps the findings of the claim and of each line apart; by this order they come back as they were.
"""

from collections.abc import Iterable
from typing import Final

from kiungo.domains.payor.model import Finding
from kiungo.domains.payor.rules import (
    authorization,
    benefit,
    booking,
    codes,
    coordination,
    cost_share,
    coverage,
    duplicate,
    edits,
    filing,
    pricing,
    provider,
    ruling,
    triggers,
)

_STEPS: Final = (
    duplicate, coverage, filing, provider, codes, authorization, booking, edits, ruling, pricing, benefit,
    cost_share, coordination, triggers,
)  # fmt: skip
_RANK: Final = {module.STEP: rank for rank, module in enumerate(_STEPS)}


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings by step and line; those of one step and line keep the order they were made in."""
    return tuple(sorted(findings, key=_place))


def _place(finding: Finding) -> tuple[int, int]:
    return _RANK[finding.step], finding.line
