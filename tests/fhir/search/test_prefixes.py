"""Prefixes mean for two ranges what R4 says, word for word. Source: FHIR R4 3.1.1.4.5."""

import sqlite3
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.fhir.search.matching import range_rule
from tests.fhir.conftest import Server

EDGE = st.integers(-12, 12)
RANGE = st.tuples(EDGE, EDGE).map(sorted)


class Range(NamedTuple):
    low: int
    high: int

    def contains(self, other: "Range") -> bool:
        return self.low <= other.low and other.high <= self.high

    def overlaps(self, other: "Range") -> bool:
        return self.low <= other.high and other.low <= self.high


def means(prefix: str, asked: Range, held: Range) -> bool:
    """What the standard says of the range a search asks for and the range a record has."""
    above, below = Range(asked.high + 1, 10**6), Range(-(10**6), asked.low - 1)
    return {
        "eq": asked.contains(held),
        "ne": not asked.contains(held),
        "gt": above.overlaps(held),
        "lt": below.overlaps(held),
        "ge": above.overlaps(held) or asked.contains(held),
        "le": below.overlaps(held) or asked.contains(held),
        "sa": not asked.overlaps(held) and above.contains(held),
        "eb": not asked.overlaps(held) and below.contains(held),
    }[prefix]


@given(st.sampled_from(["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"]), RANGE, RANGE)
def test_a_prefix_compares_ranges_as_the_standard_says(prefix: str, asked: list[int], held: list[int]) -> None:
    text, parameters = range_rule(prefix, *asked, *asked)
    sql = f"SELECT {text} FROM (SELECT {held[0]} AS low, {held[1]} AS high) AS x"
    (found,) = sqlite3.connect(":memory:").execute(sql, parameters).fetchone()
    assert bool(found) is means(prefix, Range(*asked), Range(*held))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("2020-01-01", {"within"}),
        ("ge2020-01-01", {"within", "since", "into next"}),
        ("le2020-01-01", {"within", "until", "from before"}),
        ("gt2020-01-01", {"since", "into next"}),
        ("lt2020-01-01", {"until", "from before"}),
        ("sa2019-12-31", {"within", "since", "into next"}),
        ("eb2020-01-02", {"within", "until", "from before"}),
    ],
)
def test_periods_that_cross_a_day_or_are_open(server: Server, asked: str, expected: set[str]) -> None:
    kind = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    names = {
        server.create({"resourceType": "Encounter", "status": "finished", "class": kind, "period": period})["id"]: name
        for name, period in {
            "within": {"start": "2020-01-01T10:00:00Z", "end": "2020-01-01T12:00:00Z"},
            "since": {"start": "2020-01-01T10:00:00Z"},
            "until": {"end": "2020-01-01T12:00:00Z"},
            "from before": {"start": "2019-12-31T10:00:00Z", "end": "2020-01-01T12:00:00Z"},
            "into next": {"start": "2020-01-01T10:00:00Z", "end": "2020-01-02T12:00:00Z"},
        }.items()
    }
    assert {names[one] for one in server.search_ids(f"/Encounter?date={asked}")} == expected
