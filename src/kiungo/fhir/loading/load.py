"""The whole load: workers prepare ahead while one thread writes; a stop loses nothing and repeats nothing."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from kiungo.base.errors import Conflict
from kiungo.fhir.indexing.counting import settle_counts
from kiungo.fhir.indexing.fresh_words import IN_BULK, settle_words
from kiungo.fhir.loading.conditions import Resolved, conditions_in, resolve
from kiungo.fhir.loading.entries import Refused
from kiungo.fhir.loading.preparing import PreparedPart
from kiungo.fhir.loading.sources import Part, Source, parts
from kiungo.fhir.loading.storing import StoredPart, checked_part, store_part, written_parts
from kiungo.fhir.loading.workers import Asked, Prepare, Preparing, seldom_collecting
from kiungo.fhir.own_parameters.reindexing import ensure_standard
from kiungo.fhir.store import Store
from kiungo.kernel.auth.principal import Call

Progress = Callable[[str, int, int], None]
Report = Callable[[list[Refused]], None]
ATTEMPTS_MAX = 3
WORKERS_MAX = 8
WORKERS_FROM_KB = 6_000
"""A worker needs a second or two to start; a load that is over by then is quicker without."""


@dataclass(slots=True)
class Loaded:
    """What a load did. Shapes: `skipped` counts parts that an earlier run of the same files had written."""

    files: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    skipped: int = 0


def load(
    store: Store,
    call: Call,
    sources: Sequence[Source],
    progress: Progress,
    report: Report,
    *,
    workers: int | None = None,
    again: str = "",
) -> Loaded:
    """Write every resource of the files: those with an id as an update of that id, so that a file may be loaded again.

    `report` is given the resources that were refused, as they come. `again` names another load of the same files.
    Raises: Incorrect LOAD_FILE_WRONG; Unavailable: start the same load once more, and it goes on where it stopped.
    """
    store.database.write(lambda unit: ensure_standard(unit, call.tenant))  # while it is empty there is nothing to index
    done = Loaded(files=len(sources))
    total = sum(source.size for source in sources) // 1000
    meter = _Meter(progress, done, total)
    if workers is None:
        # One processor is busy with writing; on a machine that has only one, a worker still prepares meanwhile.
        workers = min(WORKERS_MAX, max(1, (os.cpu_count() or 1) - 1)) if total >= WORKERS_FROM_KB else 0
    with seldom_collecting(), Preparing(workers, store.base_url) as prepare:
        loading = _Loading(store, call, prepare, meter, report, done)
        later = _Later()
        for source in sources:
            name = f"{source.identity}{again}"
            had = store.database.read(partial(written_parts, tenant=call.tenant, load=name))
            done.skipped += len(had)
            loading.run(name, later.others(source, name, had, meter))
        resolved = resolve(store, call, later.wanted, later.parts()) if later.wanted else Resolved()
        for source, name, numbers in later.waiting:
            some = (part for part in parts(source) if part.number in numbers)
            loading.run(name, ((part, resolved.of(part)) for part in some))
    settle_counts(store.database)
    settle_words(store.database, IN_BULK)
    store.database.gather_statistics(done.created + done.updated)
    return done


@dataclass(slots=True)
class _Meter:
    """How far the load is. Units: bytes of the files."""

    progress: Progress
    done: Loaded
    total_kb: int
    read_bytes: int = 0

    def add(self, read_bytes: int) -> None:
        """So much more was read and written."""
        self.read_bytes += read_bytes
        count = self.done.created + self.done.updated + self.done.unchanged
        self.progress(f"{count:,} resources, kB", self.read_bytes // 1000, self.total_kb)


@dataclass(slots=True)
class _Later:
    """Parts with references that are searches: they wait until everything else is stored."""

    wanted: set[str] = field(default_factory=set)
    waiting: list[tuple[Source, str, frozenset[int]]] = field(default_factory=list)

    def others(self, source: Source, name: str, had: frozenset[int], meter: "_Meter") -> Iterator[Asked]:
        """The parts of a file that need not wait, but for those that an earlier run has written."""
        numbers: set[int] = set()
        for part in parts(source):
            if part.number in had:
                meter.add(part.read_bytes)
                continue
            found = conditions_in(part)
            if found:
                self.wanted |= found
                numbers.add(part.number)
            else:
                yield part, Resolved()
        if numbers:
            self.waiting.append((source, name, frozenset(numbers)))

    def parts(self) -> Iterator[Part]:
        """The parts that wait, read once more."""
        return (part for source, _, numbers in self.waiting for part in parts(source) if part.number in numbers)


@dataclass(frozen=True, slots=True)
class _Loading:
    """Where parts go, and who is told."""

    store: Store
    call: Call
    prepare: Prepare
    meter: "_Meter"
    report: Report
    done: Loaded

    def run(self, name: str, some: Iterable[Asked]) -> None:
        """Prepare and write these parts of one file."""
        for part in self.prepare(some):
            _add(self.done, self._written(name, part))
            self.meter.add(part.read_bytes)

    def _written(self, name: str, part: PreparedPart) -> StoredPart:
        store, call = self.store, self.call
        checked, refused = checked_part(store, call, part)
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                written = store.database.write(lambda unit: store_part(store, unit, call, name, part, checked))
                break
            except Conflict:  # somebody else made one of these just now: the next look finds it
                if attempt == ATTEMPTS_MAX:
                    raise
        if written.is_new:
            written.refused = [*part.refused, *refused, *written.refused]
            if written.refused:
                self.report(written.refused)
        return written


def _add(done: Loaded, part: StoredPart) -> None:
    done.created += part.created
    done.updated += part.updated
    done.unchanged += part.unchanged
    done.refused += len(part.refused)
    done.skipped += not part.is_new
