"""The organisation's statement, in the forms its portal gives."""

from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.base.errors import Incorrect
from kiungo.connectors.mpesa import statement

SAMPLES = files("kiungo.connectors.mpesa") / "samples"
HEADER = "Receipt No.,Completion Time,Details,Transaction Status,Paid In,Withdrawn,Balance,A/C No.,Other Party"


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def test_the_plain_export() -> None:
    found = statement.read(sample("statement.csv"), "600100")
    assert [(line.line_id, line.amount.minor) for line in found.lines] == [
        ("UCB21AAAA1", -2_100_000), ("UCB21AAAA2", 5_000_000),
    ]  # fmt: skip
    assert (found.opening.minor, found.closing.minor) == (100_000_000, 102_900_000)
    assert "7K3MZQ4X2BHDA" in found.lines[0].references


def test_the_portals_export_with_preamble_newest_first_failed_rows_and_charges() -> None:
    found = statement.read(sample("statement_portal.csv"), "600100")
    assert [(line.line_id, line.amount.minor) for line in found.lines] == [
        ("UCB21AAAA1", -2_100_000), ("UCB21AAAA1/1", -3_000), ("UCB21AAAA2", 5_000_000),
    ]  # fmt: skip
    assert found.opening.minor + sum(line.amount.minor for line in found.lines) == found.closing.minor


@given(
    st.lists(st.integers(-9_999_99, 9_999_99).filter(bool), min_size=1, max_size=12),
    st.integers(0, 10**9),
    st.booleans(),
)
def test_either_direction_reads_alike_and_adds_up(amounts: list[int], opening: int, newest_first: bool) -> None:
    balance, rows = opening, []
    for number, minor in enumerate(amounts):
        balance += minor
        moved = f"{abs(minor) // 100}.{abs(minor) % 100:02d}"
        said = f'"{balance / 100:,.2f}"' if balance >= 0 else f"-{-balance // 100}.{-balance % 100:02d}"
        into, out = (moved, "") if minor > 0 else ("", "-" + moved)
        rows.append(f"R{number:05d},02-03-2026 11:00:05,x,Completed,{into},{out},{said},,y")
    if newest_first:
        rows.reverse()
    found = statement.read("\r\n".join([HEADER, *rows]).encode(), "600100")
    assert found.opening.minor + sum(line.amount.minor for line in found.lines) == found.closing.minor
    assert sorted(line.amount.minor for line in found.lines) == sorted(amounts)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"Date,Amount\r\n1,2", HEADER.encode(), HEADER.encode() + b"\r\nR1,,,Failed,,,,,", b"<html>",
     HEADER.encode() + b"\r\nR1,yesterday,x,Completed,1.00,,1.00,,", HEADER.encode() + b"\r\nR1"],
)  # fmt: skip
def test_what_is_no_statement_is_refused(body: bytes) -> None:
    with pytest.raises(Incorrect):
        statement.read(body, "600100")
