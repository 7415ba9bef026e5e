"""Identifiers: UUIDv7 for records, short dated ids for what people read aloud."""

import os
import random
import string
import threading
from datetime import date
from random import Random
from weakref import WeakKeyDictionary

from kiungo.base.time import Clock, SystemClock

CAPITALS_AND_DIGITS = string.ascii_uppercase + string.digits
_COUNTER_MAX = 0xFFF


class _Sequence:
    """The last millisecond and counter given out; never goes back, even when its clock does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_ms = 0
        self._counter = 0

    def next(self, now_ms: int) -> tuple[int, int]:
        """A pair above all earlier ones; a full millisecond borrows from the next."""
        with self._lock:
            if now_ms > self._last_ms:
                self._last_ms, self._counter = now_ms, 0
            elif self._counter < _COUNTER_MAX:
                self._counter += 1
            else:
                self._last_ms, self._counter = self._last_ms + 1, 0
            return self._last_ms, self._counter


def uuid7(clock: Clock, rng: Random | None = None) -> str:
    """A UUID that sorts by the time it was made, also among those of one millisecond and one clock.

    Source: RFC 9562 section 5.7, with rand_a as the counter of section 6.2 method 1.
    """
    sequence = _system_sequence if isinstance(clock, SystemClock) else _sequences.setdefault(clock, _Sequence())
    made_ms, counter = sequence.next(clock.now_us() // 1_000)
    low = (rng or _system_random).getrandbits(62)
    value = (made_ms & 0xFFFFFFFFFFFF) << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | low
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def human_id(prefix: str, day: date, rng: Random | None = None) -> str:
    """An id people can read aloud: CLM-20241003-ABC123. Collisions are the caller's to retry in its unit."""
    tail = "".join((rng or _system_random).choices(CAPITALS_AND_DIGITS, k=6))
    return f"{prefix}-{day:%Y%m%d}-{tail}"


# Ids need to differ, not to be secret: a generator seeded once costs a fiftieth of asking the system each time.
_system_random = random.Random(os.urandom(32))  # noqa: S311 - see above
os.register_at_fork(after_in_child=lambda: _system_random.seed(os.urandom(32)))
_system_sequence = _Sequence()
# A turned clock has its own sequence, so that a simulation that is run again gives out the same ids.
_sequences: WeakKeyDictionary[Clock, _Sequence] = WeakKeyDictionary()
