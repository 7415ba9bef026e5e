"""`kiungo demo`: tell the stories; exit code 1 when any figure is wrong."""

import time
from typing import Annotated

import typer

from kiungo.app import demo as stories
from kiungo.app.cli.output import EXIT_NO, console, print_json, readable_errors


def demo(as_json: Annotated[bool, typer.Option("--json", help="Every step and figure as JSON.")] = False) -> None:
    """Tell the stories of a claim and of a booking over real HTTP, every figure checked; nothing of it stays."""
    started = time.perf_counter()
    with readable_errors():
        story = stories.run(None if as_json else console)
    seconds = time.perf_counter() - started
    figures = sum(len(step.figures) for step in story.steps)
    if as_json:
        print_json(story.as_json() | {"seconds": round(seconds, 1)})
    elif story.wrong:
        console.print(f"\n[bold red]{len(story.wrong)} of {figures} figures are WRONG.[/bold red]")
    else:
        console.print(f"\n[bold green]All {figures} figures are right[/bold green] ({seconds:.1f} s).")
    if story.wrong:
        raise typer.Exit(EXIT_NO)
