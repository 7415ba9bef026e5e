"""The job that understands a stored statement."""

from collections.abc import Mapping
from dataclasses import dataclass

from kiungo.domains.vems.reconciliation.service import ingest
from kiungo.domains.vems.settlement.legs import Legs
from kiungo.domains.vems.settlement.notices import context_of
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.jobs import Dead, Effect, Handler, Job
from kiungo.ports.payment import Rail


@dataclass(frozen=True, slots=True)
class ReconciliationJobs:
    """Reads outside, ingests inside."""

    database: Database
    legs: Legs
    rails: Mapping[str, Rail]

    def handlers(self) -> dict[str, Handler]:
        """The handlers by kind of job, for the worker."""
        return {"reconciliation.statement": self.statement}

    def statement(self, job: Job) -> Effect | None:
        """Read the statements of a stored file, and take them in. Raises: Dead when the file is not there."""
        rail, message_id = job.args["rail"], job.args["message_id"]
        body = self.database.read(
            lambda unit: unit.value(
                "SELECT body FROM inbox WHERE tn = ? AND source = ? AND message_id = ?", (job.tenant, rail, message_id)
            )
        )
        if body is None or rail not in self.rails:
            raise Dead("the statement is not there, or no such rail is configured")
        found = self.rails[rail].read_statements(bytes(body), context_of(job.args))

        def take_in(unit: Unit) -> None:
            for statement in found:
                ingest(self.legs, unit, job.tenant, rail, statement)

        return take_in
