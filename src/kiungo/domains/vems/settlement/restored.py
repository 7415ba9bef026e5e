"""A restored database does not know what left after its backup was made: nothing is paid until a person has looked.

| what      | after a restore                                                                                         |
| --------- | ------------------------------------------------------------------------------------------------------- |
| rails     | all are paused, with the reason; a person reads their statements and resumes them                       |
| held legs | their orders may have left since: they become unknown; a statement, a callback or persons close them    |
"""

from kiungo.domains.vems.settlement import store
from kiungo.kernel import jobs
from kiungo.kernel.database import Unit

REASON = "restored from a backup: read the statements of what was paid since, then resume"
HELD = "restored from a backup: the order may have left since"
LEGS_MAX = 100_000


def hold_payments(unit: Unit) -> list[str]:
    """Stop every rail that has money or payments, for every tenant; returns the rails' names, each once."""
    rows = unit.rows(
        "SELECT tn, rail FROM settlement_funding UNION SELECT tn, rail FROM settlement_leg WHERE rail <> ''"
        " ORDER BY tn, rail"
    )
    for tenant, rail in rows:
        unit.execute(
            "INSERT INTO settlement_rail (tn, rail, paused_reason, paused_us) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (tn, rail) DO NOTHING",
            (tenant, rail, REASON, unit.now_us),
        )
        for leg in store.legs_in(unit, tenant, ("held",), rail=rail, limit=LEGS_MAX):
            store.advance(unit, tenant, leg, "submitting", reason=HELD)
            store.advance(unit, tenant, store.get_leg(unit, tenant, leg.reference), "unknown", reason=HELD)
            store.refresh(unit, tenant, leg.booking_no)
            args = {"reference": leg.reference, "asked": 0}
            jobs.enqueue(unit, "settlement.watch", args, tenant=tenant, key=f"{leg.reference}/0", lane="money-in")
    return sorted({rail for _, rail in rows})
