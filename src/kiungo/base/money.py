"""Money as an integer count of minor units with its ISO 4217 currency; never a float."""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Self

from kiungo.base.errors import Incorrect, define

AMOUNT_NOT_A_NUMBER = define("AMOUNT_NOT_A_NUMBER", Incorrect, "An amount is not a plain decimal number.")
AMOUNT_PRECISION = define("AMOUNT_PRECISION", Incorrect, "An amount has more decimals than its currency.")
AMOUNT_TOO_LARGE = define("AMOUNT_TOO_LARGE", Incorrect, "An amount is beyond what the ledger can hold.")
CURRENCY_UNKNOWN = define("CURRENCY_UNKNOWN", Incorrect, "A currency is not in ISO 4217.")

MINOR_MAX = 10**17  # far below 2**63, so that sums of many amounts still fit a BIGINT
PLAIN_DECIMAL = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?\Z", re.ASCII)

_TWO = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY "
    "COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR "
    "ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK "
    "MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP "
    "SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW "
    "ZWG"
)
_ZERO = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
EXPONENTS: dict[str, int] = (
    dict.fromkeys(_TWO.split(), 2) | dict.fromkeys(_ZERO.split(), 0) | dict.fromkeys(_THREE.split(), 3)
)


def exponent_of(currency: str) -> int:
    """How many decimals a currency has.

    Raises: Incorrect CURRENCY_UNKNOWN. Source: ISO 4217, list one, minor unit column.
    """
    exponent = EXPONENTS.get(currency)
    if exponent is None:
        raise Incorrect(
            CURRENCY_UNKNOWN,
            f"Currency {currency!r} is not an ISO 4217 code",
            field="currency",
            hint="Use a three-letter code in capitals, such as KES or USD",
        )
    return exponent


class Money:
    """An exact, unchangeable amount. Units: `minor` counts the smallest unit (cents, shillings' cents, yen).

    Written out rather than a dataclass: JSON encoders would render a dataclass as an object of its fields, silently.
    """

    __slots__ = ("currency", "minor")
    __match_args__ = ("minor", "currency")
    minor: int
    currency: str

    def __init__(self, minor: int, currency: str) -> None:
        _set_minor(self, minor)
        _set_currency(self, currency)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"money does not change; make another amount ({name})")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"money does not change; make another amount ({name})")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        return self.minor == other.minor and self.currency == other.currency

    def __hash__(self) -> int:
        return hash((self.minor, self.currency))

    def __repr__(self) -> str:
        return f"Money(minor={self.minor!r}, currency={self.currency!r})"

    def __reduce__(self) -> tuple[type["Money"], tuple[int, str]]:
        return Money, (self.minor, self.currency)

    @classmethod
    def parse(cls, value: str | int | Decimal, currency: str, *, field: str = "amount") -> Self:
        """Read an amount as written: "1250.00", 1250 or Decimal("1250.0"); a float is refused.

        Raises: Incorrect (not a number, more decimals than the currency has, too large, currency unknown).
        """
        exponent = exponent_of(currency)
        text = _plain_decimal(value, field)
        whole, _, fraction = text.partition(".")
        if fraction[exponent:].strip("0"):
            raise Incorrect(
                AMOUNT_PRECISION,
                f"Amount {value} has more than the {exponent} decimals {currency} has",
                field=field,
                hint=f"Round it to {exponent} decimals before sending",
            )
        minor = int(whole + fraction[:exponent].ljust(exponent, "0"))
        if abs(minor) > MINOR_MAX:
            raise Incorrect(AMOUNT_TOO_LARGE, f"Amount {value} is too large", field=field, hint="Check the amount")
        return cls(minor, currency)

    @classmethod
    def zero(cls, currency: str) -> Self:
        """Nothing, in a currency."""
        return cls(0, currency)

    def text(self) -> str:
        """The amount with exactly the currency's decimals: "15000.00"."""
        exponent = EXPONENTS[self.currency]
        if exponent == 0:
            return str(self.minor)
        digits = str(abs(self.minor)).rjust(exponent + 1, "0")
        sign = "-" if self.minor < 0 else ""
        return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}"

    def decimal(self) -> Decimal:
        """The amount as a Decimal with exactly the currency's decimals."""
        return _decimal(self.minor, EXPONENTS[self.currency])

    def percent(self, basis_points: int) -> "Money":
        """A share of the amount, rounded half up. Units: 10,000 basis points are the whole."""
        product = abs(self.minor) * basis_points
        rounded = (product + 5_000) // 10_000
        return Money(rounded if self.minor >= 0 else -rounded, self.currency)

    def allocate(self, weights: Sequence[int]) -> tuple["Money", ...]:
        """Split into parts that sum to the whole, by largest remainder; ties go to the earlier part.

        Raises: ValueError when the amount or a weight is negative, or all weights are zero.
        """
        total = sum(weights)
        if total <= 0 or min(weights) < 0 or self.minor < 0:
            raise ValueError("allocate needs an amount and weights >= 0, and one weight above zero")
        parts = [self.minor * weight // total for weight in weights]
        by_remainder = sorted(range(len(weights)), key=lambda i: (-(self.minor * weights[i] % total), i))
        for index in by_remainder[: self.minor - sum(parts)]:
            parts[index] += 1
        return tuple(Money(part, self.currency) for part in parts)

    def __add__(self, other: "Money") -> "Money":
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.minor - self._same(other), self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __mul__(self, factor: int) -> "Money":
        if type(factor) is not int:
            raise TypeError("money multiplies by whole numbers only; use percent() for shares")
        return Money(self.minor * factor, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: "Money") -> bool:
        return self.minor <= self._same(other)

    def __gt__(self, other: "Money") -> bool:
        return self.minor > self._same(other)

    def __ge__(self, other: "Money") -> bool:
        return self.minor >= self._same(other)

    def __bool__(self) -> bool:
        return self.minor != 0

    def __str__(self) -> str:
        return f"{self.currency} {self.text()}"

    def _same(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise ValueError(f"cannot mix {self.currency} and {other.currency}")
        return other.minor


# The slots' own setters: half the cost of object.__setattr__, and adjudication makes a dozen amounts for each claim.
_set_minor: Callable[[Money, int], None] = vars(Money)["minor"].__set__
_set_currency: Callable[[Money, str], None] = vars(Money)["currency"].__set__


def _plain_decimal(value: object, field: str) -> str:
    """The amount's digits as text: Decimal arithmetic would round to its context's precision."""
    if type(value) is int:
        text = str(value) if abs(value) < 10**18 else ""
    elif isinstance(value, str):
        text = value.strip()
    elif isinstance(value, Decimal):
        text = format(value, "f") if value.is_finite() and abs(value.adjusted()) < 19 else ""
    else:
        text = ""
    if not PLAIN_DECIMAL.match(text):
        raise Incorrect(
            AMOUNT_NOT_A_NUMBER,
            f"{field} is not a decimal number",
            field=field,
            hint='Send digits with a point, such as "1250.00"; no currency sign, separator or exponent',
        )
    return text


@lru_cache(maxsize=4_096)
def _decimal(minor: int, exponent: int) -> Decimal:
    """Kept, because the amounts of one claim stand in its records some twenty times."""
    return Decimal(minor).scaleb(-exponent)
