"""Dates and instants: what is in the calendar is read exactly, everything else is refused in words."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.base import time
from kiungo.base.errors import Incorrect
from kiungo.base.time import SystemClock, TurnedClock, from_us, parse_date, parse_instant, to_us

moments = st.datetimes(timezones=st.just(UTC))
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.dates())
def test_every_date_is_read_back(day: date) -> None:
    assert parse_date(day.isoformat()) == day


@pytest.mark.parametrize(
    "text",
    [
        *("", "2024-02-30", "2023-02-29", "2024-13-01", "2024-00-10", "0000-01-01", "2024-10-3", "24-10-03"),
        *("2024/10/03", "03-10-2024", "20241003", "2024-10-03T00:00:00Z", " 2024-10-03", "2024-10-03\n", "2024-W01-1"),
        *(
            "２０２４-10-03",
            "2024-10-٠٣",
            "2024-10-03\x00",
            "-024-10-03",
            "tomorrow",
            None,
            20241003,
            1.5,
            ["2024-10-03"],
        ),
    ],
)
def test_what_is_not_a_date_is_refused_with_its_field(text: object) -> None:
    with pytest.raises(Incorrect) as refused:
        parse_date(text, field="date_of_service")
    assert (refused.value.code, refused.value.field) == ("DATE_IMPOSSIBLE", "date_of_service")


@given(moments)
def test_microseconds_are_exact_both_ways(moment: datetime) -> None:
    assert from_us(to_us(moment)) == moment
    assert parse_instant(time.iso_micros(to_us(moment))) == moment
    assert parse_instant(time.iso_millis(to_us(moment))) == moment.replace(
        microsecond=moment.microsecond // 1000 * 1000
    )
    assert parse_instant(time.iso_seconds(to_us(moment))) == moment.replace(microsecond=0)


@given(moments)
def test_what_is_written_is_what_the_standard_library_writes(moment: datetime) -> None:
    moment_us = to_us(moment)
    assert time.iso_seconds(moment_us) == moment.isoformat(timespec="seconds").replace("+00:00", "Z")
    assert time.iso_millis(moment_us) == moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert time.iso_micros(moment_us) == moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert time.date_of(moment_us) == moment.date()


@given(st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=zones))
def test_an_instant_in_any_zone_is_the_same_moment(moment: datetime) -> None:
    read = parse_instant(moment.isoformat(timespec="microseconds"))
    assert read == moment
    assert read.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2024-10-03T10:30:00Z", 0),
        ("2024-10-03T10:30:00.5Z", 500_000),
        ("2024-10-03T13:30:00.000001+03:00", 1),
        ("2024-10-03T10:30:00.123456789Z", 123_456),
    ],
)
def test_instants_with_any_fraction(text: str, micros: int) -> None:
    assert parse_instant(text) == datetime(2024, 10, 3, 10, 30, 0, micros, UTC)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "2024-10-03",
            "2024-10-03T10:30:00",
            "2024-10-03 10:30:00Z",
            "2024-10-03T25:00:00Z",
            "2024-10-03T10:60:00Z",
        ),
        *("2024-10-03T10:30:61Z", "2024-10-03T10:30Z", "2024-10-03T10:30:00.Z", "2024-10-03T10:30:00+3", "now"),
        *(
            "2024-10-03T10:30:00+25:00",
            "2024-10-03T10:30:00z",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
        ),
        *("2024-10-03T10:30:00.1234567890Z", "2024-10-03T10:30:00Z\n", None, 1727951400, b"2024-10-03T10:30:00Z"),
    ],
)
def test_what_is_not_an_instant_is_refused_with_its_field(text: object) -> None:
    with pytest.raises(Incorrect) as refused:
        parse_instant(text, field="period.start")
    assert (refused.value.code, refused.value.field) == ("INSTANT_IMPOSSIBLE", "period.start")


@given(st.text())
def test_no_text_whatever_raises_anything_else(text: str) -> None:
    for parse in (parse_date, parse_instant):
        try:
            parse(text)
        except Incorrect:
            continue


def test_a_moment_without_a_zone_is_not_a_moment() -> None:
    with pytest.raises(ValueError, match="zone"):
        to_us(datetime(2024, 10, 3))


def test_years_are_written_with_four_digits() -> None:
    assert time.iso_seconds(to_us(datetime(622, 7, 16, tzinfo=UTC))) == "0622-07-16T00:00:00Z"


def test_clocks() -> None:
    turned = TurnedClock(datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC))
    assert turned.now_us() == to_us(turned.now())
    turned.turn(seconds=1.5, days=1)
    assert turned.now() == datetime(2026, 3, 4, 0, 0, 0, 500_000, UTC)
    assert time.date_of(turned.now_us()) == date(2026, 3, 4)
    system = SystemClock()
    assert abs(system.now_us() - to_us(system.now())) < 1_000_000
