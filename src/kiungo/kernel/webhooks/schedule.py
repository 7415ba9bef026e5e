"""When a failed delivery is tried again, and when it is given up."""

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from random import Random

from kiungo.base.time import SECOND_US, to_us

RETRY_AFTER_S_MAX = 86_400.0


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """The waits between attempts; after the last one the delivery is a dead letter.

    Units: seconds. `jitter` spreads each wait by that share, so that deliveries that failed together do not
    come back together.
    """

    waits_s: tuple[float, ...]
    jitter: float = 0.1

    def __post_init__(self) -> None:
        if len(self.waits_s) < 3:
            raise ValueError("a webhook is retried at least 3 times")
        if any(wait_s <= 0 for wait_s in self.waits_s) or not 0 <= self.jitter < 1:
            raise ValueError("waits are above zero, and jitter from 0 up to 1")

    def wait_s(self, failures: int, retry_after_s: float | None, rng: Random) -> float | None:
        """How long to wait after so many failures, None when there is no further attempt.

        The receiver's own Retry-After is honoured when it is later, up to a day.
        """
        if failures > len(self.waits_s):
            return None
        wait_s = self.waits_s[failures - 1]
        spread_s = wait_s * rng.uniform(1 - self.jitter, 1 + self.jitter)
        return max(spread_s, min(retry_after_s or 0.0, RETRY_AFTER_S_MAX))


USUAL = RetrySchedule((5.0, 20.0, 80.0, 320.0, 1_280.0, 5_120.0, 20_480.0))
"""Exponential by four: seven retries over about seven and a half hours."""

SHORTENED = RetrySchedule((0.2, 0.4, 0.8), jitter=0.0)
"""For demonstrations: three retries within two seconds."""


def parse_retry_after(text: str | None, now_us: int) -> float | None:
    """Read a Retry-After header; seconds or an HTTP date, anything else is as if it were not there.

    Units: seconds from now. Source: RFC 9110 section 10.2.3.
    """
    if not text:
        return None
    if text.strip().isdecimal():
        return min(float(text.strip()[:9]), RETRY_AFTER_S_MAX)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((to_us(aware) - now_us) / SECOND_US, 0.0), RETRY_AFTER_S_MAX)
