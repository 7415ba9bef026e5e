"""How many rows conditions had a moment ago, for the planner: counting again costs as much as many searches.

A count that is a little old may choose a slower way to the same answer, never another answer.
"""

import time
from collections.abc import Hashable

KEPT_S = 20.0
KEPT_MAX = 4_096


class Counts:
    """The counts of one database; safe from any thread."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[float, int]] = {}

    def find(self, key: Hashable) -> int | None:
        """The count that was kept, while it is fresh."""
        kept = self._kept.get(key)
        return kept[1] if kept is not None and time.monotonic() < kept[0] else None

    def keep(self, key: Hashable, count: int) -> None:
        """Remember a count for a while."""
        if len(self._kept) >= KEPT_MAX:
            self._kept = {}
        self._kept[key] = (time.monotonic() + KEPT_S, count)
