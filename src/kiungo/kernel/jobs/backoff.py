"""How long to wait before the next attempt."""

from random import Random

BASE_S = 1.0
CAP_S = 3_600.0


def full_jitter_s(attempt: int, rng: Random, *, base_s: float = BASE_S, cap_s: float = CAP_S) -> float:
    """A wait drawn evenly from nothing to base * 2**attempt, capped; it spreads retries that failed together.

    Units: seconds; `attempt` counts from 1.
    """
    return rng.uniform(0, min(cap_s, base_s * 2 ** min(attempt, 32)))
