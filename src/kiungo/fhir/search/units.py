"""The same amount in other units: 5.4 g is looked for as 5400 mg too.

The index has amounts as they were sent, so a search for an amount asks for each usual unit of the same kind. A unit
outside these lists is found as it was written. Source: UCUM 2.1; FHIR R4 3.1.1.4.9 (quantity).
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from kiungo.formats.ucum import find_measure

UCUM = "http://unitsofmeasure.org"
KINDS = (
    "kg g mg ug ng pg [lb_av] [oz_av]",
    "m cm mm um km [in_i] [ft_i]",
    "L dL mL uL cm3",
    "g/L g/dL mg/dL mg/L mg/mL ug/mL ug/dL ug/L ng/mL ng/dL ng/L pg/mL",
    "mol/L mmol/L umol/L nmol/L pmol/L mmol/dL umol/dL nmol/mL",
    "10*3/uL 10*9/L /uL 10*6/L",
    "10*6/uL 10*12/L",
    "mm[Hg] kPa Pa cm[H2O]",
    "ms s min h d wk",
    "mo a",
    "Cel [degF] K",
    "/min {beats}/min {breaths}/min /s",
    "mL/min mL/h mL/s L/min",
    "mg/kg ug/kg g/kg",
)


@dataclass(frozen=True, slots=True)
class Other:
    """Another unit: an amount in it is `factor` times the amount asked for, plus `offset`."""

    code: str
    factor: Fraction
    offset: Fraction

    def of(self, amount: float) -> float:
        """The amount in this unit."""
        return float(Fraction(repr(amount)) * self.factor + self.offset)


@cache
def _kind_of() -> dict[str, str]:
    return {code: kind for kind in KINDS for code in kind.split()}


@cache
def others(code: str) -> tuple[Other, ...]:
    """The other usual units of the same kind as this one; none for a unit of no kind."""
    kind, own = _kind_of().get(code), find_measure(code)
    if kind is None or own is None:
        return ()
    found = []
    for name in kind.split():
        measure = find_measure(name)
        if name != code and measure is not None and measure.dimension == own.dimension:
            offset = (own.offset - measure.offset) / measure.factor
            found.append(Other(name, own.factor / measure.factor, offset))
    return tuple(found)
