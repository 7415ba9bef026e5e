"""What one person proposed about a booking's money and a second one has to confirm: steps of the booking's trail."""

from typing import Final

from kiungo.base.errors import Conflict, Forbidden, define
from kiungo.base.time import SECOND_US
from kiungo.domains.vems import deciding
from kiungo.domains.vems.rules.following import DAY_S
from kiungo.domains.vems.settlement.errors import TWO_PERSONS_NEEDED
from kiungo.domains.vems.store import bookings
from kiungo.domains.vems.store.bookings import Step
from kiungo.kernel.auth import Call
from kiungo.kernel.auth.keys import root_of
from kiungo.kernel.database import Unit

PROPOSAL_OLD = define("PROPOSAL_OLD", Conflict, "The proposal is too old to be confirmed.")

OVERRIDDEN: Final = "booking.overridden"
# After these the booking is not what the proposal was about: decided, set by hand, worth another sum, or called off.
ENDING: Final = frozenset({OVERRIDDEN, "booking.revised", "booking.cancelled", *deciding.TOPIC_OF.values()})
DAYS: Final = 7
"""For how long a proposal can be confirmed: whoever agrees later should look at the booking as it is by then."""


def newest(unit: Unit, tenant: int, booking_no: str, proposed: str) -> Step | None:
    """The newest step of this kind that nothing ended, however old, or None."""
    step = bookings.newest_step(unit, tenant, booking_no, (proposed, *ENDING))
    return step if step is not None and step.what == proposed and step.detail is not None else None


def is_old(unit: Unit, at_us: int) -> bool:
    """Was a proposal of this moment made too long ago to be confirmed? Units: microseconds."""
    return unit.now_us - at_us > DAYS * DAY_S * SECOND_US


def refuse_old(unit: Unit, at_us: int, what: str) -> None:
    """What was proposed long ago is proposed again. Raises: Conflict PROPOSAL_OLD."""
    if is_old(unit, at_us):
        raise Conflict(
            PROPOSAL_OLD, f"The {what} was proposed more than {DAYS} days ago", hint="Propose it again, then confirm it"
        )


def refuse_proposer(unit: Unit, call: Call, by_id: str, what: str) -> None:
    """Only somebody else confirms; a rotated key is the same person. Raises: Forbidden TWO_PERSONS_NEEDED."""
    if root_of(unit, call.tenant, by_id) == root_of(unit, call.tenant, call.principal.id):
        raise Forbidden(TWO_PERSONS_NEEDED, f"Whoever proposed the {what} cannot confirm it", hint="Ask a colleague")
