"""`kiungo jobs`: what waits, what died and why, and the way back."""

from typing import Annotated

import typer

from kiungo.app.cli.opening import opened_database
from kiungo.app.cli.output import console, print_json, print_table, readable_errors
from kiungo.base.time import iso_seconds
from kiungo.kernel import jobs
from kiungo.kernel.database import Unit

commands = typer.Typer(no_args_is_help=True, help="Jobs that wait, died, or should run again.")
TENANT = 1
JobId = Annotated[int, typer.Argument(min=1, max=2**63 - 1, help="The id `kiungo jobs dead` shows.")]


@commands.command("dead")
def dead(
    kind: Annotated[str | None, typer.Option(help="Only jobs of this kind.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """List dead letters, newest first, with the reason of each."""
    with readable_errors(), opened_database() as database:
        letters = database.read(lambda unit: jobs.dead_letters(unit, TENANT, kind=kind))
    if as_json:
        print_json(
            [
                {
                    "id": letter.id,
                    "kind": letter.kind,
                    "attempts": letter.attempt,
                    "reason": letter.reason,
                    "created": iso_seconds(letter.created_us),
                }
                for letter in letters
            ]
        )
        return
    rows = [[item.id, item.kind, item.attempt, iso_seconds(item.created_us), item.reason] for item in letters]
    print_table("Dead letters", ["id", "kind", "attempts", "created", "reason"], rows)


@commands.command("requeue")
def requeue(job_id: JobId) -> None:
    """Give a dead letter all its attempts again."""
    with readable_errors(), opened_database() as database:
        database.write(lambda unit: jobs.requeue(unit, TENANT, job_id))
    console.print(f"Job {job_id} is ready to run.")


@commands.command("discard")
def discard(job_id: JobId) -> None:
    """Remove a dead letter for good."""
    with readable_errors(), opened_database() as database:
        database.write(lambda unit: jobs.discard(unit, TENANT, job_id))
    console.print(f"Job {job_id} is gone.")


@commands.command("status")
def status(as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False) -> None:
    """How many jobs wait, run and died, by kind."""
    with readable_errors(), opened_database() as database:
        rows = database.read(_counts)
    if as_json:
        print_json([{"kind": kind, "state": state, "count": count} for kind, state, count in rows])
        return
    print_table("Jobs", ["kind", "state", "count"], [list(row) for row in rows])


def _counts(unit: Unit) -> list[tuple[str, str, int]]:
    return [
        (kind, state, count)
        for kind, state, count in unit.rows("SELECT kind, state, count(*) FROM job GROUP BY kind, state ORDER BY 1, 2")
    ]
