"""What a profile says, as a tree: one node for each element it constrains, with its slices beside it.

A part left unsaid is None: the tree holds only what the profile (and the profiles it stands on) adds to the
base type, whose own rules are judged elsewhere.
"""

from dataclasses import dataclass, field
from typing import Any

from kiungo.fhir.definitions import UNBOUNDED
from kiungo.fhir.definitions.rules import Invariant

Json = dict[str, Any]
Demand = tuple[str, Any]
"""An extension of an ElementDefinition that asks for something: its url and value."""
ONE_OF = "codes of"
"""What a demand is called whose value is a value set no code may be outside of."""
_BINDING = "http://hl7.org/fhir/StructureDefinition/"
_FURTHER = frozenset(
    {"http://hl7.org/fhir/tools/StructureDefinition/additional-binding", _BINDING + "additional-binding"}
)


@dataclass(frozen=True, slots=True)
class TypeRef:
    """A type an element may have, with the profiles its values and its references' targets must meet."""

    code: str
    profiles: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    aggregation: tuple[str, ...] = ()
    versioning: str | None = None


@dataclass(frozen=True, slots=True)
class Slicing:
    """How the values of an element are told apart. Shapes: `discriminators` pairs of (kind, path)."""

    discriminators: tuple[tuple[str, str], ...]
    rules: str
    ordered: bool


@dataclass(slots=True)
class Node:
    """One element of a profile, or one slice of it. `max` is -1 for any number; `name` keeps its `[x]`.

    Shapes: `base` the types the element has in its base type, a backbone element by its path; `slices` in the
    order the profile names them, which is the order of ordered slices.
    """

    name: str
    base: tuple[str, ...] = ()
    slice_name: str | None = None
    min: int | None = None
    max: int | None = None
    types: tuple[TypeRef, ...] | None = None
    fixed: tuple[str, Any] | None = None
    pattern: tuple[str, Any] | None = None
    binding: tuple[str, str] | None = None
    invariants: dict[str, Invariant] = field(default_factory=dict)
    min_value: tuple[str, Any] | None = None
    max_value: tuple[str, Any] | None = None
    max_length: int | None = None
    content_reference: str | None = None
    must_support: bool = False
    is_modifier: bool | None = None
    slicing: Slicing | None = None
    children: dict[str, "Node"] = field(default_factory=dict)
    slices: dict[str, "Node"] = field(default_factory=dict)
    min_source: str = ""
    demands: tuple[Demand, ...] = ()

    def copy(self) -> "Node":
        """A tree of its own, to be constrained further."""
        return Node(
            self.name,
            self.base,
            self.slice_name,
            self.min,
            self.max,
            self.types,
            self.fixed,
            self.pattern,
            self.binding,
            dict(self.invariants),
            self.min_value,
            self.max_value,
            self.max_length,
            self.content_reference,
            self.must_support,
            self.is_modifier,
            self.slicing,
            {name: child.copy() for name, child in self.children.items()},
            {name: one.copy() for name, one in self.slices.items()},
            self.min_source,
            self.demands,
        )

    def type_names(self) -> tuple[str, ...]:
        """The types its values may have, a backbone element by its path."""
        if self.types is None:
            return self.base
        inner = tuple(name for name in self.base if "." in name)
        return inner or tuple(ref.code for ref in self.types)


def apply(node: Node, element: Json) -> None:
    """Lay what an ElementDefinition says over a node; what it leaves out stays as it was."""
    if "min" in element:
        node.min = int(element["min"])
    if "max" in element:
        node.max = UNBOUNDED if element["max"] == "*" else int(element["max"])
    if element.get("type"):
        node.types = tuple(type_ref(entry) for entry in element["type"])
    for name, value in element.items():
        for stem, attribute in _VALUES:
            if name.startswith(stem) and len(name) > len(stem) and name[len(stem)].isupper():
                setattr(node, attribute, (name[len(stem) :], value))
    binding = element.get("binding")
    if binding and binding.get("valueSet"):
        node.binding = (binding["strength"], binding["valueSet"])
    if binding and "extension" in binding:
        _demand(node, [(ONE_OF, url) for url in map(_most_set, binding["extension"]) if url])
    for row in element.get("constraint", []):
        if row.get("expression") and row["key"] not in _EVERYWHERE:
            node.invariants[row["key"]] = Invariant(row["key"], row.get("severity", "error"), row["expression"])
    node.max_length = element.get("maxLength", node.max_length)
    node.content_reference = element.get("contentReference", node.content_reference)
    node.must_support = element.get("mustSupport", node.must_support)
    node.is_modifier = element.get("isModifier", node.is_modifier)
    if "extension" in element:
        _demand(node, [(str(one.get("url")), _value_of(one)) for one in element["extension"]])
    if "slicing" in element:
        node.slicing = slicing_of(element["slicing"], node.slicing)


_VALUES = (("fixed", "fixed"), ("pattern", "pattern"), ("minValue", "min_value"), ("maxValue", "max_value"))
# Judged for every element by the structural validator.
_EVERYWHERE = frozenset({"ele-1", "ext-1"})


def _demand(node: Node, said: list[Demand]) -> None:
    node.demands = tuple(dict.fromkeys((*node.demands, *(one for one in said if one[1].__class__ in (str, bool)))))


def _most_set(extension: Json) -> Any:
    """The value set that no code may be outside of: the greatest one, or a further binding that always holds."""
    if extension.get("url") == _BINDING + "elementdefinition-maxValueSet":
        return _value_of(extension)
    if extension.get("url") not in _FURTHER:
        return None
    parts = {str(part.get("url")): _value_of(part) for part in extension.get("extension", ())}
    always = parts.get("purpose") in ("maximum", "required") and "usage" not in parts
    return parts.get("valueSet") if always else None


def _value_of(extension: Json) -> Any:
    return next((value for name, value in extension.items() if name.startswith("value")), None)


def type_ref(entry: Json) -> TypeRef:
    """One `type` of an ElementDefinition. FHIRPath's own types stand for the FHIR type they carry."""
    code = str(entry.get("code", ""))
    if code.startswith(_SYSTEM):
        hints = [x.get("valueUrl") for x in entry.get("extension", []) if x.get("url", "").endswith("-fhir-type")]
        code = hints[0] if hints else code.removeprefix(_SYSTEM).lower()
    return TypeRef(
        code.removeprefix(_FHIR),
        tuple(entry.get("profile", ())),
        tuple(entry.get("targetProfile", ())),
        tuple(entry.get("aggregation", ())),
        entry.get("versioning"),
    )


_SYSTEM = "http://hl7.org/fhirpath/System."
_FHIR = "http://hl7.org/fhir/StructureDefinition/"


def slicing_of(row: Json, before: Slicing | None) -> Slicing:
    """The slicing an element declares; a derived profile may close what its base left open."""
    discriminators = tuple((d["type"], d["path"]) for d in row.get("discriminator", []))
    if not discriminators and before is not None:
        discriminators = before.discriminators
    return Slicing(discriminators, row.get("rules", "open"), bool(row.get("ordered")))
