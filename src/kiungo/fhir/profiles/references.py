"""References: whether what they point to is of an allowed type, is where it should be, and meets a profile.

The type comes from the resource when it is at hand, else from the reference's text, else from Reference.type.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kiungo.fhir import definitions
from kiungo.fhir.profiles.canonicals import named_check
from kiungo.fhir.profiles.items import Item
from kiungo.fhir.profiles.nodes import TypeRef
from kiungo.fhir.profiles.run import Run, in_bundle

if TYPE_CHECKING:
    from kiungo.fhir.profiles.library import Library

TargetCheck = Callable[[Item, Run], None]
_FHIR = "http://hl7.org/fhir/StructureDefinition/"


def target_check(types: tuple[TypeRef, ...], library: "Library", source: str) -> TargetCheck | None:
    """The check of a Reference against the target profiles and aggregation of its types; None when any will do."""
    refs = [ref for ref in types if ref.code == "Reference"]
    targets = [t for ref in refs for t in ref.targets]
    aggregation = {a for ref in refs for a in ref.aggregation}
    is_open = not targets or any(not ref.targets for ref in refs) or _FHIR + "Resource" in targets
    versioning = {ref.versioning for ref in refs} & {"specific", "independent"}
    if is_open and not aggregation and not versioning:
        return None
    names, profiles = _types_and_profiles(targets, library)
    allowed = None if is_open else names

    def check(item: Item, run: Run) -> None:
        if item.value.__class__ is not dict:
            return
        kind, target = target_of(item.value, run)
        if allowed is not None and kind is not None and kind not in allowed:
            wanted = ", ".join(sorted(allowed))
            run.error("structure", item.at, f"points to a {kind}, but {source} allows {wanted}", source)
            return
        if len(versioning) == 1:
            _check_version(item, run, next(iter(versioning)) == "specific", source)
        if aggregation:
            _check_place(item, run, aggregation, target, source)
        wanted_profiles = profiles.get(kind or "")
        if target is not None and wanted_profiles:
            found = Item(target, None, str(target.get("resourceType")), item.at)
            why = library.why_not(found, wanted_profiles, run)
            if why is not None:
                listed = " or ".join(wanted_profiles)
                run.error("structure", item.at, f"points to a {kind} that does not meet {listed}: {why}", source)

    return check


def canonical_check(types: tuple[TypeRef, ...], library: "Library", source: str) -> TargetCheck | None:
    """The check of a canonical address against the types of its target profiles; None when any will do."""
    refs = [ref for ref in types if ref.code == "canonical"]
    if not refs or any(not ref.targets or _FHIR + "Resource" in ref.targets for ref in refs):
        return None
    names, _ = _types_and_profiles([target for ref in refs for target in ref.targets], library)
    if names is None:
        return None
    check = named_check(names, source)
    return lambda item, run: check(item.value, item.at, run) if item.type == "canonical" else None


def _types_and_profiles(
    targets: list[str], library: "Library"
) -> tuple[frozenset[str] | None, dict[str, tuple[str, ...]]]:
    """The types targets may have (None when one is not known), and the profiles of each that are no bare types."""
    names: set[str] = set()
    profiles: dict[str, list[str]] = {}
    bare: set[str] = set()
    is_known = True
    for target in targets:
        name = target.partition("|")[0].removeprefix(_FHIR)
        if definitions.find_type(name) is not None:
            names.add(name)
            bare.add(name)
            continue
        tree = library.tree(target)
        if tree is None:
            is_known = False
            continue
        names.add(tree.name)
        profiles.setdefault(tree.name, []).append(target)
    kept = {name: tuple(found) for name, found in profiles.items() if name not in bare}
    # A target that is not known here may be met by anything.
    return (frozenset(names), kept) if is_known else (None, {})


def target_of(reference: dict[str, Any], run: Run) -> tuple[str | None, dict[str, Any] | None]:
    """The type a reference points to, and the resource when it is at hand."""
    text = reference.get("reference")
    stated = reference.get("type")
    kind: str | None = stated if stated.__class__ is str else None
    if text.__class__ is not str:
        return kind, None
    target = run.resolve(text)
    if target is not None:
        return str(target.get("resourceType")), target
    return type_in_text(text) or kind, None


def type_in_text(text: str) -> str | None:
    """The resource type a relative or RESTful reference names; None when it names none."""
    name, slash, rest = text.partition("/")
    if slash and "/" not in rest:
        return name if name in _RESOURCES else None
    if text.startswith(("#", "urn:")):
        return None
    parts = text.partition("/_history/")[0].partition("|")[0].split("/")
    return parts[-2] if len(parts) >= 2 and parts[-2] in _RESOURCES else None


_RESOURCES = frozenset(definitions.resource_types())


def _check_version(item: Item, run: Run, specific: bool, source: str) -> None:
    text = item.value.get("reference")
    if text.__class__ is str and not text.startswith("#") and ("/_history/" in text) is not specific:
        wanted = "a version, written Type/id/_history/version" if specific else "no version"
        run.error("structure", item.at, f"is to name {wanted} by {source}", source)


def _check_place(item: Item, run: Run, allowed: set[str], target: Any, source: str) -> None:
    text = item.value.get("reference")
    if text.__class__ is not str:
        return
    if text.startswith("#"):
        found = "contained"
    elif target is not None and in_bundle(run.scope, text) is not None:
        found = "bundled"
    else:
        found = "referenced"
    if found not in allowed and not (found == "bundled" and "referenced" in allowed):
        run.error(
            "structure",
            item.at,
            f"points to a {found} resource, but {source} allows {', '.join(sorted(allowed))}",
            source,
        )
