"""What a condition asks others before it is SQL: the codes of a value set, codes below one, places above one.

Answers are remembered for one search, since a condition is written as SQL more than once.
"""

from typing import TYPE_CHECKING, Any, Protocol

from kiungo.base.errors import Incorrect
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.indexing.values import split_reference
from kiungo.fhir.search.asked import SEARCH_NOT_SUPPORTED, SEARCH_VALUE_WRONG
from kiungo.kernel import json

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

STEPS_MAX = 20
# The element by which resources of a type stand above each other.
PARENTS = {
    "Location": ("partof", "partOf"),
    "Organization": ("partof", "partOf"),
    "Encounter": ("part-of", "partOf"),
    "Procedure": ("part-of", "partOf"),
    "Task": ("part-of", "partOf"),
}


class Terminology(Protocol):
    """The terminology of a tenant, as far as a search asks it."""

    def codes(self, value_set: str, *, unit: "Unit | None" = None) -> list[tuple[str, str]]:
        """Every (system, code) of a value set."""
        ...

    def related(self, system: str, code: str, *, above: bool, unit: "Unit | None" = None) -> list[str]:
        """The code and all below it, or above it."""
        ...


class Lookups:
    """The questions of one search in one unit of work."""

    def __init__(self, unit: "Unit", tenant: int, terminology: Terminology | None) -> None:
        self._unit = unit
        self._tenant = tenant
        self._terminology = terminology
        self._known: dict[tuple[Any, ...], Any] = {}

    def codes(self, value_set: str) -> list[tuple[str, str]]:
        """Every (system, code) of a value set, by its URL or as `ValueSet/id`. Raises: Incorrect, NotFound."""
        key = ("codes", value_set)
        if key not in self._known:
            self._known[key] = self._terms().codes(self._url_of(value_set), unit=self._unit)
        found: list[tuple[str, str]] = self._known[key]
        return found

    def related(self, system: str, code: str, *, above: bool) -> list[str]:
        """The code and all below it, or above it. Raises: Incorrect, NotFound."""
        key = ("related", system, code, above)
        if key not in self._known:
            self._known[key] = self._terms().related(system, code, above=above, unit=self._unit)
        found: list[str] = self._known[key]
        return found

    def ancestors(self, type_name: str, logical_id: str) -> list[str]:
        """The ids of the resource itself and those above it, nearest first."""
        found: list[str] = []
        current: str | None = logical_id
        while current is not None and current not in found and len(found) < STEPS_MAX:
            found.append(current)
            tree = self._read(type_name, current)
            reference = (tree or {}).get(PARENTS[type_name][1])
            reference = reference[0] if isinstance(reference, list) and reference else reference
            text = reference.get("reference") if isinstance(reference, dict) else None
            parts = split_reference(text) if isinstance(text, str) else None
            current = parts[2] if parts is not None and parts[0] is None and parts[1] == type_name else None
        return found

    def _terms(self) -> Terminology:
        if self._terminology is None:
            raise Incorrect(
                SEARCH_NOT_SUPPORTED, "Searching by value sets and hierarchies needs the terminology, which is not on"
            )
        return self._terminology

    def _url_of(self, value_set: str) -> str:
        if ":" in value_set:
            return value_set
        tree = self._read("ValueSet", value_set.removeprefix("ValueSet/"))
        if tree is None or not tree.get("url"):
            raise Incorrect(
                SEARCH_VALUE_WRONG,
                f"There is no value set {value_set[:80]!r} with a url",
                hint="Name a value set by its url, or as ValueSet/id",
            )
        return str(tree["url"])

    def _read(self, type_name: str, logical_id: str) -> dict[str, Any] | None:
        body = self._unit.value(
            "SELECT body FROM fhir_resource WHERE tn = ? AND type = ? AND fid = ? AND deleted = 0",
            (self._tenant, type_ids()[type_name], logical_id),
        )
        tree: dict[str, Any] | None = json.loads(bytes(body)) if body else None
        return tree
