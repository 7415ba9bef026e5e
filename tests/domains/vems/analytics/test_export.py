"""Rows as CSV: what a spreadsheet reads back is what was written, and no text is a formula."""

import csv
import io
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from kiungo.base.money import Money
from kiungo.domains.vems.analytics import export
from kiungo.domains.vems.analytics.model import DAY_US, days_of

DANGEROUS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =HYPERLINK(1)", "|cmd", "＝1")


def read(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))


def test_a_text_that_looks_like_a_formula_is_shown_and_not_run() -> None:
    for text in DANGEROUS:
        (_, (cell,)) = read(export.csv_of([{"name": text}]))
        assert cell == f"'{text}", text
    assert read(export.csv_of([{"name": "Upendo - Imaging"}]))[1] == ["Upendo - Imaging"]


def test_amounts_keep_their_sign_and_digits() -> None:
    row = {"a": Money(-500, "KES"), "b": Money(100, "KES"), "c": Decimal("66.67"), "d": 3, "e": None}
    assert read(export.csv_of([row])) == [["a", "b", "c", "d", "e"], ["-5.00", "1.00", "66.67", "3", ""]]


@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_every_text_comes_back_whole(texts: list[str]) -> None:
    row = {f"c{place}": text.replace("\r", "").replace("\x00", "") for place, text in enumerate(texts)}
    found = read(export.csv_of([row]))[1]
    for text, cell in zip(row.values(), found, strict=True):
        assert cell in (text, f"'{text}")
        assert not cell.lstrip(" ").startswith(export.FORMULA_BEGINS)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=60))
def test_days_are_those_of_the_sorted_list(days: list[int]) -> None:
    found = days_of(day * DAY_US for day in days)
    ordered = sorted(days)
    assert found.count == len(days)
    assert found.median == 10 * ordered[(len(days) + 1) // 2 - 1]
    assert found.slowest_tenth == 10 * ordered[-(-9 * len(days) // 10) - 1]
    assert abs(found.mean - 10 * sum(days) / len(days)) <= 0.5


def test_nothing_took_no_days() -> None:
    assert days_of([]).count == days_of([]).mean == 0
