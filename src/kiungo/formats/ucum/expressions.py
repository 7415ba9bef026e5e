"""Unit expressions: parsed and reduced to a factor over base units.

Grammar: terms of components joined by `.` and `/`, a leading `/`, exponents, numbers, parentheses and `{annotations}`.
Amounts are exact fractions, so that 1 inch is 2.54 cm and nothing near it.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache

from kiungo.formats.ucum.table import ARBITRARY, ATOMS, BASES, BINARY_PREFIXES, OFFSETS, PREFIXES, SAME

CODE_LENGTH_MAX = 200
EXPONENT_MAX = 30
DEPTH_MAX = 20
# About 10**600: no unit of this world is larger or smaller.
FACTOR_BITS_MAX = 2_000
_EXPONENT = re.compile(r"([+-]?[0-9]{1,3})$")
Dimension = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """What a unit is worth: an amount times `factor`, plus `offset`, is the amount in base units.

    Shapes: `dimension` has base units (and arbitrary units) with their exponents, sorted; units of the same dimension
    can be compared.
    """

    factor: Fraction
    dimension: Dimension
    offset: Fraction = Fraction(0)


class _Wrong(ValueError):
    """The text is no unit expression."""


def is_unit(code: str) -> bool:
    """Whether a code is a UCUM unit expression."""
    return find_measure(code) is not None


@lru_cache(maxsize=4096)
def find_measure(code: str) -> Measure | None:
    """The measure of a unit code, or None when UCUM has no such unit."""
    if not code or len(code) > CODE_LENGTH_MAX or not code.isascii() or any(c.isspace() for c in code):
        return None
    special = OFFSETS.get(code)
    if special is not None:
        return Measure(Fraction(special[0]), (("K", 1),), Fraction(special[1]))
    try:
        reader = _Reader(code)
        factor, exponents = reader.term()
        reader.end()
    except (_Wrong, ZeroDivisionError):
        return None
    if factor.numerator.bit_length() + factor.denominator.bit_length() > FACTOR_BITS_MAX:
        return None
    return Measure(factor, tuple(sorted((name, n) for name, n in exponents.items() if n)))


_Product = tuple[Fraction, dict[str, int]]


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def end(self) -> None:
        """Refuse what is left."""
        if self._at != len(self._text):
            raise _Wrong(self._text)

    def term(self) -> _Product:
        """Components from left to right: `/` divides by the next one only."""
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise _Wrong(self._text)
        total: _Product = (Fraction(1), {})
        sign = -1 if self._take("/") else 1
        while True:
            total = _times(total, self._component(), sign)
            if self._take("."):
                sign = 1
            elif self._take("/"):
                sign = -1
            else:
                self._depth -= 1
                return total

    def _take(self, mark: str) -> bool:
        if self._text.startswith(mark, self._at):
            self._at += 1
            return True
        return False

    def _component(self) -> _Product:
        if self._take("("):
            inner = self.term()
            if not self._take(")"):
                raise _Wrong(self._text)
            return inner
        start = self._at
        depth = 0
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == "[":
                depth += 1
            elif character == "]":
                depth -= 1
            elif depth == 0 and character in "./(){}":
                break
            self._at += 1
        found = self._simple(self._text[start : self._at])
        if self._take("{"):
            closed = self._text.find("}", self._at)
            if closed < 0 or "{" in self._text[self._at : closed]:
                raise _Wrong(self._text)
            self._at = closed + 1
        elif self._at == start:
            raise _Wrong(self._text)
        return found

    def _simple(self, text: str) -> _Product:
        """An atom with its exponent, a number, or nothing before an annotation."""
        if not text:
            return Fraction(1), {}
        if text.isdecimal():
            return Fraction(int(text)), {}
        measure = _find_atom(text)
        if measure is not None:
            return measure[0], dict(measure[1])
        match = _EXPONENT.search(text)
        measure = _find_atom(text[: match.start()]) if match else None
        if measure is None or match is None:
            raise _Wrong(text)
        exponent = int(match.group())
        if not 0 < abs(exponent) <= EXPONENT_MAX:
            raise _Wrong(text)
        return measure[0] ** exponent, {name: n * exponent for name, n in measure[1].items()}


def _times(left: _Product, right: _Product, sign: int) -> _Product:
    exponents = dict(left[1])
    for name, n in right[1].items():
        exponents[name] = exponents.get(name, 0) + sign * n
    return left[0] * right[0] ** sign, exponents


@cache
def _atoms() -> dict[str, tuple[bool, str, str]]:
    """Code to: takes prefixes, value, unit."""
    found = dict.fromkeys(BASES, (True, "1", ""))
    for line in ATOMS.strip().splitlines():
        code, value, unit = line.split(" ")
        found[code.removeprefix("+")] = (code.startswith("+"), value, unit)
    for code in ARBITRARY:
        found[code.removeprefix("+")] = (code.startswith("+"), "1", "")
    found["Cel"] = (True, "1", "K")  # inside a product degrees are differences, which are Kelvin
    found["[degF]"] = (False, "1", "[degR]")
    return found


@lru_cache(maxsize=2048)
def _find_atom(text: str) -> _Product | None:
    exact = _value_of(SAME.get(text, text))
    if exact is not None:
        return exact
    for length in (1, 2):
        prefix, code = text[:length], SAME.get(text[length:], text[length:])
        takes_prefixes = code in _atoms() and _atoms()[code][0]
        scale = _scale(prefix)
        if takes_prefixes and scale is not None:
            plain = _value_of(code)
            assert plain is not None
            return plain[0] * scale, plain[1]
    return None


def _scale(prefix: str) -> Fraction | None:
    if prefix in PREFIXES:
        return Fraction(10) ** PREFIXES[prefix]
    return Fraction(1024) ** BINARY_PREFIXES[prefix] if prefix in BINARY_PREFIXES else None


@cache
def _value_of(code: str) -> _Product | None:
    atom = _atoms().get(code)
    if atom is None:
        return None
    _, value, unit = atom
    if not unit:
        return Fraction(1), {code: 1}
    factor, exponents = _Reader(unit).term()
    return Fraction(value) * factor, exponents
