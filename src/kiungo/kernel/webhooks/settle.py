"""What follows from an attempt: delivered, again later, or a dead letter. Pure."""

from dataclasses import dataclass
from random import Random

from kiungo.base.time import SECOND_US
from kiungo.kernel.webhooks.model import Attempt, Due, State
from kiungo.kernel.webhooks.schedule import RetrySchedule

REASON_CHARACTERS_MAX = 300


@dataclass(frozen=True, slots=True)
class Settlement:
    """A delivery after an attempt. Units: `due_us` when it is tried next, if it is."""

    due: Due
    attempt: Attempt
    state: State
    due_us: int
    tries: int
    reason: str | None

    @property
    def number(self) -> int:
        """Which attempt this was, counting from 1 over replays too."""
        return self.due.attempts + 1


def settle(due: Due, attempt: Attempt, schedule: RetrySchedule, rng: Random) -> Settlement:
    """Decide what becomes of a delivery."""
    tries = due.tries + 1
    ended_us = attempt.started_us + attempt.duration_us
    if attempt.succeeded:
        return Settlement(due, attempt, "delivered", ended_us, tries, None)
    why = why_failed(attempt)
    if attempt.gone:
        return Settlement(due, attempt, "dead", ended_us, tries, why)
    wait_s = schedule.wait_s(tries, attempt.retry_after_s, rng)
    if wait_s is None:
        return Settlement(due, attempt, "dead", ended_us, tries, f"{tries} attempts failed; the last: {why}")
    return Settlement(due, attempt, "due", ended_us + int(wait_s * SECOND_US), tries, why)


def why_failed(attempt: Attempt) -> str:
    """One plain sentence part for the log and the list of dead letters."""
    if attempt.status is None:
        return (attempt.error or "no answer")[:REASON_CHARACTERS_MAX]
    if attempt.gone:
        return "answered 410 Gone, so the endpoint was disabled"
    if 300 <= attempt.status < 400:
        return f"answered {attempt.status}: redirects are not followed"
    return f"answered {attempt.status}"
