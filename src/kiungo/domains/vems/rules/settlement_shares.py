"""How a partly approved or partly paid booking is shared: cumulative floor, and the fee takes the residual.

Each outside payee is entitled to floor(base * share / total) of what was approved or paid *so far*, and gets the
difference to what it got before. That ends exact, and is never negative while the base grows; sharing each instalment
by itself drifts. Our own fee is what remains, and may move back by a few cents in a step.

| base      | vendor of 21,000.00 | facility of 9,000.00 | fee of 1,000.00 |
| --------- | ------------------- | -------------------- | --------------- |
| 10,000.00 | 6,774.19            | 2,903.22             | 322.59          |
| 31,000.00 | 21,000.00           | 9,000.00             | 1,000.00        |
"""

from collections.abc import Sequence

from kiungo.domains.vems.settlement.model import Role


def entitlements(shares: Sequence[tuple[Role, int]], base_minor: int) -> tuple[int, ...]:
    """What each share is entitled to of a cumulative base; they sum to the base. Units: minor.

    Raises: ValueError when the base is negative or above the shares' total.
    """
    total = sum(minor for _, minor in shares)
    if not 0 <= base_minor <= total:
        raise ValueError(f"a base of {base_minor} is outside 0 to {total}")
    parts = [0 if role == "fee" else base_minor * minor // total if total else 0 for role, minor in shares]
    residual = base_minor - sum(parts)
    for place, (role, _) in enumerate(shares):
        if role == "fee":
            parts[place] = residual
    if sum(parts) != base_minor:
        raise ValueError("the shares have no fee to take the residual")
    return tuple(parts)


def dues_of(shares: Sequence[tuple[Role, int, int]], base_minor: int) -> tuple[int, ...]:
    """What each share may be paid now of a cumulative base, beyond what is committed to it; together never too much.

    A decision line by line can change the proportions after some was paid: then one share holds more than its part of
    the base, and what the others lack is cut to what is left of it. Shapes: (role, accrued, committed). Units: minor.
    Raises: ValueError as `entitlements`.
    """
    wanted = entitlements([(role, accrued) for role, accrued, _ in shares], base_minor)
    lacking = [
        0 if role == "fee" else max(entitled - committed, 0)
        for (role, _, committed), entitled in zip(shares, wanted, strict=True)
    ]
    fee = sum(entitled for (role, _, _), entitled in zip(shares, wanted, strict=True) if role == "fee")
    left = max(base_minor - fee - sum(committed for role, _, committed in shares if role != "fee"), 0)
    together = sum(lacking)
    return tuple(lacking) if together <= left else tuple(minor * left // together for minor in lacking)
