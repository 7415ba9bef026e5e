"""Loads a release in chunks, each one unit of work with its position: a stopped import goes on where it was.

Lines that cannot be read are counted and told, and do not stop the rest. A system is asked about only when it is
whole: until then it is `loading`, and an earlier version answers.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from kiungo.base.errors import Conflict, Incorrect, define
from kiungo.fhir.terminology.importing import storing
from kiungo.fhir.terminology.importing.releases import RELEASE_WRONG, Release, ReleaseFile
from kiungo.fhir.terminology.importing.rows import LineWrong, Said, Stage
from kiungo.kernel import audit
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.database import Database

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

SYSTEM_IS_THERE = define("SYSTEM_IS_THERE", Conflict, "This version of the code system is imported already.")
CHUNK = 1_000
PROBLEMS_KEPT = 100
Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A line that could not be read."""

    file: str
    line: int
    problem: str


@dataclass(slots=True)
class Imported:
    """What an import did. `problems` are the first of `row_errors`."""

    url: str
    version: str
    concepts: int = 0
    row_errors: int = 0
    resumed: bool = False
    problems: list[RowProblem] = field(default_factory=list)


class _Counted:
    """The lines of a file, and how many characters of it were read."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.characters = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.characters += len(line)
        return line


def load(database: Database, call: Call, release: Release, report: Report, *, replace: bool = False) -> Imported:
    """Import a release, or go on with one that was stopped.

    Raises: Conflict SYSTEM_IS_THERE; Incorrect RELEASE_WRONG (another file than the one it began with, or not
    one line that could be read).
    """
    begun = database.write(lambda unit: _begin(unit, call, release, replace=replace))
    done = Imported(release.kind.url, release.version, resumed=begun.stage > 0 or begun.position > 0)
    for number, stage in enumerate(release.kind.stages):
        if number < begun.stage:
            continue
        skip = begun.position if number == begun.stage else 0
        _load_file(database, begun.id, number, stage, release.files[number], skip, done, report)
    last = len(release.kind.stages)
    storing.close_ancestors(database, begun.id, last, begun.position if begun.stage == last else 0, report)
    done.concepts, done.row_errors = database.write(lambda unit: _finish(unit, call, begun.id))
    database.gather_statistics(done.concepts)
    return done


def _begin(unit: "Unit", call: Call, release: Release, *, replace: bool) -> storing.Progress:
    found = storing.find_progress(unit, call.tenant, release.kind.url, release.version)
    if found is not None and found.is_ready and not replace:
        raise Conflict(
            SYSTEM_IS_THERE,
            f"{release.kind.title} {release.version} is imported already",
            hint="Nothing needs to be done; to read its files again, add --replace",
        )
    if found is not None and (found.is_ready or replace):
        storing.remove(unit, found.id)
        found = None
    if found is None:
        return storing.begin(unit, call.tenant, release)
    if found.fingerprint != release.fingerprint:
        raise Incorrect(
            RELEASE_WRONG,
            f"The import of {release.kind.title} {release.version} was begun with other files",
            field="path",
            hint="Name the same files to go on, or begin again with --replace",
        )
    return found


def _load_file(
    database: Database,
    system: int,
    number: int,
    stage: Stage,
    file: ReleaseFile,
    skip: int,
    done: Imported,
    report: Report,
) -> None:
    read_any = False
    with file.opened() as text:
        counted = _Counted(text)
        for last, said, wrong in _chunks(stage, file, counted, skip):
            position, errors = last, len(wrong)

            def store(
                unit: "Unit", position: int = position, said: tuple[Said, ...] = said, errors: int = errors
            ) -> list[str]:
                unknown = storing.store(unit, system, said)
                storing.reached(unit, system, number, position, errors + len(unknown))
                return unknown

            unknown = database.write(store)
            wrong += [RowProblem(file.name, last, f"there is no concept {code}") for code in unknown]
            done.problems += wrong[: max(PROBLEMS_KEPT - len(done.problems), 0)]
            read_any = read_any or bool(said)
            report(file.name, min(counted.characters, file.size), file.size)
    if not read_any and not skip and number == 0:
        raise Incorrect(
            RELEASE_WRONG,
            f"Not one line of {file.name} could be read",
            field="path",
            hint="Check that it is the right file",
        )
    database.write(lambda unit: storing.reached(unit, system, number + 1, 0, 0))


def _chunks(
    stage: Stage, file: ReleaseFile, text: _Counted, skip: int
) -> Iterator[tuple[int, tuple[Said, ...], list[RowProblem]]]:
    """(last line, what its lines say, lines that could not be read) of each chunk after line `skip`."""
    records = stage.records(text)
    try:
        header = next(records, (0, []))[1] if stage.has_header else []
        reader = stage.reader(header)
    except LineWrong as error:
        raise Incorrect(
            RELEASE_WRONG, f"{file.name}: {error}", field="path", hint="Name the release's own file"
        ) from None
    while chunk := list(islice(records, CHUNK)):
        said, wrong = [], []
        for line, record in chunk:
            try:
                found = reader(record)
            except LineWrong as error:
                wrong.append(RowProblem(file.name, line, str(error)))
                continue
            if found is not None:
                said.append(found)
        if chunk[-1][0] > skip:
            yield chunk[-1][0], tuple(said), wrong


def _finish(unit: "Unit", call: Call, system: int) -> tuple[int, int]:
    concepts, errors = storing.finish(unit, system)
    audit.record(unit, call, "import", kind="CodeSystem", id=str(system))
    return concepts, errors
