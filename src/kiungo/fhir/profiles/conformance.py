"""Where conformance resources come from: R4's own, installed packages, whatever else is put in front.

Shapes: a source answers `find(type, canonical)` with a resource or None; a canonical may carry `|version`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from kiungo.fhir.definitions import rules

Json = dict[str, Any]


class Source(Protocol):
    """Finds conformance resources by canonical address."""

    def find(self, type_name: str, canonical: str) -> Json | None: ...


class BaseSource:
    """R4's own profiles and extensions."""

    def find(self, type_name: str, canonical: str) -> Json | None:
        """A StructureDefinition of R4 that constrains a base type. The only version there is, is 4.0.1."""
        url, _, version = canonical.partition("|")
        if type_name != "StructureDefinition" or version not in ("", "4.0.1", "4.0", "4"):
            return None
        return rules.find_profile(url)


class GivenSource:
    """Resources at hand, such as the files named on a command line."""

    def __init__(self, resources: Iterable[Json] = ()) -> None:
        self._found: dict[tuple[str, str], list[Json]] = {}
        for resource in resources:
            self.add(resource)

    def add(self, resource: Json) -> None:
        """One more; a later one of the same address and version wins."""
        url = resource.get("url")
        if url.__class__ is str:
            self._found.setdefault((str(resource.get("resourceType")), str(url)), []).insert(0, resource)

    def find(self, type_name: str, canonical: str) -> Json | None:
        """The version asked for, else the newest."""
        url, _, version = canonical.partition("|")
        return chosen(self._found.get((type_name, url), ()), version)


def chosen(found: Sequence[Json], version: str) -> Json | None:
    """The resource of a version (a prefix such as 1.0 means any 1.0.x); without one the highest."""
    if not found:
        return None
    if not version:
        return max(found, key=lambda one: _order(str(one.get("version", ""))))
    for one in found:
        own = str(one.get("version", ""))
        if own == version or own.startswith(version + "."):
            return one
    return None


def _order(version: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in version.replace("-", ".").split("."))


class Layers:
    """Several sources; the first that knows it answers."""

    def __init__(self, *sources: Source) -> None:
        self._sources = sources

    def find(self, type_name: str, canonical: str) -> Json | None:
        """From the first source that has it."""
        for source in self._sources:
            found = source.find(type_name, canonical)
            if found is not None:
                return found
        return None
