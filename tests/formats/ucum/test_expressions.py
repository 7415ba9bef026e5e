"""UCUM codes: what they are worth, and what is no unit."""

from fractions import Fraction

import pytest

from kiungo.formats.ucum import find_measure, is_unit
from kiungo.formats.ucum.table import ARBITRARY, ATOMS


def _ratio(one: str, other: str) -> Fraction:
    first, second = find_measure(one), find_measure(other)
    assert first is not None
    assert second is not None
    assert first.dimension == second.dimension
    return first.factor / second.factor


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("[in_i]", "cm", Fraction("2.54")),
        ("[lb_av]", "kg", Fraction("0.45359237")),
        ("g/dL", "mg/L", Fraction(10_000)),
        ("m[IU]/mL", "k[IU]/L", Fraction("0.001")),
        ("mm[Hg]", "Pa", Fraction("133.322")),
        ("kg.m/s2", "N", Fraction(1)),
        ("10*3/uL", "10*9/L", Fraction(1)),
        ("mL/min/{1.73_m2}", "mL/min", Fraction(1)),
        ("/min", "Hz", Fraction(1, 60)),
        ("ug/(kg.min)", "ug/kg/min", Fraction(1)),
        ("wk", "h", Fraction(168)),
        ("KiBy", "bit", Fraction(8192)),
        ("cal", "J", Fraction("4.184")),
        ("%", "10*-2", Fraction(1)),
    ],
)
def test_what_units_are_worth(one: str, other: str, ratio: Fraction) -> None:
    assert _ratio(one, other) == ratio


def test_temperatures_have_their_own_zero() -> None:
    celsius, fahrenheit = find_measure("Cel"), find_measure("[degF]")
    assert celsius is not None
    assert fahrenheit is not None
    assert 37 * celsius.factor + celsius.offset == Fraction("98.6") * fahrenheit.factor + fahrenheit.offset


@pytest.mark.parametrize("one", ["[iU]", "[CFU]", "[pH]", "[arb'U]"])
def test_arbitrary_units_are_their_own_kind(one: str) -> None:
    found = find_measure(one)
    assert found is not None
    assert found.dimension == ((one, 1),)


@pytest.mark.parametrize(
    "code", ["", "foo", "mg/", "/", "(mg", "kkg", "lbs", "days", "m g", "{a", "kmin", "m" * 500, "((" * 30]
)
def test_what_is_no_unit(code: str) -> None:
    assert not is_unit(code)


def test_every_atom_of_the_table_has_a_value() -> None:
    codes = [line.split(" ")[0] for line in ATOMS.strip().splitlines()] + ARBITRARY
    assert [code for code in codes if not is_unit(code.removeprefix("+"))] == []
