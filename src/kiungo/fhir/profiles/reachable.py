"""Documents hold what belongs to them: every entry is linked with the Composition, forward or backward.

Source: FHIR R4 3.3.1 (document content).
"""

from typing import Any

from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.run import Run, in_bundle


def check_reachable(o: Json, entries: list[Any], at: At, run: Run, links: list[list[tuple[Any, str]]]) -> None:
    """Note entries that no chain of references joins with the first. `links` are each entry's (scope, reference)."""
    number_of = {id(entry.get("resource")): n for n, entry in enumerate(entries) if entry.__class__ is dict}
    joined: list[set[int]] = [set() for _ in entries]
    for number, found in enumerate(links):
        for scope, text in found:
            target = in_bundle(scope, text)
            other = number_of.get(id(target)) if target is not None else None
            if other is not None:
                joined[number].add(other)
                joined[other].add(number)
    reached, waiting = {0}, [0]
    while waiting:
        fresh = joined[waiting.pop()] - reached
        reached |= fresh
        waiting += fresh
    styles = _styles(o)
    for number, entry in enumerate(entries):
        if number not in reached and entry.__class__ is dict and entry.get("fullUrl") not in styles:
            run.error(
                "invalid",
                (at, "entry", number),
                "is not linked with the Composition, so it is no part of this document",
            )


def _styles(o: Json) -> set[Any]:
    listed = o.get("link")
    found = listed if listed.__class__ is list else []
    return {one.get("url") for one in found if one.__class__ is dict and one.get("relation") == "stylesheet"}
