"""One look at the terminology inside one unit of work, over what is remembered between looks.

What is remembered is bounded, and forgotten as soon as a code system, value set or concept map changes.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kiungo.fhir.definitions import type_ids
from kiungo.fhir.terminology import shelves
from kiungo.fhir.terminology.grammars import GrammarSystem
from kiungo.fhir.terminology.imported import ImportedRow, ImportedSystem, ready_systems
from kiungo.fhir.terminology.model import CodeSystem, ConceptMap, ValueSet, canonical
from kiungo.fhir.terminology.shelves import Shelf, artifact, chosen, packaged, stored
from kiungo.fhir.terminology.tree import TreeSystem, of_resource, of_rows

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

REMEMBERED_MAX = 256
T = TypeVar("T")
_KINDS = ("CodeSystem", "ValueSet", "ConceptMap")
_LATEST = "(SELECT max(updated_us) FROM fhir_resource WHERE tn = ? AND type = ?)"
_STAMP = f"""SELECT {", ".join([_LATEST] * len(_KINDS))},
    (SELECT max(changed_us) FROM terminology_system WHERE tn = ? AND state = 'ready'),
    (SELECT count(*) FROM terminology_system WHERE tn = ? AND state = 'ready'),
    (SELECT max(installed_us) FROM fhir_package WHERE tn = ?),
    (SELECT count(*) FROM fhir_package WHERE tn = ?)"""


class Remembered(Generic[T]):
    """The values that were asked for last, at most so many; safe from any thread."""

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._held: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> T | None:
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def put(self, key: Hashable, value: T) -> T:
        with self._lock:
            self._held[key] = value
            if len(self._held) > self._size_max:
                self._held.popitem(last=False)
        return value

    def clear(self) -> None:
        with self._lock:
            self._held.clear()

    def __len__(self) -> int:
        return len(self._held)


Found = tuple[Any]  # a value or None, wrapped so that "is not there" is remembered too
_base: Remembered[TreeSystem] = Remembered(REMEMBERED_MAX)  # FHIR's own systems, the same for every tenant


def stamp(unit: "Unit", tenant: int) -> tuple[Any, ...] | None:
    """A value that changes whenever the tenant's terminology does: a few seeks in one statement."""
    kinds = (value for kind in _KINDS for value in (tenant, type_ids()[kind]))
    return unit.row(_STAMP, (*kinds, tenant, tenant, tenant, tenant))


class Reading:
    """Finds systems, value sets and maps for one tenant inside one unit."""

    def __init__(
        self,
        unit: "Unit",
        tenant: int,
        remembered: Remembered[Found],
        grammars: Mapping[str, GrammarSystem],
        shelves: tuple[Shelf, ...] = (stored, packaged),
    ) -> None:
        self.unit = unit
        self.tenant = tenant
        self._remembered = remembered
        self._grammars = grammars
        self._shelves = shelves

    def system(self, url: str, version: str | None = None) -> CodeSystem | None:
        """The code system of this address; the newest when no version is asked for."""
        grammar = self._grammars.get(url)
        if grammar is not None:
            return grammar
        imported = [row for row in self._imported(url) if version is None or row.version == version]
        if imported:
            return ImportedSystem(self.unit, imported[0])
        own = self._once(("system", url, version), lambda: self._resource("CodeSystem", url, version, of_resource))
        if own is not None:
            found: TreeSystem = own
            return found
        return base_system(url, version)

    def value_set(self, reference: str, version: str | None = None) -> ValueSet | None:
        """The value set of a canonical address, which may carry a version."""
        url, written = canonical(reference)
        wanted = version or written
        found: ValueSet | None = self._once(
            ("value set", url, wanted),
            lambda: (
                self._resource("ValueSet", url, wanted, shelves.value_set_of)
                or _base_value_set(url, wanted)
                or shelves.implicit_value_set(url)
            ),
        )
        return found

    def concept_map(self, reference: str) -> ConceptMap | None:
        """The concept map of a canonical address."""
        url, version = canonical(reference)
        found: ConceptMap | None = self._once(
            ("map", url, version),
            lambda: self._resource("ConceptMap", url, version, shelves.concept_map_of) or _base_map(url, version),
        )
        return found

    def _imported(self, url: str) -> list[ImportedRow]:
        found: list[ImportedRow] = self._once(("imported", url), lambda: ready_systems(self.unit, self.tenant, url))
        return found

    def _resource(
        self, type_name: str, url: str, version: str | None, build: Callable[[dict[str, Any]], T]
    ) -> T | None:
        for shelf in self._shelves:
            found = chosen(shelf(self.unit, self.tenant, type_name, url), version)
            if found is not None:
                return build(found)
        return None

    def _once(self, key: Hashable, find: Callable[[], Any]) -> Any:
        known = self._remembered.get(key)
        if known is None:
            known = self._remembered.put(key, (find(),))
        return known[0]


def base_system(url: str, version: str | None = None) -> TreeSystem | None:
    """A code system that FHIR itself defines."""
    content = artifact()["systems"].get(url)
    if content is None or version not in (None, content["version"]):
        return None
    return _base.get(url) or _base.put(url, of_rows(url, content))


def _base_value_set(url: str, version: str | None) -> ValueSet | None:
    content = artifact()["value_sets"].get(url)
    if content is None or version not in (None, content["version"]):
        return None
    return shelves.value_set_of_rows(url, content)


def _base_map(url: str, version: str | None) -> ConceptMap | None:
    content = artifact()["maps"].get(url)
    if content is None or version not in (None, content["version"]):
        return None
    return shelves.concept_map_of({"url": url, **content})
