"""Extensions: defined, at a place they may stand, and as their definition says.

An unknown extension may be ignored by whoever reads it, so it is a warning; an unknown modifier extension may not,
so it is an error. Source: FHIR R4 2.4.0 (extensibility), StructureDefinition.context.
"""

from functools import lru_cache
from typing import Any

from kiungo.fhir import definitions
from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.items import Item
from kiungo.fhir.profiles.nodes import Node
from kiungo.fhir.profiles.run import Run

SCHEMES = ("http://", "https://", "urn:", "oid:", "uuid:", "mailto:", "ftp://")
_BASES = {
    "Age": "Quantity",
    "Count": "Quantity",
    "Distance": "Quantity",
    "Duration": "Quantity",
    "MoneyQuantity": "Quantity",
    "SimpleQuantity": "Quantity",
}


def check(extension: Any, at: At, run: Run) -> None:
    """Judge one extension, and what is inside it."""
    if extension.__class__ is not dict:
        return
    url = extension.get("url")
    holder = at[0]
    if url.__class__ is str:
        if _is_inside_extension(holder) and not url.startswith(SCHEMES):
            pass  # a part, which the definition of the whole names
        else:
            _check_whole(extension, url, at, run)
    if ("extension" in extension) == any(name.lstrip("_").startswith("value") for name in extension):
        run.error("invariant", at, "breaks ext-1: it has a value or extensions of its own, one of the two", "ext-1")
    run.library.walk("Extension")(extension, at, run)


def _is_inside_extension(holder: At | None) -> bool:
    return holder is not None and holder[1] in {"extension", "modifierExtension"}


def _check_whole(extension: Json, url: str, at: At, run: Run) -> None:
    if not url.startswith(SCHEMES):
        run.error("invalid", at, f"has the url {url[:80]}, which is not absolute")
        return
    if "|" in url:
        run.error("invalid", at, "names a version in its url; an extension is named without one")
        return
    is_modifier = at[1] == "modifierExtension"
    structure = run.library.conformance.find("StructureDefinition", url)
    if structure is None:
        if is_modifier:
            run.error("extension", at, f"is a modifier that is not known here: {url}")
        else:
            run.warn("extension", at, f"is not known here: {url}")
        return
    if structure.get("type") != "Extension":
        run.error("invalid", at, f"is named after {url}, which defines no extension")
        return
    tree = run.library.tree(url)
    if tree is not None:
        if bool(tree.is_modifier) != is_modifier:
            words = "modifies meaning and belongs into modifierExtension" if tree.is_modifier else "is no modifier"
            run.error("structure", at, f"{words}: {url}", url)
        _check_parts(extension, tree, url, at, run)
    _check_context(structure, url, at, run)
    run.library.judge(url, Item(extension, None, "Extension", at), run)


def _check_parts(extension: Json, tree: Node, url: str, at: At, run: Run) -> None:
    """Every part must be one that the definition names."""
    parts = extension.get("extension")
    inner = tree.children.get("extension")
    if parts.__class__ is not list or inner is None:
        return
    known = {part_url(one) for one in inner.slices.values()}
    for index, part in enumerate(parts):
        name = part.get("url") if part.__class__ is dict else None
        if name.__class__ is str and not name.startswith(SCHEMES) and name not in known:
            run.error("invalid", (at, "extension", index), f"is {name}, which {url} does not define", url)


def part_url(node: Node) -> str | None:
    """The url a slice of extensions stands for."""
    own = node.children.get("url")
    if own is not None and own.fixed is not None:
        return str(own.fixed[1])
    for ref in node.types or ():
        for profile in ref.profiles:
            return profile.partition("|")[0]
    return None


def _check_context(structure: Json, url: str, at: At, run: Run) -> None:
    contexts = structure.get("context")
    if not contexts or at[0] is None:
        return
    names = _places(at[0], run) | _ALSO.get(url, frozenset())
    for one in contexts:
        kind, expression = one.get("type"), str(one.get("expression", ""))
        if kind == "extension":
            if _holding_url(at[0], run) == expression:
                return
        elif kind == "fhirpath":
            return  # any place may be meant; the definition's author tests it
        elif expression.partition("#")[0] in names or expression in names:
            return
    allowed = ", ".join(str(one.get("expression")) for one in contexts[:6])
    run.error("extension", at, f"may not stand here; {url} belongs to {allowed}", url)


# What a type stands under, by the kind of its definition.
_ABOVE = {"R": ("DomainResource", "Resource"), "B": ("BackboneElement", "Element"), "C": ("Element",)}
# R4's own definitions carry this one at the type, not at its code as its context says.
_ALSO = {
    "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type": frozenset({"ElementDefinition.type.code"})
}


def _holding_url(holder: At, run: Run) -> str | None:
    """The url of the extension around this one."""
    value: Any = run.scope.resource
    for name, index in _names(holder, run):
        value = value.get(name) if value.__class__ is dict else None
        if index >= 0 and value.__class__ is list and index < len(value):
            value = value[index]
    found = value.get("url") if value.__class__ is dict else None
    return found if found.__class__ is str else None


def _names(at: At, run: Run) -> list[tuple[str, int]]:
    """The steps from the resource at hand to a place."""
    steps: list[tuple[str, int]] = []
    link: At | None = at
    while link is not None and link != run.scope.at:
        steps.append((link[1], link[2]))
        link = link[0]
    steps.reverse()
    return steps


def _places(holder: At, run: Run) -> frozenset[str]:
    """Every name a context may call this place by: its path, its type, the types above."""
    kind = str(run.scope.resource.get("resourceType"))
    return _places_of(kind, tuple(name.lstrip("_") for name, _ in _names(holder, run)))


@lru_cache(maxsize=2048)
def _places_of(resource_type: str, steps: tuple[str, ...]) -> frozenset[str]:
    kind, path, names = resource_type, resource_type, {resource_type}
    for step in steps:
        definition = definitions.find_type(kind)
        found = next(
            ((e.name, k) for e in (definition.elements if definition else ()) for key, k in e.written() if key == step),
            None,
        )
        if found is None:
            return frozenset({path, "Element", "*"})
        element, inner = found
        parent, path = kind, f"{path}.{element}"
        stem = element.removesuffix("[x]")
        names = {path, f"{parent}.{element}", f"{parent}.{stem}", path.removesuffix("[x]"), inner, "Element"}
        if "." in inner:
            names |= {"BackboneElement"}
        above = definitions.find_type(parent)
        names |= {f"{one}.{element}" for one in _ABOVE.get(above.kind if above else "", ())}
        kind = inner
    if not steps:
        names |= {"Resource", "Element"}
        if resource_type not in {"Bundle", "Binary", "Parameters"}:
            names.add("DomainResource")
        definition = definitions.find_type(resource_type)
        if definition is not None and any(e.name == "url" for e in definition.elements):
            names |= {"CanonicalResource", "MetadataResource"}  # later versions' names for what has an address
    names |= {_BASES[name] for name in names if name in _BASES}
    return frozenset(names | {"*"})
