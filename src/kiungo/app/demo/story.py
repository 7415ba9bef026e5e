"""A story told over real HTTP: each step with its request, its answer and its time, each figure checked."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from kiungo.kernel import json

BODY_LINES_SHOWN = 8
TIMEOUT_S = 30.0


@dataclass(slots=True)
class Figure:
    """One checked value. Shapes: values are what JSON holds; amounts are exact decimals."""

    name: str
    expected: Any
    actual: Any

    @property
    def right(self) -> bool:
        """Whether the value is what it must be; 1000.0 and 1000.00 are different answers."""
        if isinstance(self.expected, Decimal):
            return str(self.actual) == str(self.expected)
        return bool(self.actual == self.expected)


@dataclass(slots=True)
class Step:
    """One step as told: its title, exchanges and figures."""

    title: str
    exchanges: list[dict[str, Any]] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)


class Story:
    """Tells steps on a console, and remembers them for `--json`."""

    def __init__(self, console: Console | None) -> None:
        self._console = console
        self._asked_at = 0.0
        self.steps: list[Step] = []

    def begin(self, title: str) -> None:
        """Start the next step."""
        self.steps.append(Step(title))
        self._say(f"\n[bold]{len(self.steps)}. {escape(title)}[/bold]")

    def http(self, base_url: str, key: str | None = None) -> httpx.Client:
        """A client whose every exchange is told. Shapes: `key` goes as X-API-Key."""
        headers = {"X-API-Key": key} if key else {}
        hooks: dict[str, list[Callable[..., None]]] = {"request": [self._asked], "response": [self._answered]}
        return httpx.Client(base_url=base_url, headers=headers, timeout=TIMEOUT_S, event_hooks=hooks)

    def tell(
        self, method: str, path: str, body: Any, status: int, received: Any, elapsed_ms: float | None = None
    ) -> None:
        """Show and remember an exchange that happened: ours with its time, or a webhook that arrived."""
        self.steps[-1].exchanges.append(
            {
                "request": {"method": method, "path": path, "body": body},
                "status": status,
                "answer": received,
                "milliseconds": None if elapsed_ms is None else round(elapsed_ms, 1),
            }
        )
        self._say(f"   [cyan]{method} {escape(path)}[/cyan]")
        if body is not None:
            self._show(body)
        self._say(f"   [magenta]{status}[/magenta]" + ("" if elapsed_ms is None else f" in {elapsed_ms:.1f} ms"))
        if received is not None:
            self._show(received)

    def check(self, name: str, actual: Any, expected: Any) -> None:
        """Compare one figure with what it must be; a wrong one is shown at once and fails the story."""
        figure = Figure(name, expected, actual)
        self.steps[-1].figures.append(figure)
        if figure.right:
            self._say(f"   [green]ok[/green] {escape(name)}: {escape(_text(actual))}")
        else:
            wrong = f"{name}: {_text(actual)}, it must be {_text(expected)}"
            self._say(f"   [bold red]WRONG[/bold red] {escape(wrong)}")

    def remark(self, sentence: str) -> None:
        """One sentence between the exchanges."""
        self._say(f"   {escape(sentence)}")

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Rows of text under their heads; the last column is of figures."""
        if self._console is None:
            return
        shown = Table(*heads[:-1], box=box.SIMPLE_HEAD, pad_edge=False)
        shown.add_column(heads[-1], justify="right")
        for row in rows:
            shown.add_row(*(escape(cell) for cell in row))
        self._console.print(Padding(shown, (0, 0, 0, 3)))

    @property
    def wrong(self) -> list[Figure]:
        """The figures that are not what they must be."""
        return [figure for step in self.steps for figure in step.figures if not figure.right]

    def as_json(self) -> dict[str, Any]:
        """Every step and figure."""
        return {
            "right": not self.wrong,
            "steps": [
                {
                    "title": step.title,
                    "exchanges": step.exchanges,
                    "figures": [
                        {
                            "name": figure.name,
                            "expected": figure.expected,
                            "actual": figure.actual,
                            "right": figure.right,
                        }
                        for figure in step.figures
                    ],
                }
                for step in self.steps
            ],
        }

    def _asked(self, _request: httpx.Request) -> None:
        self._asked_at = time.perf_counter()

    def _answered(self, response: httpx.Response) -> None:
        response.read()
        elapsed_ms = (time.perf_counter() - self._asked_at) * 1_000
        request = response.request
        sent, received = request.read(), response.content
        self.tell(
            request.method,
            request.url.raw_path.decode("ascii"),
            json.loads(sent) if sent else None,
            response.status_code,
            json.loads(received) if received else None,
            elapsed_ms,
        )

    def _show(self, value: Any) -> None:
        lines = json.dumps_pretty(value).decode().splitlines()
        for line in lines[:BODY_LINES_SHOWN]:
            self._say(f"      [dim]{escape(line)}[/dim]")
        if len(lines) > BODY_LINES_SHOWN:
            self._say(f"      [dim]... {len(lines) - BODY_LINES_SHOWN} more lines; --json shows all[/dim]")

    def _say(self, markup: str) -> None:
        if self._console is not None:
            self._console.print(markup)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value).decode()
