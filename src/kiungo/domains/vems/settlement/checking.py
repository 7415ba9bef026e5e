"""What is to be settled, checked before anything is written: shares that contradict themselves are nobody's money."""

from collections.abc import Mapping

from kiungo.base.errors import Incorrect
from kiungo.base.money import Money
from kiungo.domains.vems.rules.settlement_modes import MODES
from kiungo.domains.vems.settlement.errors import PAYABLE_WRONG
from kiungo.domains.vems.settlement.model import Payable, Role


def check(payable: Payable, approved: Money, by_share: Mapping[tuple[str, Role], int] | None) -> None:
    """Raises: Incorrect PAYABLE_WRONG with the first thing that does not fit."""
    problem = ""
    contract = {(share.payee_id, share.role): share.amount.minor for share in payable.shares}
    if payable.mode not in MODES:
        problem = f"mode {payable.mode!r} has no rule"
    elif [share.role for share in payable.shares].count("fee") != 1:
        problem = "exactly one share is the fee"
    elif any(share.amount.minor < 0 or share.amount.currency != payable.currency for share in payable.shares):
        problem = "a share is negative or in another currency"
    elif len(contract) != len(payable.shares):
        problem = "a payee has two shares of one role"
    elif payable.total.minor <= 0 or approved.minor < 0 or approved.currency != payable.currency:
        problem = "the total or the approval is not an amount of the booking's currency"
    elif by_share is not None and (
        by_share.keys() != contract.keys()
        or any(not 0 <= minor <= contract[key] for key, minor in by_share.items())
        or sum(by_share.values()) != approved.minor
    ):
        problem = "what each share gets does not fit the shares, or does not sum to the approval"
    if problem:
        raise Incorrect(
            PAYABLE_WRONG, f"Booking {payable.booking_no}: {problem}", field="shares", hint="Check the booking's shares"
        )
