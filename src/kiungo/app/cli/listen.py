"""`kiungo listen`: the provider guide's test receiver."""

from typing import Annotated

import typer
import uvloop

from kiungo.app.cli.output import EXIT_AWAY, console, errors, fail
from kiungo.app.listen import HISTORY_PATH, RECEIVE_PATH, Arrival, TestReceiver, run_receiver
from kiungo.app.server import listen as take_port


def listen(
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 3000,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    secret: Annotated[
        str | None, typer.Option(envvar="WEBHOOK_SECRET", help="Verify signatures with this; without it nothing is.")
    ] = None,
    fail_with: Annotated[
        int | None, typer.Option(help="Answer every webhook with this status, to see retries.", min=400, max=599)
    ] = None,
) -> None:
    """Receive webhooks, verify their signatures, print what comes, and keep a history."""
    try:
        listening = take_port(host, port)
    except OSError as error:
        fail(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            hint="Choose another port with --port",
            code=EXIT_AWAY,
        )
    console.print(f"Receiving at {listening.url}{RECEIVE_PATH}", markup=False)
    console.print(f"History at   {listening.url}{HISTORY_PATH}", markup=False)
    if secret is None:
        errors.print("No --secret was given, so signatures are not verified.")
    uvloop.run(run_receiver(TestReceiver(secret, _show, fail_with=fail_with), listening))


def _show(arrival: Arrival) -> None:
    state = arrival.problem or ("signature verified" if arrival.verified else "not verified")
    colour = "red" if arrival.problem else "green" if arrival.verified else "yellow"
    console.print(f"\n{arrival.at}  [{colour}]{state}[/{colour}]  {arrival.webhook_id or 'no webhook-id'}")
    console.print(arrival.text, markup=False)
