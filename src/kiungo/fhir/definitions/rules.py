"""What R4 demands beyond structure: invariants, reference targets, bindings; its own profiles and extensions.

Read once, on first use, from `r4rules.json.gz`, which `scripts/build_fhir_rules.py` makes from HL7's packages.
Source: FHIR R4 4.0.1.
"""

import gzip
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

# Types that are a Quantity with one rule more.
_SAME_AS = {"SimpleQuantity": "Quantity", "MoneyQuantity": "Quantity"}


@dataclass(frozen=True, slots=True)
class Invariant:
    """A named condition. `severity` is "error" or "warning"; `expression` is FHIRPath."""

    key: str
    severity: str
    expression: str


@dataclass(frozen=True, slots=True)
class ElementRules:
    """What is demanded of one element.

    Shapes: `targets` are types a reference may point to, `canonicals` those a canonical address may name, none means
    any; `binding` is (strength, value set).
    """

    targets: tuple[str, ...] = ()
    canonicals: tuple[str, ...] = ()
    invariants: tuple[Invariant, ...] = ()
    binding: tuple[str, str] | None = None
    profiles: tuple[str, ...] = ()
    is_modifier: bool = False


@dataclass(frozen=True, slots=True)
class TypeRules:
    """What is demanded of a type and of its elements by name."""

    invariants: tuple[Invariant, ...] = ()
    elements: dict[str, ElementRules] | None = None


_NONE = TypeRules(elements={})


@cache
def _artifact() -> dict[str, Any]:
    packed = resources.files(__package__).joinpath("r4rules.json.gz").read_bytes()
    content: dict[str, Any] = json.loads(gzip.decompress(packed))
    return content


def _invariants(rows: list[list[str]]) -> tuple[Invariant, ...]:
    return tuple(Invariant(key, severity, text) for key, severity, text in rows)


@cache
def type_rules(name: str) -> TypeRules:
    """The rules of a type or backbone element (such as Observation.component); empty when it has none."""
    row = _artifact()["rules"].get(_SAME_AS.get(name, name))
    if row is None:
        return _NONE
    return TypeRules(
        _invariants(row["constraints"]),
        {
            element: ElementRules(
                targets=tuple(facts.get("targets", ())),
                canonicals=tuple(facts.get("canonicals", ())),
                invariants=_invariants(facts.get("constraints", [])),
                binding=(facts["binding"][0], facts["binding"][1]) if "binding" in facts else None,
                profiles=tuple(facts.get("profiles", ())),
                is_modifier=facts.get("modifier", False),
            )
            for element, facts in row["elements"].items()
        },
    )


def element_rules(type_name: str, element: str) -> ElementRules:
    """The rules of one element of a type; empty when it has none."""
    return (type_rules(type_name).elements or {}).get(element, _NO_ELEMENT_RULES)


_NO_ELEMENT_RULES = ElementRules()


@cache
def canonical_types() -> frozenset[str]:
    """The types that canonical addresses of R4's own elements may name."""
    rows = _artifact()["rules"].values()
    return frozenset(one for row in rows for facts in row["elements"].values() for one in facts.get("canonicals", ()))


def find_profile(url: str) -> dict[str, Any] | None:
    """One of R4's own profiles or extensions as a StructureDefinition with a differential, or None."""
    found: dict[str, Any] | None = _artifact()["profiles"].get(url)
    return found


def profile_urls() -> tuple[str, ...]:
    """The addresses of R4's own profiles and extensions."""
    return tuple(_artifact()["profiles"])
