"""What the platform does by the clock: the schedules and the handlers of their jobs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kiungo.base.time import SECOND_US
from kiungo.kernel import schedule
from kiungo.kernel.auth.assertions import purge_assertions
from kiungo.kernel.auth.sessions import purge_sessions
from kiungo.kernel.config import Settings
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http.idempotency import purge_answers
from kiungo.kernel.jobs import Handler, Job
from kiungo.kernel.webhooks import log as webhook_log

TENANT = 1
DAY_US = 86_400 * SECOND_US
DELIVERY_LOG_DAYS = 90
Schedule = tuple[str, str, str]
SCHEDULES: tuple[Schedule, ...] = (
    ("forget-idempotent-answers", "17 * * * *", "forget.idempotent_answers"),
    ("forget-ended-sessions", "23 * * * *", "forget.ended_sessions"),
    ("forget-client-assertions", "29 * * * *", "forget.client_assertions"),
    ("forget-settled-deliveries", "41 2 * * *", "forget.settled_deliveries"),
)


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """The schedules to declare, and the handlers of the jobs they start."""

    handlers: Mapping[str, Handler]
    schedules: Sequence[Schedule] = SCHEDULES
    firsts: Sequence[Callable[[Unit], None]] = ()

    def declare(self, unit: Unit) -> None:
        """Write the schedules, and do what must not wait for them; again without harm."""
        for name, cron, kind in self.schedules:
            schedule.ensure(unit, TENANT, name, cron, kind)
        for first in self.firsts:
            first(unit)

    def with_more(
        self,
        handlers: Mapping[str, Handler],
        schedules: Sequence[Schedule],
        firsts: Sequence[Callable[[Unit], None]] = (),
    ) -> "Housekeeping":
        """The same, and what other parts do by the clock; `firsts` at every start."""
        return Housekeeping({**self.handlers, **handlers}, (*self.schedules, *schedules), (*self.firsts, *firsts))


def housekeeping(database: Database, settings: Settings) -> Housekeeping:
    """The housekeeping of one installation."""
    return Housekeeping(
        {
            "forget.idempotent_answers": _in_batches(
                database, lambda unit: purge_answers(unit, days=settings.idempotency_days)
            ),
            "forget.ended_sessions": _in_batches(database, purge_sessions),
            "forget.client_assertions": _in_batches(database, purge_assertions),
            "forget.settled_deliveries": _in_batches(database, _forget_deliveries),
        }
    )


def _in_batches(database: Database, purge: Callable[[Unit], int]) -> Handler:
    """A handler that purges in units of their own, so that no unit is long."""

    def handle(_job: Job) -> None:
        while database.write(purge):
            pass

    return handle


def _forget_deliveries(unit: Unit) -> int:
    return webhook_log.forget(unit, TENANT, created_before_us=unit.now_us - DELIVERY_LOG_DAYS * DAY_US)
