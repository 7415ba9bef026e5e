"""R4's composite parameters: which elements they combine, as the standard's definitions say.

A combination holds within one element: the component whose code is this has a value that is that.
Source: FHIR R4 4.0.1 search-parameters.json (components of the composite parameters).
"""

from dataclasses import dataclass

from kiungo.fhir.definitions import ParameterDefinition


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a composite: its kind and its path from the base. `from_resource`: from the resource instead."""

    kind: str
    expression: str
    from_resource: bool = False


@dataclass(frozen=True, slots=True)
class Composite:
    """What a composite combines. `made_of` names the composites of the same type whose rows answer it."""

    base: str
    components: tuple[Component, ...]
    made_of: tuple[str, ...] = ()


def _pair(base: str, kind: str, expression: str, made_of: tuple[str, ...] = ()) -> Composite:
    return Composite(base, (Component("token", "code"), Component(kind, expression)), made_of)


def _coordinates(base: str, first: Component, start: str, end: str) -> Composite:
    return Composite(base, (first, Component("number", start), Component("number", end)))


_QUANTITY = "value.as(Quantity)"
_CONCEPT = "value.as(CodeableConcept)"
_DATE = "value.as(dateTime) | value.as(Period)"
_SEQUENCE = "MolecularSequence.referenceSeq"
_BOTH = "Observation | Observation.component"

_KNOWN = {
    ("Observation", "code-value-concept"): _pair("Observation", "token", _CONCEPT),
    ("Observation", "code-value-date"): _pair("Observation", "date", _DATE),
    ("Observation", "code-value-quantity"): _pair("Observation", "quantity", _QUANTITY),
    ("Observation", "code-value-string"): _pair("Observation", "string", "value.as(string)"),
    ("Observation", "component-code-value-concept"): _pair("Observation.component", "token", _CONCEPT),
    ("Observation", "component-code-value-quantity"): _pair("Observation.component", "quantity", _QUANTITY),
    ("Observation", "combo-code-value-concept"): _pair(
        _BOTH, "token", _CONCEPT, ("code-value-concept", "component-code-value-concept")
    ),
    ("Observation", "combo-code-value-quantity"): _pair(
        _BOTH, "quantity", _QUANTITY, ("code-value-quantity", "component-code-value-quantity")
    ),
    ("DocumentReference", "relationship"): _pair("DocumentReference.relatesTo", "reference", "target"),
    ("Group", "characteristic-value"): _pair(
        "Group.characteristic", "token", "value.as(CodeableConcept) | value.as(boolean)"
    ),
    ("MolecularSequence", "chromosome-variant-coordinate"): _coordinates(
        "MolecularSequence.variant", Component("token", f"{_SEQUENCE}.chromosome", True), "start", "end"
    ),
    ("MolecularSequence", "chromosome-window-coordinate"): _coordinates(
        _SEQUENCE, Component("token", "chromosome"), "windowStart", "windowEnd"
    ),
    ("MolecularSequence", "referenceseqid-variant-coordinate"): _coordinates(
        "MolecularSequence.variant", Component("token", f"{_SEQUENCE}.referenceSeqId", True), "start", "end"
    ),
    ("MolecularSequence", "referenceseqid-window-coordinate"): _coordinates(
        _SEQUENCE, Component("token", "referenceSeqId"), "windowStart", "windowEnd"
    ),
}
# The same for every type that says what context it is for.
_CONTEXTS = {
    "context-type-quantity": ("quantity", "value.as(Quantity) | value.as(Range)"),
    "context-type-value": ("token", "value.as(CodeableConcept)"),
}


def composite_of(row: ParameterDefinition) -> Composite:
    """What a composite parameter combines. Raises: KeyError for one R4 does not have."""
    context = _CONTEXTS.get(row.code)
    if context is not None:
        return _pair(f"{row.type}.useContext", *context)
    return _KNOWN[row.type, row.code]
