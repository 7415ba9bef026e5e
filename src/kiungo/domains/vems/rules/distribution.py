"""How the price of one service is shared between vendor, facility and platform."""

from kiungo.base.money import Money
from kiungo.domains.vems.model import Amounts, Contract, Distribution, Percentages, Terms


def distribute(contract: Contract, mode: str) -> Distribution | None:
    """The shares a contract gives in a payment mode, or None when it does not cover the mode.

    Percentages become amounts here and only here, by largest remainder, so the parts sum to the whole.
    Source: API guide section 7.1.
    """
    terms = contract.terms_for(mode)
    return None if terms is None else share(terms, contract.sha_rate)


def share(terms: Terms, sha_rate: Money) -> Distribution:
    """The three amounts of some terms under a SHA rate."""
    match terms:
        case Amounts(vendor, facility, fee):
            return Distribution(vendor, facility, fee)
        case Percentages(vendor_bp, facility_bp, fee_bp, total):
            whole = sha_rate if total is None else total
            return Distribution(*whole.allocate((vendor_bp, facility_bp, fee_bp)))
