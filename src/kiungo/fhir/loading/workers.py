"""Who prepares: worker processes, and this one until they are up."""

import gc
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager

from kiungo.fhir.loading.conditions import Resolved
from kiungo.fhir.loading.preparing import PreparedPart, is_started, prepare_part, without_collector
from kiungo.fhir.loading.sources import Part

Asked = tuple[Part, Resolved]
Prepare = Callable[[Iterable[Asked]], Iterator[PreparedPart]]
AHEAD = 3
"""Parts in work for each worker: enough to keep it busy, few enough to hold in memory."""


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """A part is thousands of small objects without cycles: looking for some in them again and again is wasted."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


class Preparing:
    """Worker processes, or this one while there are none; parts come back in their order."""

    def __init__(self, workers: int, base_url: str) -> None:
        self._base_url = base_url
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._started: Future[bool] = Future()

    def __enter__(self) -> Prepare:
        if self._workers:
            context = multiprocessing.get_context("spawn")  # the writer's threads do not survive a fork
            self._pool = ProcessPoolExecutor(self._workers, mp_context=context, initializer=without_collector)
            self._started = self._pool.submit(is_started)
        return self._prepared

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _prepared(self, some: Iterable[Asked]) -> Iterator[PreparedPart]:
        if self._pool is None:
            for part, resolved in some:
                yield prepare_part(part, self._base_url, resolved)
            return
        waiting: deque[Future[PreparedPart]] = deque()
        started = self._started
        for part, resolved in some:
            if not _is_up(started):
                yield prepare_part(part, self._base_url, resolved)
                continue
            waiting.append(self._pool.submit(prepare_part, part, self._base_url, resolved))
            if len(waiting) >= self._workers * AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _is_up(started: Future[bool]) -> bool:
    """Whether a worker is there to prepare; what comes before it is, this process prepares."""
    return started.done()
