"""Which steps a leg may take, and what its settlement then is."""

from collections.abc import Iterable
from typing import Final

from kiungo.base.money import Money
from kiungo.domains.vems.settlement.model import LegState, SettlementState

# A leg whose order may have left us never goes back to where it could be submitted: `unknown` leads to posted or failed
# only. `submitting -> held` is for an order the rail certainly did not receive.
STEPS: Final[dict[LegState, frozenset[LegState]]] = {
    "waiting": frozenset({"held", "carried", "cancelled"}),
    "held": frozenset({"submitting", "cancelled"}),
    "submitting": frozenset({"held", "submitted", "posted", "failed", "unknown"}),
    "submitted": frozenset({"posted", "failed", "unknown"}),
    "unknown": frozenset({"posted", "failed"}),
    "posted": frozenset({"returned"}),
    "failed": frozenset({"replaced", "posted"}),
    "returned": frozenset({"replaced"}),
    "carried": frozenset(),
    "cancelled": frozenset(),
    "replaced": frozenset(),
}
SENT: Final[frozenset[LegState]] = frozenset({"submitting", "submitted", "unknown"})
# The money is certainly not with the payee, in the order in which a lower approval takes them back.
UNPAID: Final[tuple[LegState, ...]] = ("waiting", "held", "failed", "returned")
# Causes that money or a mended credential removes: what failed for them is paid again without a person.
SELF_MENDING: Final = ("funds", "credential")
# It was paid after all, and our float at the rail does not cover it: money put there books it, nobody pays it again.
UNCOVERED: Final = "uncovered"
LOWERED: Final = "the approval was lowered before it was paid"
DEAD: Final[frozenset[LegState]] = frozenset({"cancelled", "replaced"})


def allows(before: LegState, after: LegState) -> bool:
    """Whether a leg may go from one state to another."""
    return after in STEPS[before]


def settlement_state(
    legs: Iterable[tuple[LegState, str]], *, outstanding: Money, version: int
) -> tuple[SettlementState, str]:
    """A settlement's state and reason from those of its legs. `outstanding` is owed, not yet payable."""
    found = sorted(legs)
    for wanted, state in (
        (("unknown", "failed", "returned"), "attention"),
        (("waiting",), "waiting"),
        (("held", "submitting", "submitted"), "paying"),
    ):
        for leg_state, reason in found:
            if leg_state in wanted:
                return state, reason or leg_state  # type: ignore[return-value]
    if outstanding.minor:
        return "waiting", f"{outstanding} are approved and not yet remitted"
    return "settled", "" if version else "nothing is decided yet"
