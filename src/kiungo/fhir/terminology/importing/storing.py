"""Writes what a release says into the tables, and keeps how far it came."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kiungo.fhir.terminology.importing.releases import Release
from kiungo.fhir.terminology.importing.rows import TERM_LENGTH_MAX, Said
from kiungo.fhir.terminology.model import words_of
from kiungo.kernel.database import Database

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

TABLES = (
    *("terminology_concept", "terminology_term", "terminology_property", "terminology_ancestor", "terminology_word"),
)
WORD_LENGTH_MAX = 60
BATCH = 400
CONCEPTS_AT_ONCE = 2_000
_KEEP = " ON CONFLICT DO NOTHING"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the import of one system came: `position` is the last line kept of the file `stage`."""

    id: int
    is_ready: bool
    stage: int
    position: int
    fingerprint: str


def find_progress(unit: "Unit", tenant: int, url: str, version: str) -> Progress | None:
    """The import of this version, finished or not."""
    row = unit.row(
        "SELECT id, state, stage, position, fingerprint FROM terminology_system "
        "WHERE tn = ? AND url = ? AND version = ?",
        (tenant, url, version),
    )
    return None if row is None else Progress(row[0], row[1] == "ready", row[2], row[3], row[4])


def begin(unit: "Unit", tenant: int, release: Release) -> Progress:
    """A new system, empty and not asked about yet."""
    number = unit.value(
        "INSERT INTO terminology_system (tn, kind, url, version, title, state, stage, position, fingerprint, concepts, "
        "row_errors, changed_us) VALUES (?, ?, ?, ?, ?, 'loading', 0, 0, ?, 0, 0, ?) RETURNING id",
        (
            tenant,
            release.kind.name,
            release.kind.url,
            release.version,
            release.kind.title,
            release.fingerprint,
            unit.now_us,
        ),
    )
    return Progress(number, False, 0, 0, release.fingerprint)


def reached(unit: "Unit", system: int, stage: int, position: int, errors: int) -> None:
    """Remember how far the import came."""
    unit.execute(
        "UPDATE terminology_system SET stage = ?, position = ?, row_errors = row_errors + ? WHERE id = ?",
        (stage, position, errors, system),
    )


def finish(unit: "Unit", system: int) -> tuple[int, int]:
    """From now on the system answers; gives its concepts and the lines that could not be read."""
    concepts = int(unit.value("SELECT count(*) FROM terminology_concept WHERE system = ?", (system,)))
    unit.execute(
        "UPDATE terminology_system SET state = 'ready', concepts = ?, changed_us = ? WHERE id = ?",
        (concepts, unit.now_us, system),
    )
    return concepts, int(unit.value("SELECT row_errors FROM terminology_system WHERE id = ?", (system,)))


def remove(unit: "Unit", system: int) -> None:
    """Take a system out, whole."""
    for table in TABLES:
        unit.execute(f"DELETE FROM {table} WHERE system = ?", (system,))
    unit.execute("DELETE FROM terminology_system WHERE id = ?", (system,))


def store(unit: "Unit", system: int, said: Iterable[Said]) -> list[str]:
    """Write what lines say; gives the codes they speak about that are not there."""
    listed = list(said)
    known = _numbers(unit, system, {s.code for s in listed} | {code for s in listed for code in s.parents})
    _add_concepts(unit, system, listed, known)
    unknown: list[str] = []
    terms: set[tuple[Any, ...]] = set()
    properties: set[tuple[Any, ...]] = set()
    edges: set[tuple[Any, ...]] = set()
    words: set[tuple[Any, ...]] = set()
    for one in listed:
        number = known.get(one.code)
        if number is None:
            unknown.append(one.code)
            continue
        texts = [one.code, *([one.display] if one.display else [])]
        for kind, language, term in one.terms:
            terms.add((system, number, kind, language, term[:TERM_LENGTH_MAX]))
            texts.append(term)
        properties.update((system, number, name, value[:TERM_LENGTH_MAX]) for name, value in one.properties)
        words.update((system, word[:WORD_LENGTH_MAX], number) for text in texts for word in words_of(text))
        for parent in one.parents:
            above = known.get(parent)
            if above is None:
                unknown.append(parent)
            else:
                edges.add((system, number, above, 1))
    _insert(unit, "terminology_term", ("system", "number", "kind", "language", "term"), terms)
    _insert(unit, "terminology_property", ("system", "number", "name", "value"), properties)
    _insert(unit, "terminology_ancestor", ("system", "descendant", "ancestor", "direct"), edges)
    _insert(unit, "terminology_word", ("system", "word", "number"), words)
    return unknown


