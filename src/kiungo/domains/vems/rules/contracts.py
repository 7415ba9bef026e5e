"""When a contract may stand: complete, within the SHA rate, and alone for its facility, service and time."""

from collections.abc import Iterable, Iterator

from kiungo.base.errors import Detail
from kiungo.base.money import Money
from kiungo.domains.vems.model import ANY_MODE, CURRENCY, PAYMENT_MODES, WHOLE_BP, Amounts, Contract, Percentages, Terms
from kiungo.domains.vems.rules.distribution import share

OVERLAP = "overlap"
ABOVE_RATE = "above_rate"


def problems(contract: Contract) -> tuple[Detail, ...]:
    """Everything that is wrong with a contract by itself."""
    return tuple(_problems(contract))


def overlap(contract: Contract, others: Iterable[Contract]) -> Contract | None:
    """The first other contract of the same facility and service whose time meets this one's, whoever the vendor:
    a request names facility and service only, so two answers would be a guess.
    """
    for other in others:
        if (
            other.contract_id != contract.contract_id
            and (other.facility, other.service) == (contract.facility, contract.service)
            and _begins_in(contract, other)
            and _begins_in(other, contract)
        ):
            return other
    return None


def _begins_in(one: Contract, other: Contract) -> bool:
    return other.effective_until is None or one.effective_from <= other.effective_until


def _problems(contract: Contract) -> Iterator[Detail]:
    if contract.sha_rate.currency != CURRENCY:
        yield Detail("currency", f"must be {CURRENCY}: a booking has one currency")
    if contract.sha_rate.minor <= 0:
        yield Detail("shaRate", "must be above zero")
    if contract.effective_until is not None and contract.effective_until < contract.effective_from:
        yield Detail("effectiveUntil", f"{contract.effective_until} is before effectiveFrom {contract.effective_from}")
    if not contract.terms:
        yield Detail("terms", "must hold the shares of at least one payment mode, or of any")
    for mode, terms in contract.terms.items():
        where = f"terms.{mode}"
        if mode not in (*PAYMENT_MODES, ANY_MODE):
            yield Detail(where, f"is not a payment mode; use one of {', '.join((*PAYMENT_MODES, ANY_MODE))}")
        yield from _terms_problems(where, terms, contract.sha_rate)


def _terms_problems(where: str, terms: Terms, rate: Money) -> Iterator[Detail]:
    match terms:
        case Amounts(vendor, facility, fee):
            if {part.currency for part in (vendor, facility, fee)} != {rate.currency}:
                yield Detail(where, f"must be in {rate.currency}, as the SHA rate is")
                return
            if min(vendor.minor, facility.minor, fee.minor) < 0:
                yield Detail(where, "must not hold a negative share")
                return
        case Percentages(vendor_bp, facility_bp, fee_bp, total):
            if min(vendor_bp, facility_bp, fee_bp) < 0:
                yield Detail(where, "must not hold a negative share")
                return
            if vendor_bp + facility_bp + fee_bp != WHOLE_BP:
                percent = Money(vendor_bp + facility_bp + fee_bp, rate.currency).text()
                yield Detail(where, f"shares {percent} %; the three percentages must make 100 %")
                return
            if total is not None and total.currency != rate.currency:
                yield Detail(where, f"must be in {rate.currency}, as the SHA rate is")
                return
            if total is not None and total.minor < 0:
                yield Detail(where, "must not share a negative total")
                return
    whole = share(terms, rate).total if rate.minor >= 0 else Money.zero(rate.currency)
    if whole.minor <= 0:
        yield Detail(where, "must share an amount above zero")
    if rate < whole:
        yield Detail(where, f"shares {whole.text()}, above the SHA rate of {rate.text()}", ABOVE_RATE)
