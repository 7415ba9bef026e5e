"""Waits grow, are spread, honour the receiver's wish within a day, and end."""

import itertools
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.base.time import to_us
from kiungo.kernel.webhooks.schedule import SHORTENED, USUAL, RetrySchedule, parse_retry_after

NOW_US = to_us(datetime(2026, 3, 2, 8, 0, tzinfo=UTC))


@given(seed=st.integers())
def test_the_usual_schedule_is_exponential_and_ends(seed: int) -> None:
    waits = [USUAL.wait_s(failures, None, Random(seed)) for failures in range(1, 8)]
    assert all(later > 3 * earlier for earlier, later in itertools.pairwise(waits))
    assert USUAL.wait_s(8, None, Random(seed)) is None
    assert sum(USUAL.waits_s) > 7 * 3600


def test_the_shortened_schedule_still_retries_three_times() -> None:
    waits = [SHORTENED.wait_s(failures, None, Random(0)) for failures in range(1, 5)]
    assert waits == [0.2, 0.4, 0.8, None]


def test_fewer_than_three_retries_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        RetrySchedule((1.0, 2.0))


def test_the_receivers_wish_counts_when_it_is_later() -> None:
    schedule = RetrySchedule((10.0, 20.0, 40.0), jitter=0.0)
    assert schedule.wait_s(1, 30.0, Random(0)) == 30.0
    assert schedule.wait_s(1, 3.0, Random(0)) == 10.0
    assert schedule.wait_s(1, 10**9, Random(0)) == 86_400.0
    assert schedule.wait_s(4, 30.0, Random(0)) is None


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Mon, 02 Mar 2026 08:01:00 GMT", 60.0),
        ("Mon, 02 Mar 2026 07:00:00 GMT", 0.0),
        ("99999999999999999999", 86_400.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, wait_s: float | None) -> None:
    assert parse_retry_after(text, NOW_US) == wait_s
