"""How commands talk: colour and progress only on a terminal, `--json` for machines, exit codes that mean something.

Exit codes: 0 done; 1 the answer is no (a check failed, a figure is wrong); 2 the call or a setting is wrong;
3 something needed is away.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from kiungo.base.errors import Busy, KiungoError, Unavailable
from kiungo.kernel import json

EXIT_NO = 1
EXIT_WRONG = 2
EXIT_AWAY = 3
FOLDED_WIDTH_MIN = 18

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON value on standard output."""
    sys.stdout.write(json.dumps_pretty(value).decode() + "\n")


def print_table(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    """Rows for people; says so when there are none.

    A terminal too narrow for a table, its long cells folded, gets each row's cells below each other.
    """
    if not rows:
        console.print(f"{title}: none")
        return
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    table = Table(title=title, title_justify="left", header_style="bold")
    needed = 3 * len(columns) + 1
    for name, *cells in zip(columns, *texts, strict=True):
        in_one_piece = name == "id"  # it is copied into the next command
        table.add_column(name, overflow="fold", no_wrap=in_one_piece)
        width = max(map(cell_len, (name, *cells)))
        needed += width if in_one_piece else min(width, FOLDED_WIDTH_MIN)
    if needed > console.width:
        _print_apart(title, columns, texts)
        return
    for cells in texts:
        table.add_row(*map(escape, cells))
    console.print(table)


def _print_apart(title: str, columns: list[str], rows: list[list[str]]) -> None:
    console.print(title, style="italic")
    margin = max(map(cell_len, columns))
    for cells in rows:
        console.print()
        for column, cell in zip(columns, cells, strict=True):
            if cell:
                console.print(f"  [bold]{escape(column):<{margin}}[/bold]  {escape(cell)}")


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: 1 row, 2,000 rows."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


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
