"""`kiungo listen`: receive, verify and print webhooks."""

from typing import Annotated

import typer
import uvloop

from kiungo.app.cli.output import EXIT_AWAY, console, fail
from kiungo.app.listen import HISTORY_PATH, RECEIVE_PATH, Arrival, TestReceiver, run_receiver
from kiungo.app.server import listen
from kiungo.kernel import json


def listen_command(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes any free one.")] = 3000,
    secret: Annotated[
        str | None, typer.Option(envvar="WEBHOOK_SECRET", help="The webhook's secret; without it nothing is verified.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    fail_with: Annotated[
        int | None, typer.Option(min=300, max=599, help="Answer every webhook with this status, to see retries.")
    ] = None,
) -> None:
    """Receive webhooks: verify each, print it, and keep a history."""
    try:
        listening = listen(host, port)
    except OSError as error:
        fail(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            hint="Stop what uses the port, or choose another with --port",
            code=EXIT_AWAY,
        )
    console.print(f"Webhooks are received at {listening.url}{RECEIVE_PATH}", markup=False)
    console.print(f"What came is listed at   {listening.url}{HISTORY_PATH}", markup=False)
    if secret is None:
        console.print("No --secret was given: signatures are not verified.", markup=False)
    receiver = TestReceiver(secret, _show, fail_with=fail_with)
    uvloop.run(run_receiver(receiver, listening))


def _show(arrival: Arrival) -> None:
    """One arrival for people: what it says about itself, then its body."""
    verdict = arrival.problem or ("signature verified" if arrival.verified else "not verified")
    style = "red" if arrival.problem else "green" if arrival.verified else "yellow"
    console.print(f"\n{arrival.at}  {arrival.webhook_id or 'without id'}  {verdict}", style=style, markup=False)
    event = arrival.view()["event"]
    console.print(event if isinstance(event, str) else json.dumps_pretty(event).decode(), markup=False)
