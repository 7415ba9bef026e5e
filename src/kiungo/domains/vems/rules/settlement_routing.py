"""Which rail pays a leg, and how much of it: the payee's preference, each rail's limit, and whole shillings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kiungo.base.money import Money
from kiungo.domains.vems.settlement.model import Preference
from kiungo.ports.payment import Capabilities

WHOLE_MINOR = 100


@dataclass(frozen=True, slots=True)
class Route:
    """Where a leg goes. Units: minor; `carry_minor` stays on the payee's account for the next settlement."""

    preference: Preference
    amount_minor: int
    carry_minor: int


def choose(
    preferences: Sequence[Preference],
    rails: Mapping[str, Capabilities],
    paused: Mapping[str, str],
    *,
    total_minor: int,
    currency: str,
) -> Route | str:
    """The first preference whose rail can pay all of it in one payment, or the reason why there is none.

    A payment is never split to stay below a limit: that is structuring. A paused rail waits rather than being
    avoided, since the payee chose it.
    """
    reasons = []
    for preference in preferences:
        rail = rails.get(preference.rail)
        kind = preference.destination.kind
        if rail is None or kind not in rail.destinations or rail.currency != currency:
            reasons.append(f"{preference.rail} cannot pay {currency} to a {kind}")
            continue
        payable = total_minor - total_minor % WHOLE_MINOR if rail.whole_units else total_minor
        if payable > rail.limit_minor(kind):
            reasons.append(f"{preference.rail} pays at most {Money(rail.limit_minor(kind), currency)} to a {kind}")
            continue
        if preference.rail in paused:
            return f"{preference.rail} is paused: {paused[preference.rail]}"
        return Route(preference, payable, total_minor - payable)
    return "; ".join(reasons) or "the payee has no payment details"
