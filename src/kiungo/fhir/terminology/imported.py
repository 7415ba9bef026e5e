"""A code system in the tables: concepts by number, found by code, word, property or ancestor."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kiungo.fhir.terminology.model import OF_EVERY_CONCEPT, Concept, Filter, pattern

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

# Few at first, for a page; each further batch asks all conditions again, so it takes more.
BATCH = 200
BATCH_GROWTH = 5
BATCH_MAX = 10_000
_BELOW = "number IN (SELECT descendant FROM terminology_ancestor WHERE system = ? AND ancestor = ?)"
_ABOVE = "number IN (SELECT ancestor FROM terminology_ancestor WHERE system = ? AND descendant = ?)"
_HELD = "number IN (SELECT number FROM terminology_property WHERE system = ? AND name = ?"
_BY_HIERARCHY = frozenset({"is-a", "descendent-of", "is-not-a", "generalizes"})
LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """One system of a tenant that is ready."""

    id: int
    url: str
    version: str
    title: str


@dataclass(frozen=True, slots=True)
class ImportedSystem:
    """The system as one unit of work sees it."""

    unit: "Unit"
    row: ImportedRow
    is_complete: bool = True

    @property
    def url(self) -> str:
        return self.row.url

    @property
    def version(self) -> str:
        return self.row.version

    @property
    def name(self) -> str:
        return self.row.title

    def find(self, code: str) -> Concept | None:
        found = self._row(code)
        if found is None:
            return None
        number, display, active = found
        terms = self.unit.rows(
            "SELECT kind, language, term FROM terminology_term WHERE system = ? AND number = ? "
            "ORDER BY kind, language, term",
            (self.row.id, number),
        )
        properties = self.unit.rows(
            "SELECT name, value FROM terminology_property WHERE system = ? AND number = ? ORDER BY name, value",
            (self.row.id, number),
        )
        held = tuple((str(n), str(v)) for n, v in properties)
        return Concept(code, display, bool(active), False, tuple((k, lang, t) for k, lang, t in terms), held)

    def glance(self, code: str) -> Concept | None:
        found = self._row(code)
        return None if found is None else Concept(code, found[1], bool(found[2]))

    def has(self, code: str) -> bool:
        return self._row(code) is not None

    def is_above(self, ancestor: str, descendant: str) -> bool:
        upper, lower = self._row(ancestor), self._row(descendant)
        if upper is None or lower is None:
            return False
        sql = "SELECT 1 FROM terminology_ancestor WHERE system = ? AND descendant = ? AND ancestor = ?"
        return self.unit.value(sql, (self.row.id, lower[0], upper[0])) is not None

    def meets(self, code: str, wanted: Filter) -> bool:
        found = self._row(code)
        if found is None:
            return False
        if wanted.op == "regex":
            return self._fits(found[0], code, found[1], wanted)
        if wanted.op in _BY_HIERARCHY:
            return self._stands(code, wanted)
        text, parameters = self._condition(wanted)
        sql = f"SELECT 1 FROM terminology_concept WHERE system = ? AND number = ? AND {text}"
        return self.unit.value(sql, (self.row.id, found[0], *parameters)) is not None

    def neighbours(self, code: str) -> Iterator[tuple[str, str]]:
        number = self._number(code)
        for name, one, other in (("parent", "descendant", "ancestor"), ("child", "ancestor", "descendant")):
            # Joined crosswise and sorted here: SQLite would read every code of the system to have them in order.
            rows = self.unit.rows(
                f"SELECT c.code FROM terminology_ancestor a CROSS JOIN terminology_concept c WHERE c.system = a.system "
                f"AND c.number = a.{other} AND a.system = ? AND a.{one} = ? AND a.direct = 1",
                (self.row.id, number),
            )
            yield from ((name, str(row[0])) for row in sorted(rows))

    def has_property(self, name: str) -> bool:
        if name in OF_EVERY_CONCEPT:
            return True
        sql = "SELECT 1 FROM terminology_property WHERE system = ? AND name = ? LIMIT 1"
        return self.unit.value(sql, (self.row.id, name)) is not None

    def _stands(self, code: str, wanted: Filter) -> bool:
        """Where one code stands to another: a seek, where a condition would read all descendants."""
        if wanted.op == "generalizes":
            return code == wanted.value or self.is_above(code, wanted.value)
        is_below = self.is_above(wanted.value, code)
        if wanted.op == "descendent-of":
            return is_below
        return (code == wanted.value or is_below) == (wanted.op == "is-a")

    def matching(self, filters: tuple[Filter, ...], words: tuple[str, ...], *, active_only: bool) -> Iterator[Concept]:
        conditions, parameters = ["system = ?", "number > ?"], []
        patterns = [wanted for wanted in filters if wanted.op == "regex"]
        for wanted in filters:
            if wanted.op != "regex":
                text, values = self._condition(wanted)
                conditions.append(text)
                parameters += values
        for word in words:
            conditions.append(
                "number IN (SELECT number FROM terminology_word WHERE system = ? AND word >= ? AND word < ?)"
            )
            parameters += [self.row.id, word, word + LAST_CHARACTER]
        if active_only:
            conditions.append("active = 1")
        sql = (
            f"SELECT number, code, display, active FROM terminology_concept WHERE {' AND '.join(conditions)} "
            f"ORDER BY number LIMIT ?"
        )
        last, size = -1, BATCH
        while True:
            rows = self.unit.rows(sql, (self.row.id, last, *parameters, size))
            for number, code, display, active in rows:
                if all(self._fits(number, code, display, wanted) for wanted in patterns):
                    yield Concept(code, display, bool(active))
            if len(rows) < size:
                return
            last, size = rows[-1][0], min(size * BATCH_GROWTH, BATCH_MAX)

    def _row(self, code: str) -> tuple[int, str, int] | None:
        sql = "SELECT number, display, active FROM terminology_concept WHERE system = ? AND code = ?"
        row = self.unit.row(sql, (self.row.id, code))
        return None if row is None else (row[0], row[1], row[2])

    def _number(self, code: str) -> int:
        found = self._row(code)
        return -1 if found is None else found[0]

    def _condition(self, wanted: Filter) -> tuple[str, list[Any]]:
        """A filter as SQL over a concept's number."""
        own, op = self.row.id, wanted.op
        if op in _BY_HIERARCHY:
            number = self._number(wanted.value)
            related = _ABOVE if op == "generalizes" else _BELOW
            if op == "descendent-of":
                return related, [own, number]
            both, values = f"(number = ? OR {related})", [number, own, number]
            return (f"NOT {both}", values) if op == "is-not-a" else (both, values)
        if op in ("in", "not-in"):
            listed = [part.strip() for part in wanted.value.split(",")]
            text, values = self._equals(wanted.property, listed)
            return (text if op == "in" else f"NOT ({text})"), values
        if op == "exists":
            text = f"{_HELD})"
            return (text if wanted.value == "true" else f"NOT {text}"), [own, wanted.property]
        return self._equals(wanted.property, [wanted.value])

    def _equals(self, name: str, listed: list[str]) -> tuple[str, list[Any]]:
        marks = ", ".join("?" * len(listed))
        if name in ("code", "concept"):
            return f"code IN ({marks})", list(listed)
        if name == "display":
            return f"display IN ({marks})", list(listed)
        if name == "parent":
            numbers = [self._number(code) for code in listed]
            return (
                "number IN (SELECT descendant FROM terminology_ancestor WHERE system = ? AND direct = 1 "
                f"AND ancestor IN ({marks}))",
                [self.row.id, *numbers],
            )
        return f"{_HELD} AND value IN ({marks}))", [self.row.id, name, *listed]

    def _fits(self, number: int, code: str, display: str, wanted: Filter) -> bool:
        if wanted.property in ("code", "concept", "display"):
            return (
                pattern(wanted.value).fullmatch((display if wanted.property == "display" else code)[:400]) is not None
            )
        rows = self.unit.rows(
            "SELECT value FROM terminology_property WHERE system = ? AND number = ? AND name = ?",
            (self.row.id, number, wanted.property),
        )
        return any(pattern(wanted.value).fullmatch(row[0][:400]) for row in rows)


def ready_systems(unit: "Unit", tenant: int, url: str) -> list[ImportedRow]:
    """The imported versions of a system that are ready, newest version first."""
    rows = unit.rows(
        "SELECT id, url, version, title FROM terminology_system WHERE tn = ? AND url = ? AND state = 'ready' "
        "ORDER BY version DESC",
        (tenant, url),
    )
    return [ImportedRow(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class ListedSystem:
    """One imported system, ready or still loading."""

    id: int
    kind: str
    url: str
    version: str
    state: str
    concepts: int
    row_errors: int


def listed_systems(unit: "Unit", tenant: int) -> list[ListedSystem]:
    """Everything that was imported for a tenant."""
    rows = unit.rows(
        "SELECT id, kind, url, version, state, concepts, row_errors FROM terminology_system WHERE tn = ? "
        "ORDER BY url, version",
        (tenant,),
    )
    return [ListedSystem(*row) for row in rows]
