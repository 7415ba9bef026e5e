"""Cron rows that become jobs, each due time once however many workers look."""

from cronsim import CronSim, CronSimError

from kiungo.base.errors import Incorrect, define
from kiungo.base.time import from_us, to_us
from kiungo.kernel.database.unit import Unit
from kiungo.kernel.jobs import queue

CRON_WRONG = define("CRON_WRONG", Incorrect, "A schedule is not a cron expression of five fields.")


def ensure(unit: Unit, tenant: int, name: str, cron: str, kind: str) -> None:
    """Declare that jobs of `kind` start by `cron` (UTC); a changed expression counts from now.

    Raises: Incorrect CRON_WRONG.
    """
    known = unit.row("SELECT cron, kind FROM schedule WHERE tn = ? AND name = ?", (tenant, name))
    if known == (cron, kind):
        return
    unit.execute(
        "INSERT INTO schedule (tn, name, cron, kind, next_us) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (tn, name) DO UPDATE SET cron = excluded.cron, kind = excluded.kind, next_us = excluded.next_us",
        (tenant, name, cron, kind, _next(cron, unit.now_us)),
    )


def fire_due(unit: Unit) -> None:
    """Enqueue what is due and move on to the first time after now: a missed hour runs once, not sixty times."""
    locking = " FOR UPDATE SKIP LOCKED" if unit.engine == "postgresql" else ""
    due = unit.rows(f"SELECT tn, name, cron, kind, next_us FROM schedule WHERE next_us <= ?{locking}", (unit.now_us,))
    for tenant, name, cron, kind, next_us in due:
        queue.enqueue(unit, kind, {"scheduled_us": next_us}, tenant=tenant, key=f"{name}@{next_us}")
        unit.execute(
            "UPDATE schedule SET next_us = ? WHERE tn = ? AND name = ?", (_next(cron, unit.now_us), tenant, name)
        )


def next_us(unit: Unit) -> int | None:
    """When the next schedule is due; None when there is none."""
    due: int | None = unit.value("SELECT min(next_us) FROM schedule")
    return due


def _next(cron: str, after_us: int) -> int:
    try:
        return to_us(next(CronSim(cron, from_us(after_us))))
    except (CronSimError, StopIteration) as error:
        raise Incorrect(
            CRON_WRONG, f"{cron!r} is not a cron expression", field="cron", hint="Five fields, such as */5 * * * *"
        ) from error
