"""How commands talk: colour and progress only on a terminal, `--json` for machines, exit codes that mean something.

Exit codes: 0 done; 1 the answer is no (a check failed, a figure is wrong); 2 the call or a setting is wrong;
3 something needed is away.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from kiungo.base.errors import Busy, KiungoError, Unavailable
from kiungo.kernel import json

EXIT_NO = 1
EXIT_WRONG = 2
EXIT_AWAY = 3

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON value on standard output."""
    sys.stdout.write(json.dumps_pretty(value).decode() + "\n")


def print_table(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    """Rows for people; says so when there are none."""
    if not rows:
        console.print(f"{title}: none")
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        # An id is copied into the next command, so it stays in one piece on a narrow terminal.
        table.add_column(column, overflow="fold", no_wrap=column == "id")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console.print(table)


def fail(message: str, *, hint: str | None = None, code: int = EXIT_WRONG) -> NoReturn:
    """Say what is wrong and the way out on standard error, and end with a code."""
    errors.print(f"[red]kiungo:[/red] {escape(message)}")
    if hint:
        errors.print(f"        {hint}", markup=False)
    raise typer.Exit(code)


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn our own errors into a message, a hint and an exit code; a bug keeps its traceback."""
    try:
        yield
    except KiungoError as error:
        code = EXIT_AWAY if isinstance(error, Unavailable | Busy) else EXIT_WRONG
        errors.print(f"kiungo: {error.message} ({error.code})", markup=False, style="red")
        for detail in error.details:
            if detail.message in error.message:
                continue  # said already
            errors.print(f"        {detail.field}: {detail.message}", markup=False)
        if error.hint:
            errors.print(f"        {error.hint}", markup=False)
        raise typer.Exit(code) from None


@contextmanager
def progress(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on a terminal and nothing elsewhere; yields `report(what, done, total)`."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        disable=not errors.is_terminal,
    )
    with bar:
        task = bar.add_task(title, total=None)
        yield lambda what, done, total: bar.update(
            task, description=f"{title}: {what}", completed=done, total=total or None
        )
