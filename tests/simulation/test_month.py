"""Simulated months: the books hold whatever happens, and a seed gives the same rows again, on both engines."""

import shutil
from pathlib import Path

import pytest

from .month import Month, simulate


def check_books(month: Month) -> None:
    value = month.value
    assert value("SELECT count(*) FROM payor_claim") == len(month.claims) > 20
    assert value("SELECT SUM(charge_minor) FROM payor_claim") > 0
    by_bucket = "FROM payor_entry e WHERE e.family_id = a.family_id AND e.member_id = a.member_id"
    assert not value(
        "SELECT count(*) FROM payor_accumulator a WHERE a.used <> "
        f"(SELECT COALESCE(SUM(e.amount), 0) {by_bucket} AND e.bucket = a.bucket AND e.period = a.period)"
    ), "what is used is the sum of its entries"
    assert not value("SELECT count(*) FROM payor_claim WHERE voided_us IS NULL AND paid_minor < 0")
    assert value("SELECT SUM(posted_dr) - SUM(posted_cr) FROM ledger_account") == 0
    events = value("SELECT count(*) FROM outbox WHERE topic IN ('claim.submitted', 'claim.decided', 'claim.pended')")
    assert events >= 2 * len(month.claims)
    assert value("SELECT count(*) FROM job") == 0, "every job came to its end"
    told = value("SELECT count(*) FROM outbox WHERE topic <> 'claim.information_requested'")
    assert sorted(month.told) == sorted(set(month.told))
    assert len(month.told) == told, "every event was told once, however often the receiver was away"


@pytest.mark.parametrize("seed", [1, 2])
def test_the_books_hold_through_a_month(database_url: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    month = simulate(database_url, seed, 120, monkeypatch)
    check_books(month)
    assert month.refused > 5, "some of what people try is not allowed"
    month.database.close()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_seed_gives_the_same_rows_again_and_on_the_other_engine(
    database_url: str, sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = [database_url]
    for name in ("first.db", "second.db"):
        shutil.copy(sqlite_template, tmp_path / name)
        urls.append(f"sqlite:///{tmp_path / name}")
    months = [simulate(url, 7, 60, monkeypatch) for url in urls]
    contents = [month.contents() for month in months]
    for month in months:
        month.database.close()
    assert contents[1] == contents[2], "a seed replays exactly"
    assert contents[0] == contents[1], "and alike on both engines"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(10, 16))
def test_the_books_hold_through_long_months(database_url: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    month = simulate(database_url, seed, 500, monkeypatch)
    check_books(month)
    month.database.close()
