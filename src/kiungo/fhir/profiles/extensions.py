"""Extensions: defined, at a place they may stand, and as their definition says.

An unknown extension may be ignored by whoever reads it, so it is a warning; an unknown modifier extension may not,
so it is an error. Source: FHIR R4 2.4.0 (extensibility).
"""

from typing import Any

from kiungo.fhir.profiles import contexts
from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.items import Item
from kiungo.fhir.profiles.nodes import Node
from kiungo.fhir.profiles.run import Run

SCHEMES = ("http://", "https://", "urn:", "oid:", "uuid:", "mailto:", "ftp://")


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
    contexts.check(structure, url, extension, at, run)
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
