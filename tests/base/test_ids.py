"""Ids: unique, in the order they were made, and readable where people read them."""

import re
import threading
import uuid
from datetime import UTC, date, datetime
from random import Random

from kiungo.base.ids import human_id, uuid7
from kiungo.base.time import SystemClock, TurnedClock

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def test_a_uuid7_is_one_by_the_book_and_carries_its_time() -> None:
    made = uuid.UUID(uuid7(TurnedClock(START)))
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == int(START.timestamp() * 1000)


def test_ids_of_one_moment_are_unique_and_sorted_beyond_the_counter() -> None:
    clock = TurnedClock(START)
    made = [uuid7(clock) for _ in range(10_000)]
    assert len(set(made)) == 10_000
    assert made == sorted(made)


def test_ids_stay_sorted_when_the_clock_goes_back() -> None:
    clock = TurnedClock(START)
    before = uuid7(clock)
    clock.turn(seconds=-5)
    back = uuid7(clock)
    clock.turn(seconds=10)
    assert before < back < uuid7(clock)


def test_threads_share_one_order_without_a_collision() -> None:
    made: list[str] = []

    def make() -> None:
        mine = [uuid7(SystemClock()) for _ in range(2_000)]
        assert mine == sorted(mine)
        made.extend(mine)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8_000


def test_a_simulation_run_again_gives_out_the_same_ids() -> None:
    def run() -> list[str]:
        clock, rng = TurnedClock(START), Random(7)
        return [uuid7(clock, rng) for _ in range(50)]

    assert run() == run()


def test_human_ids_have_their_date_and_six_capitals_or_digits() -> None:
    made = {human_id("CLM", date(2024, 10, 3)) for _ in range(500)}
    assert len(made) == 500
    assert all(re.fullmatch(r"CLM-20241003-[A-Z0-9]{6}", each) for each in made)
    assert human_id("CLM", date(2024, 10, 3), Random(1)) == human_id("CLM", date(2024, 10, 3), Random(1))
