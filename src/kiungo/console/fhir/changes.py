"""What changed between two versions of a resource, element by element."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from kiungo.console.fhir.printed import plain

CHANGES_MAX = 400
# Every version has its own of these; they are shown beside it.
_ALWAYS_NEW = ("meta.versionId", "meta.lastUpdated")


@dataclass(frozen=True, slots=True)
class Change:
    """One value. Shapes: `before` or `after` is empty where the element was not there."""

    kind: Literal["added", "removed", "changed"]
    path: str
    before: str
    after: str


def changes(before: Any, after: Any) -> list[Change]:
    """What to do to one to get the other, in the order of the later version; lists are compared by position."""
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    found = []
    for path, value in new.items():
        if path not in old:
            found.append(Change("added", path, "", value))
        elif old[path] != value:
            found.append(Change("changed", path, old[path], value))
    found += [Change("removed", path, value, "") for path, value in old.items() if path not in new]
    return [change for change in found if change.path not in _ALWAYS_NEW][:CHANGES_MAX]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, one in value.items():
            yield from _leaves(one, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for number, one in enumerate(value):
            yield from _leaves(one, f"{path}[{number}]")
    else:
        yield path, plain(value)
