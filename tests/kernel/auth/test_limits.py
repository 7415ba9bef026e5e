"""Rate limits: buckets refill, are bounded in number, and know an IPv6 caller by its network."""

from hypothesis import given
from hypothesis import strategies as st

from kiungo.kernel.auth.limits import Bucket, Limits, network_of, refuse


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    bucket = Bucket(per_s=2, burst=3, now_s=0)
    assert [bucket.take(0) for _ in range(3)] == [0, 0, 0]
    assert bucket.take(0) == 0.5
    assert bucket.wait(0.25) == 0.25
    assert bucket.take(0.5) == 0
    assert bucket.take(1_000) == 0
    assert [bucket.take(1_000) for _ in range(3)] == [0, 0, 0.5]


@given(st.lists(st.floats(0, 10), max_size=200))
def test_a_bucket_never_gives_more_than_burst_and_rate(pauses: list[float]) -> None:
    bucket, now_s, given = Bucket(per_s=5, burst=10, now_s=0), 0.0, 0
    for pause in pauses:
        now_s += pause
        given += bucket.take(now_s) == 0
    assert given <= 10 + 5 * now_s + 1e-6


def test_buckets_are_bounded_in_number() -> None:
    limits = Limits(buckets_max=3)
    first = limits.of_address("192.0.2.1")
    for number in range(2, 6):
        limits.of_address(f"192.0.2.{number}")
    assert limits.of_address("192.0.2.5") is limits.of_address("192.0.2.5")
    assert limits.of_address("192.0.2.1") is not first


def test_a_changed_limit_makes_a_new_bucket() -> None:
    limits = Limits()
    assert limits.of_principal(1, "k", 60).burst == 60
    assert limits.of_principal(1, "k", 60) is limits.of_principal(1, "k", 60)
    assert limits.of_principal(1, "k", 120).per_s == 2
    assert limits.of_principal(2, "k", None) is not limits.of_principal(1, "k", None)


def test_callers_are_known_by_what_they_can_hold() -> None:
    assert network_of("192.0.2.7") == "192.0.2.7"
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("local:odd") == "local:odd"


def test_a_refusal_says_when() -> None:
    assert refuse(0.2).retry_after_s == 0.2
