"""What of a booking a payer is asked to pay: the services that are not capitated.

A capitated service was paid to the facility beforehand; the facility owes us the vendor's share and our fee of it when
it is delivered (settlement_modes.py). So it is in no claim, nothing of a payer's approval is for it, and a booking of
capitated services alone has no claim.
"""

from collections.abc import Iterable, Sequence

from kiungo.base.money import Money
from kiungo.domains.vems.model import BookedLine


def claimable(lines: Iterable[BookedLine]) -> tuple[BookedLine, ...]:
    """The services a claim is for."""
    return tuple(line for line in lines if not line.capitated)


def claimable_of(line: BookedLine) -> Money:
    """What of a service a payer can be asked for."""
    return Money.zero(line.share.total.currency) if line.capitated else line.share.total


def claimable_total(lines: Sequence[BookedLine]) -> Money:
    """What a claim for a booking comes to."""
    return sum((claimable_of(line) for line in lines), Money.zero(lines[0].share.total.currency))
