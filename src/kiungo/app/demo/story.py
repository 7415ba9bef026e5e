"""A story told over real HTTP: each step with its request, its answer and its time, each figure checked."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape

from kiungo.app.demo.brief import WIDTH, brief
from kiungo.kernel import json

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
    rows: list[dict[str, str]] = field(default_factory=list)


class Story:
    """Tells steps on a console, and remembers them for `--json`."""

    def __init__(self, console: Console | None) -> None:
        self._console = console
        self._asked_at = 0.0
        self._right: list[Figure] = []
        self.steps: list[Step] = []

    def begin(self, title: str) -> None:
        """Start the next step."""
        self.finish()
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
        self.finish()
        took = "" if elapsed_ms is None else f" in {elapsed_ms:.1f} ms"
        self._say(f"   [cyan]{method} {escape(path)}[/cyan]  [magenta]{status}[/magenta]{took}")
        for mark, said in (("->", body), ("<-", received)):
            if said is not None:
                self._say(f"      [dim]{mark} {escape(brief(said))}[/dim]")

    def check(self, name: str, actual: Any, expected: Any) -> None:
        """Compare one figure with what it must be; a wrong one is shown at once and fails the story."""
        figure = Figure(name, expected, actual)
        self.steps[-1].figures.append(figure)
        if figure.right:
            self._right.append(figure)
        else:
            wrong = f"{name}: {_text(actual)}, it must be {_text(expected)}"
            self._say(f"   [bold red]WRONG[/bold red] {escape(wrong)}")

    def remark(self, sentence: str) -> None:
        """One sentence between the exchanges."""
        self.finish()
        self._say(f"   {escape(sentence)}")

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Rows of text under their heads; all columns but the first are of figures."""
        self.finish()
        self.steps[-1].rows += [dict(zip(heads, row, strict=True)) for row in rows]
        widths = [max(len(row[place]) for row in (heads, *rows)) for place in range(len(heads))]
        for row in (heads, *rows):
            cells = [
                cell.rjust(width) if place else cell.ljust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            line = escape("  ".join(cells))
            self._say(f"   [bold]{line}[/bold]" if row is heads else f"   {line}")

    def finish(self) -> None:
        """Show the figures that were right since the last exchange, as many on a line as fit."""
        told, self._right = self._right, []
        line = ""
        for figure in told:
            part = f"{figure.name}: {_text(figure.actual)}"
            if line and len(line) + len(part) + 3 > WIDTH:
                self._say(f"   [green]ok[/green] {escape(line)}")
                line = ""
            line = f"{line} · {part}" if line else part
        if line:
            self._say(f"   [green]ok[/green] {escape(line)}")

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
                    "table": step.rows,
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
            _body(request, sent) if sent else None,
            response.status_code,
            json.loads(received) if received else None,
            elapsed_ms,
        )

    def _say(self, markup: str) -> None:
        if self._console is not None:
            self._console.print(markup)


def _body(request: httpx.Request, sent: bytes) -> Any:
    """What was sent: JSON as it is, a file by its size."""
    if "json" in request.headers.get("content-type", ""):
        return json.loads(sent)
    return f"a file of {len(sent.splitlines())} lines"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value).decode()
