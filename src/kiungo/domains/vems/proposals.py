"""What one person proposed about a booking's money and a second one has to confirm: steps of the booking's trail."""

from typing import Final

from kiungo.base.errors import Forbidden
from kiungo.domains.vems import deciding
from kiungo.domains.vems.settlement.errors import TWO_PERSONS_NEEDED
from kiungo.domains.vems.store import bookings
from kiungo.domains.vems.store.bookings import Step
from kiungo.kernel.auth import Call
from kiungo.kernel.auth.keys import root_of
from kiungo.kernel.database import Unit

OVERRIDDEN: Final = "booking.overridden"
# After these the booking is not what the proposal was about: it was decided, set by hand, or is worth another sum.
ENDING: Final = frozenset({OVERRIDDEN, "booking.revised", *deciding.TOPIC_OF.values()})


def newest(unit: Unit, tenant: int, booking_no: str, proposed: str) -> Step | None:
    """The newest step of this kind that nothing ended, or None."""
    found: Step | None = None
    for step in bookings.steps_of(unit, tenant, booking_no):
        if step.what == proposed and step.detail is not None:
            found = step
        elif step.what in ENDING:
            found = None
    return found


def refuse_proposer(unit: Unit, call: Call, by_id: str, what: str) -> None:
    """Only somebody else confirms; a rotated key is the same person. Raises: Forbidden TWO_PERSONS_NEEDED."""
    if root_of(unit, call.tenant, by_id) == root_of(unit, call.tenant, call.principal.id):
        raise Forbidden(TWO_PERSONS_NEEDED, f"Whoever proposed the {what} cannot confirm it", hint="Ask a colleague")
