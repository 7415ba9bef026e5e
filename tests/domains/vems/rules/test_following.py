"""What a payer's report means, and when to ask again."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.base.money import Money
from kiungo.domains.vems.rules.booking import price
from kiungo.domains.vems.rules.following import FollowPolicy, judge, next_poll_s
from kiungo.ports.payer import ApprovedService, ClaimStatus, Report
from tests.domains.vems.cases import book, request

LINES = price(book(), request())


def kes(text: str) -> Money:
    return Money.parse(text, "KES")


def report(status: ClaimStatus, approved: str | None = None, **parts: str) -> Report:
    services = tuple(ApprovedService(code, kes(part)) for code, part in parts.items())
    return Report("VB1", "CLM-1", status, status, None if approved is None else kes(approved), services=services)


@pytest.mark.parametrize(
    ("said", "approval", "parts"),
    [
        (report("approved", "31000.00"), "approved", ("15000.00", "16000.00")),
        (report("approved"), "approved", ("15000.00", "16000.00")),
        (report("approved", "15500.00"), "partially_paid", ("7500.00", "8000.00")),
        (report("partially_paid", "16000.00", F8735="0.00", F8736="16000.00"), "partially_paid", ("0.00", "16000.00")),
        (report("partially_paid", "0.01"), "partially_paid", ("0.00", "0.01")),
        (report("approved", "0.00"), "rejected", ("0.00", "0.00")),
        (report("rejected", "31000.00"), "rejected", ("0.00", "0.00")),
        (report("pending", "31000.00"), "pending", ("0.00", "0.00")),
        (report("partially_paid"), "pending", ("0.00", "0.00")),
        (report("approved", "40000.00"), "approved", ("15000.00", "16000.00")),
        # Lines that do not sum to the amount, or lie above the booking, are not believed.
        (report("approved", "15500.00", F8735="1.00", F8736="2.00"), "partially_paid", ("7500.00", "8000.00")),
        (report("approved", "17000.00", F8735="0.00", F8736="17000.00"), "partially_paid", ("8225.81", "8774.19")),
    ],
)
def test_a_report_is_judged(said: Report, approval: str, parts: tuple[str, ...]) -> None:
    judged = judge(LINES, said)
    assert (judged.approval, tuple(part.text() for part in judged.lines)) == (approval, parts)


@pytest.mark.parametrize(
    ("said", "approval", "parts"),
    [
        (report("approved", "16000.00"), "approved", ("0.00", "16000.00")),
        (report("approved"), "approved", ("0.00", "16000.00")),
        (report("approved", "31000.00"), "approved", ("0.00", "16000.00")),
        (report("partially_paid", "1.00"), "partially_paid", ("0.00", "1.00")),
        (report("approved", "16000.00", F8736="16000.00"), "approved", ("0.00", "16000.00")),
        (report("partially_paid", "9.00", F8735="9.00", F8736="0.00"), "partially_paid", ("0.00", "9.00")),
        (report("rejected"), "rejected", ("0.00", "0.00")),
    ],
)
def test_nothing_of_an_approval_is_for_a_capitated_service(said: Report, approval: str, parts: tuple[str, ...]) -> None:
    lines = (replace(LINES[0], capitated=True), LINES[1])
    judged = judge(lines, said)
    assert (judged.approval, tuple(part.text() for part in judged.lines)) == (approval, parts)


def test_a_payer_decides_nothing_of_a_booking_that_is_capitated_whole() -> None:
    lines = tuple(replace(line, capitated=True) for line in LINES)
    judged = judge(lines, report("approved", "31000.00"))
    assert (judged.approved, judged.excess, [part.minor for part in judged.lines]) == (kes("0"), kes("31000"), [0, 0])


def test_what_is_approved_beyond_the_booking_is_named() -> None:
    assert judge(LINES, report("approved", "40000.00")).excess == kes("9000.00")


@given(st.integers(0, 5_000_000), st.sampled_from(["approved", "partially_paid", "rejected", "pending"]))
def test_lines_always_sum_to_what_is_approved_and_stay_within_the_booking(minor: int, status: ClaimStatus) -> None:
    judged = judge(LINES, Report("VB1", "C", status, status, Money(minor, "KES")))
    assert sum(part.minor for part in judged.lines) == judged.approved.minor <= 3_100_000
    assert all(0 <= part.minor <= line.share.total.minor for part, line in zip(judged.lines, LINES, strict=True))
    assert judged.approved.minor + judged.excess.minor == (minor if status in ("approved", "partially_paid") else 0)


@given(st.integers(0, 40), st.integers(0, 2**32), st.none() | st.floats(0, 100_000))
def test_waits_are_within_bounds_and_keep_retry_after(failures: int, seed: int, told: float | None) -> None:
    policy = FollowPolicy(interval_s=900, backoff_s_max=21_600, tick_s=15, jitter=0.1)
    wait_s = next_poll_s(policy, failures, Random(seed), retry_after_s=told)
    assert wait_s >= (told or 0)
    if told is None and failures == 0:
        assert 810 <= wait_s <= 990
    elif told is None:
        assert 15 <= wait_s <= min(21_600, 900 * 2**failures)
