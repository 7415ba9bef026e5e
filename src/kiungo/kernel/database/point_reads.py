"""Point reads that arrive together share a thread, a connection and the way back to the event loop."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from kiungo.kernel.database.work import Work, deliver

LANES_MAX = 2
GROUP_MAX = 8  # a lane answers a group at once, so a read waits for seven others at most


class PointReads:
    """Collects the reads that wait while others are under way; a lone read waits for nothing.

    Each runs its own statement when its turn comes, so it sees everything committed before it was asked for.
    """

    def __init__(
        self, submit: Callable[[Callable[[], None]], object], run_group: Callable[[list[Work[Any]]], None]
    ) -> None:
        self._submit = submit
        self._run_group = run_group
        self._lock = threading.Lock()
        self._waiting: deque[Work[Any]] = deque()
        self._lanes = 0

    def start(self, work: Work[Any]) -> None:
        """Take a read; its answer comes with its group."""
        with self._lock:
            if self._lanes < LANES_MAX:
                self._submit(self._drain)
                self._lanes += 1
            self._waiting.append(work)

    def _drain(self) -> None:
        while True:
            with self._lock:
                group = [self._waiting.popleft() for _ in range(min(GROUP_MAX, len(self._waiting)))]
                if not group:
                    self._lanes -= 1
                    return
            try:
                self._run_group(group)
            except BaseException as error:
                for work in group:
                    work.fail(error)
            deliver(group, None)
