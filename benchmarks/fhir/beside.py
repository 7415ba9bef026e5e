"""How the rates stand to those of an existing server, measured once on two cores of the same kind.

Source: Medplum 5.0 on durable PostgreSQL with 54,000 resources, 8 to 32 connections, medians of three passes; its
reads come from its Redis cache, and its `$validate` does not check bindings.
"""

from benchmarks.fhir.interactions import BUNDLE, CREATE, READ, UPDATE, VALIDATE
from benchmarks.fhir.queries import FAMILY, NEWEST

ENTRIES = 27
MEDPLUM = {
    READ: 1_450.0,
    FAMILY: 960.0,
    NEWEST: 880.0,
    VALIDATE: 1_900.0,
    CREATE: 270.0,
    UPDATE: 210.0,
    BUNDLE: 11.3,
}
"""Answers in a second; a transaction is one of 27 entries."""

LOOKING = (READ, FAMILY, NEWEST)
WRITING = (CREATE, UPDATE, BUNDLE)
TIMES = {"sqlite": (10, 5), "postgresql": (3, 2)}
"""How many times its rate is wanted of us, by engine: looking, writing. `$validate` is compared, nothing is wanted."""


def beside(engine: str, rates: dict[str, float], bundle_resources: int) -> list[list[str]]:
    """Lines of what, its rate, ours, how many times, how many are wanted, and whether we are there."""
    ours = {**rates, BUNDLE: rates[BUNDLE] * bundle_resources / ENTRIES}
    looking, writing = TIMES[engine]
    lines = []
    for what, theirs in MEDPLUM.items():
        times = ours[what] / theirs
        wanted = looking if what in LOOKING else writing if what in WRITING else None
        verdict = "" if wanted is None else "yes" if times >= wanted else "**no**"
        told = "" if wanted is None else f"{wanted}"
        lines.append([engine, what, f"{theirs:,.0f}", f"{ours[what]:,.0f}", f"{times:.1f}", told, verdict])
    return lines
