"""Where an extension may stand, and under which conditions.

| context type | its expression                                        | an extension may stand at                     |
| ------------ | ----------------------------------------------------- | --------------------------------------------- |
| element      | an element's path or type, or a profile's `url#id`    | that element, a type stands for those below   |
| extension    | the url of an extension                               | that extension                                |
| fhirpath     | a query                                               | what the query finds in the resource          |

Every contextInvariant has to hold as well: at the element around the extension, which is `%extension`.

Source: FHIR R4 StructureDefinition.context, StructureDefinition.contextInvariant.
"""

import re
from functools import lru_cache
from typing import Any, NamedTuple

from kiungo.base.errors import KiungoError
from kiungo.fhir import definitions
from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.items import Item
from kiungo.fhir.profiles.paths import finds, holds_beside
from kiungo.fhir.profiles.run import Run

_BASES = {
    **dict.fromkeys(("Age", "Count", "Distance", "Duration", "MoneyQuantity", "SimpleQuantity"), "Quantity"),
    **dict.fromkeys(("code", "id", "markdown"), "string"),
    **dict.fromkeys(("canonical", "oid", "url", "uuid"), "uri"),
    **dict.fromkeys(("positiveInt", "unsignedInt"), "integer"),
}
_NOT_DOMAIN = frozenset({"Bundle", "Binary", "Parameters"})
_CORE = "http://hl7.org/fhir/StructureDefinition/"
# R4's own definitions are narrower than R4's own use of them, and than the same extensions of later versions.
_ALSO = {
    _CORE + "structuredefinition-fhir-type": ("ElementDefinition.type",),
    _CORE + "regex": ("ElementDefinition.type",),
    _CORE + "capabilitystatement-expectation": ("CapabilityStatement",),
    _CORE + "capabilitystatement-prohibited": ("CapabilityStatement",),
}
# Conditions of R4 that their right use breaks: JSON's names for values, and a not that everybody reads as none.
_MEANT = {
    (_CORE + "questionnaire-maxOccurs", "type!='display' and (repeats=true or %extension.valueInteger=1)"): (
        "type!='display' and (repeats=true or %extension.value=1)"
    ),
    (_CORE + "questionnaire-minOccurs", "type!='display' and (required=true or %extension.valueInteger=0)"): (
        "type!='display' and (required=true or %extension.value=0)"
    ),
    (_CORE + "questionnaire-displayCategory", "type!='display'"): "true",
}
_SLICE = re.compile(r":[^.]*")


class Place(NamedTuple):
    """An element an extension stands in: every name a context may call it by, and its type."""

    names: frozenset[str]
    type: str


def check(structure: Json, url: str, extension: Json, at: At, run: Run) -> None:
    """Note an extension that its definition does not allow at its place. Source: see the module."""
    if at[0] is None:
        return
    contexts = structure.get("context")
    holder = at[0]
    place = _place(holder, run)
    if contexts and not any(_is_allowed(one, url, holder, place, run) for one in contexts):
        allowed = ", ".join(str(one.get("expression")) for one in contexts[:6])
        run.error("extension", at, f"may not stand here; {url} belongs to {allowed}", url)
    for expression in structure.get("contextInvariant", ()):
        _check_condition(_MEANT.get((url, str(expression)), str(expression)), url, extension, at, run)


def _is_allowed(context: Json, url: str, holder: At, place: Place, run: Run) -> bool:
    kind, expression = context.get("type"), str(context.get("expression", ""))
    if kind == "extension":
        found = _held(holder, run)
        return isinstance(found, dict) and found.get("url") == expression
    if kind == "fhirpath":
        return _is_found(expression, holder, run)
    # A profile's element: what the profile adds to it is the profile's to judge.
    named = _SLICE.sub("", expression.partition("#")[2]) if "#" in expression else expression.removeprefix(_CORE)
    if named in place.names:
        return True
    return any(name == also or name.startswith(also + ".") for also in _ALSO.get(url, ()) for name in place.names)


def _is_found(expression: str, holder: At, run: Run) -> bool:
    try:
        found = finds(expression, run)
    except KiungoError:
        return True  # a query that cannot be asked here is no verdict
    value = _held(holder, run)
    return any(one is value for node in found for one in (node.value, node.extra))


def _check_condition(expression: str, url: str, extension: Json, at: At, run: Run) -> None:
    holder = at[0]
    assert holder is not None, "an extension stands in something"
    focus = Item(_held(holder, run), None, _place(holder, run).type, holder)
    if holder[1].startswith("_"):
        of = (holder[0], holder[1][1:], holder[2])
        focus = Item(_held(of, run), focus.value, focus.type, of)
    try:
        if holds_beside(expression, focus, extension, run):
            return
        run.error("extension", at, f"may not stand here: {expression[:160]} does not hold, as {url} asks", url)
    except KiungoError as error:
        run.warn("processing", at, f"could not be judged by {url}: {error.message}", url)


def _held(holder: At, run: Run) -> Any:
    """The JSON object an extension stands in: of a primitive, the one beside it."""
    value: Any = run.scope.resource
    for name, index in _names(holder, run):
        value = value.get(name) if value.__class__ is dict else None
        if index >= 0 and value.__class__ is list and index < len(value):
            value = value[index]
    return value


def _names(at: At, run: Run) -> list[tuple[str, int]]:
    """The steps from the resource at hand to a place."""
    steps: list[tuple[str, int]] = []
    link: At | None = at
    while link is not None and link != run.scope.at:
        steps.append((link[1], link[2]))
        link = link[0]
    steps.reverse()
    return steps


def _place(holder: At, run: Run) -> Place:
    kind = str(run.scope.resource.get("resourceType"))
    return _place_of(kind, tuple(name.lstrip("_") for name, _ in _names(holder, run)))


@lru_cache(maxsize=2048)
def _place_of(resource_type: str, steps: tuple[str, ...]) -> Place:
    kind, path, names = resource_type, resource_type, {resource_type, *_bases(resource_type)}
    for step in steps:
        definition = definitions.find_type(kind)
        found = next(
            ((e.name, k) for e in (definition.elements if definition else ()) for key, k in e.written() if key == step),
            None,
        )
        if found is None:
            return Place(frozenset({path, "Element", "*"}), "Element")
        element, inner = found
        path = f"{path}.{element}"
        called = {path, *(f"{one}.{element}" for one in (kind, *_bases(kind)))}
        names = called | {one.removesuffix("[x]") for one in called} | {inner, *_bases(inner)}
        kind = inner
    if not steps:
        definition = definitions.find_type(resource_type)
        if definition is not None and any(e.name == "url" for e in definition.elements):
            names |= {"CanonicalResource", "MetadataResource"}  # later versions' names for what has an address
    return Place(frozenset(names | {"*", "Element"}), kind)


def _bases(kind: str) -> tuple[str, ...]:
    """What a type stands under: it is one of those, too, and has their elements."""
    definition = definitions.find_type(kind)
    if definition is None:
        return ()
    if definition.kind == "R":
        return ("Resource",) if kind in _NOT_DOMAIN else ("DomainResource", "Resource")
    # Timing and Dosage are types, and may be modified as parts of resources may.
    is_backbone = any(e.name == "modifierExtension" for e in definition.elements)
    return (*([_BASES[kind]] if kind in _BASES else []), *(["BackboneElement"] if is_backbone else []), "Element")