def _add_concepts(unit: "Unit", system: int, listed: list[Said], known: dict[str, int]) -> None:
    """New concepts, numbered on; a later line may give an old one its display."""
    free = int(unit.value("SELECT coalesce(max(number), -1) FROM terminology_concept WHERE system = ?", (system,))) + 1
    added: dict[str, tuple[Any, ...]] = {}
    changed: list[tuple[Any, ...]] = []
    for one in listed:
        if one.display is None:
            continue
        display = one.display[:TERM_LENGTH_MAX]
        if one.code in added:
            if not one.only_if_new:
                added[one.code] = (*added[one.code][:3], display, int(one.active))
        elif one.code in known:
            if not one.only_if_new:
                changed.append((display, system, known[one.code]))
        else:
            known[one.code] = free
            added[one.code] = (system, free, one.code, display, int(one.active))
            free += 1
    _insert(unit, "terminology_concept", ("system", "number", "code", "display", "active"), added.values())
    unit.many("UPDATE terminology_concept SET display = ? WHERE system = ? AND number = ?", changed)


def _numbers(unit: "Unit", system: int, codes: set[str]) -> dict[str, int]:
    listed, found = sorted(codes), {}
    for start in range(0, len(listed), BATCH):
        part = listed[start : start + BATCH]
        rows = unit.rows(
            f"SELECT code, number FROM terminology_concept WHERE system = ? AND code IN ({', '.join('?' * len(part))})",
            (system, *part),
        )
        found.update({str(code): int(number) for code, number in rows})
    return found


def _insert(unit: "Unit", table: str, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    text = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}){_KEEP}"
    # In key order: inserts at random places cost a page each once the index outgrows memory.
    unit.many(text, sorted(rows))


def close_ancestors(
    database: Database, system: int, stage: int, after: int, report: Callable[[str, int, int], None]
) -> None:
    """Add every indirect ancestor, concept by concept, from the number after `after` on."""
    edges = database.read(
        lambda unit: unit.rows(
            "SELECT descendant, ancestor FROM terminology_ancestor WHERE system = ? AND direct = 1", (system,)
        ),
        deadline_ms=600_000,
    )
    above: dict[int, list[int]] = {}
    for child, parent in edges:
        above.setdefault(child, []).append(parent)
    numbers = sorted(number for number in above if number >= after)
    for start in range(0, len(numbers), CONCEPTS_AT_ONCE):
        part = numbers[start : start + CONCEPTS_AT_ONCE]
        rows: list[tuple[Any, ...]] = [(system, number, far, 0) for number in part for far in _all_above(above, number)]

        def keep(unit: "Unit", rows: list[tuple[Any, ...]] = rows, last: int = part[-1]) -> None:
            _insert(unit, "terminology_ancestor", ("system", "descendant", "ancestor", "direct"), rows)
            reached(unit, system, stage, last, 0)

        database.write(keep)
        report("ancestors", start + len(part), len(numbers))


def _all_above(above: dict[int, list[int]], number: int) -> set[int]:
    found: set[int] = set()
    waiting = list(above.get(number, ()))
    while waiting:
        one = waiting.pop()
        if one not in found and one != number:
            found.add(one)
            waiting += above.get(one, ())
    return found.difference(above.get(number, ()))
