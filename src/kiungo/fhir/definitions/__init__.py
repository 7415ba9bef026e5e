"""The facts of FHIR R4: types and their elements, required codes, search parameters, compartments.

Read once from `r4.json.gz`, which `scripts/build_fhir_definitions.py` makes from HL7's packages.
Source: FHIR R4 4.0.1.
"""

import gzip
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from sys import intern
from typing import Any

FHIR_VERSION = "4.0.1"
UNBOUNDED = -1


@dataclass(frozen=True, slots=True)
class Element:
    """One child of a type. Shapes: `max` is -1 for any number; a choice has a name ending in `[x]`."""

    name: str
    min: int
    max: int
    types: tuple[str, ...]
    value_set: str | None
    in_summary: bool

    @property
    def is_choice(self) -> bool:
        """Whether the element is written as name + Type, such as valueQuantity."""
        return self.name.endswith("[x]")

    @property
    def is_list(self) -> bool:
        """Whether the element is written as a JSON array."""
        return self.max != 1

    def written(self) -> tuple[tuple[str, str], ...]:
        """The JSON names with the type of each: one, or one for each choice."""
        if not self.is_choice:
            return ((self.name, self.types[0]),)
        stem = self.name[:-3]
        return tuple((stem + name[0].upper() + name[1:], name) for name in self.types)


@dataclass(frozen=True, slots=True)
class TypeDefinition:
    """A resource, datatype, backbone element or primitive and its children in order."""

    name: str
    kind: str
    elements: tuple[Element, ...]

    @property
    def is_primitive(self) -> bool:
        """Whether values are JSON strings, numbers or booleans."""
        return self.kind == "P"


@dataclass(frozen=True, slots=True)
class ParameterDefinition:
    """A standard search parameter of one resource type. `targets` are the types a reference may point to."""

    type: str
    code: str
    kind: str
    expression: str
    targets: tuple[str, ...]
    url: str


@dataclass(frozen=True, slots=True)
class _Artifact:
    types: dict[str, TypeDefinition]
    parameters: tuple[ParameterDefinition, ...]
    value_sets: dict[str, dict[str, list[str]]]
    compartments: dict[str, dict[str, list[str]]]


@cache
def _artifact() -> _Artifact:
    """Everything, read once; of the JSON itself only what is used as it is stays in memory."""
    packed = resources.files(__package__).joinpath("r4.json.gz").read_bytes()
    content: dict[str, Any] = json.loads(gzip.decompress(packed))
    return _Artifact(
        {name: _type(name, row) for name, row in content["types"].items()},
        tuple(_parameter(*row) for row in content["parameters"]),
        content["value_sets"],
        content["compartments"],
    )


def _type(name: str, row: dict[str, Any]) -> TypeDefinition:
    elements = tuple(
        Element(intern(e[0]), e[1], e[2], tuple(map(intern, e[3])), e[4], bool(e[5])) for e in row["elements"]
    )
    return TypeDefinition(name, row["kind"], elements)


def _parameter(
    type_name: str, code: str, kind: str, expression: str, targets: list[str], url: str
) -> ParameterDefinition:
    names = tuple(map(intern, targets))
    return ParameterDefinition(intern(type_name), intern(code), intern(kind), expression, names, url)


@cache
def _types() -> dict[str, TypeDefinition]:
    return _artifact().types


def find_type(name: str) -> TypeDefinition | None:
    """The definition of a type, or None when R4 has no such type."""
    return _types().get(name)


def get_type(name: str) -> TypeDefinition:
    """The definition of a type that is known to exist."""
    return _types()[name]


@cache
def resource_types() -> tuple[str, ...]:
    """The names of all concrete resource types, in alphabetical order."""
    return tuple(sorted(name for name, t in _types().items() if t.kind == "R"))


@cache
def type_ids() -> dict[str, int]:
    """The small integer each resource type is stored as (1..146). R4 is final, so the order never changes."""
    return {name: position for position, name in enumerate(resource_types(), start=1)}


@cache
def type_names() -> dict[int, str]:
    """The resource type of each small integer."""
    return {number: name for name, number in type_ids().items()}


def value_set_codes(url: str) -> dict[str, list[str]] | None:
    """The codes of a required value set by system, or None when it is open (such as media types)."""
    return _artifact().value_sets.get(url)


def parameter_rows() -> tuple[ParameterDefinition, ...]:
    """Every standard parameter as published: those of `Resource` are not yet spread over the types."""
    return _artifact().parameters


def compartment(name: str) -> dict[str, list[str]]:
    """For one compartment (such as Patient): the parameters of each type that put a resource into it."""
    return _artifact().compartments[name]
