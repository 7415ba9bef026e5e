"""Which faults strike when: drawn from a seed at given rates, or planned one by one by a test."""

from collections import Counter, deque
from collections.abc import Mapping
from random import Random


class Faults:
    """Faults of one twin by name. Units: rates are chances from 0 to 1 for each occasion."""

    def __init__(self, rng: Random, rates: Mapping[str, float] | None = None) -> None:
        self.rng = rng
        self.rates = dict(rates or {})
        self.struck: Counter[str] = Counter()
        self._planned: dict[str, deque[bool]] = {}

    def plan(self, name: str, *, times: int = 1, after: int = 0) -> None:
        """Let a fault strike at the next `times` occasions, once `after` occasions have passed."""
        self._planned.setdefault(name, deque()).extend([False] * after + [True] * times)

    def strikes(self, name: str) -> bool:
        """Whether this fault strikes now; asked once for each occasion."""
        planned = self._planned.get(name)
        if planned:
            struck = planned.popleft()
        else:
            rate = self.rates.get(name, 0.0)
            struck = rate > 0 and self.rng.random() < rate
        if struck:
            self.struck[name] += 1
        return struck

    def planned(self, name: str) -> int:
        """How often a fault is still planned to strike."""
        return sum(self._planned.get(name, ()))

    def calm(self) -> None:
        """No more faults from now on."""
        self.rates.clear()
        self._planned.clear()
