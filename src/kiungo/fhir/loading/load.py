"""The whole load: workers prepare ahead while one thread writes; a stop loses nothing and repeats nothing."""

import gc
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from kiungo.base.errors import Conflict
from kiungo.fhir.indexing.fresh_words import IN_BULK, settle_words
from kiungo.fhir.loading.preparing import PreparedPart, Refused, is_started, prepare_part, without_collector
from kiungo.fhir.loading.sources import Part, Source, parts
from kiungo.fhir.loading.storing import StoredPart, checked_part, store_part, written_parts
from kiungo.fhir.own_parameters.reindexing import ensure_standard
from kiungo.fhir.store import Store
from kiungo.kernel.auth.principal import Call

Progress = Callable[[str, int, int], None]
Report = Callable[[list[Refused]], None]
ATTEMPTS_MAX = 3
WORKERS_MAX = 8
WORKERS_FROM_KB = 6_000
"""A worker needs a second or two to start; a load that is over by then is quicker without."""
AHEAD = 3
"""Parts in work for each worker: enough to keep it busy, few enough to hold in memory."""


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
    before = 0
    if workers is None:
        # One processor is busy with writing; on a machine that has only one, a worker still prepares meanwhile.
        workers = min(WORKERS_MAX, max(1, (os.cpu_count() or 1) - 1)) if total >= WORKERS_FROM_KB else 0
    with _seldom_collecting(), _Preparing(workers, store.base_url) as prepare:
        for source in sources:
            name = f"{source.identity}{again}"
            had = store.database.read(partial(written_parts, tenant=call.tenant, load=name))
            done.skipped += len(had)
            for part in prepare(part for part in parts(source) if part.number not in had):
                _add(done, _written(store, call, name, part, report))
                count_now = done.created + done.updated + done.unchanged
                progress(f"{count_now:,} resources, kB", (before + part.read_bytes) // 1000, total)
            before += source.size
    settle_words(store.database, IN_BULK)
    return done


def _written(store: Store, call: Call, name: str, part: PreparedPart, report: Report) -> StoredPart:
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
            report(written.refused)
    return written


def _add(done: Loaded, part: StoredPart) -> None:
    done.created += part.created
    done.updated += part.updated
    done.unchanged += part.unchanged
    done.refused += len(part.refused)
    done.skipped += not part.is_new


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """A part is thousands of small objects without cycles: looking for some in them again and again is wasted."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


class _Preparing:
    """Worker processes, or this one while there are none; parts come back in their order."""

    def __init__(self, workers: int, base_url: str) -> None:
        self._base_url = base_url
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Callable[[Iterable[Part]], Iterator[PreparedPart]]:
        if self._workers:
            context = multiprocessing.get_context("spawn")  # the writer's threads do not survive a fork
            self._pool = ProcessPoolExecutor(self._workers, mp_context=context, initializer=without_collector)
        return self._prepared

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _prepared(self, some: Iterable[Part]) -> Iterator[PreparedPart]:
        if self._pool is None:
            for part in some:
                yield prepare_part(part, self._base_url)
            return
        waiting: deque[Future[PreparedPart]] = deque()
        started = self._pool.submit(is_started)
        for part in some:
            if not _is_up(started):
                yield prepare_part(part, self._base_url)
                continue
            waiting.append(self._pool.submit(prepare_part, part, self._base_url))
            if len(waiting) >= self._workers * AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _is_up(started: Future[bool]) -> bool:
    """Whether a worker is there to prepare; what comes before it is, this process prepares."""
    return started.done()
