"""Identifiers: UUIDv7 for records, short dated ids for what people read aloud."""

import random
import string
import threading
from datetime import date
from random import Random

from kiungo.base.time import Clock

CAPITALS_AND_DIGITS = string.ascii_uppercase + string.digits
_lock = threading.Lock()
_last_ms = 0
_counter = 0


def uuid7(clock: Clock, rng: Random | None = None) -> str:
    """A UUID that sorts by the time it was made, also among those of one millisecond in one process.

    Source: RFC 9562 section 5.7, with rand_a as the counter of section 6.2 method 1.
    """
    global _last_ms, _counter  # noqa: PLW0603 - the counter is per process by definition
    with _lock:
        now_ms = clock.now_us() // 1_000
        if now_ms == _last_ms and _counter < 0xFFF:
            _counter += 1
        else:
            _last_ms, _counter = now_ms, 0
        counter = _counter
    low = (rng or _system_random).getrandbits(62)
    value = (now_ms & 0xFFFFFFFFFFFF) << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | low
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def human_id(prefix: str, day: date, rng: Random | None = None) -> str:
    """An id people can read aloud: CLM-20241003-ABC123. Collisions are the caller's to retry in its unit."""
    tail = "".join((rng or _system_random).choices(CAPITALS_AND_DIGITS, k=6))
    return f"{prefix}-{day:%Y%m%d}-{tail}"


_system_random = random.SystemRandom()
