"""FHIR_RESULTS.md: what was measured, on what, and how it stands to the targets."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fhir.beside import beside
from benchmarks.fhir.driving import HEADS, Figures
from benchmarks.fhir.interactions import BUNDLE, CREATE, READ
from benchmarks.fhir.queries import NEWEST, NOTHING

READ_SHARE = 3
NEWEST_SHARE = 5
CREATES_PER_S = 1_350
BUNDLE_RESOURCES_PER_S = 2_500
LOADED_PER_S = 5_000
GROWTH_MAX = 2.0
BUDGET_MS = 4_000
GROWTH = "## From the smallest population to the largest"


@dataclass(frozen=True, slots=True)
class Loading:
    """A population on its way in. Units: seconds, bytes."""

    resources: int
    took_s: float
    cpu_s: float
    database_bytes: int


@dataclass(frozen=True, slots=True)
class Run:
    """One engine with one population. Units: `memory_mb` of the largest of the servers after everything."""

    engine: str
    servers: int
    people: int
    loading: Loading
    searches: Mapping[str, Figures]
    interactions: Mapping[str, Figures]
    bare: Figures
    bundle_resources: int
    memory_mb: float


class Report:
    """Collects runs and writes the file."""

    def __init__(self, facts: Mapping[str, str], *, quick: bool) -> None:
        self._facts = facts
        self._quick = quick
        self._runs: list[Run] = []

    def add(self, run: Run) -> None:
        """One engine with one population."""
        self._runs.append(run)

    def failures(self) -> list[str]:
        """What had errors: its figures are not those of a server that works."""
        return [
            f"{run.engine}, {run.people:,} patients, {name}: {one.errors:,} of {one.requests:,} requests"
            for run in self._runs
            for name, one in {**run.searches, **run.interactions}.items()
            if one.errors
        ]

    def write(self, path: Path) -> None:
        """Everything; the file is replaced."""
        lines = [
            "# FHIR results",
            "",
            "Written by `python -m benchmarks.fhir`"
            + (" --quick: for a first look, not for comparisons." if self._quick else ".")
            + " `kiungo serve`, every call authenticated and audited, every commit durable; wrk beside it on the same"
            " cores. The population is synthetic, about thirty resources for each patient.",
            "",
            *_table(["machine", ""], [[name, value] for name, value in self._facts.items()]),
            *self._targets(),
            *self._growth(),
            *self._beside(),
        ]
        for run in self._runs:
            lines += _run(run)
        path.write_text("\n".join(lines))

    def write_growth(self, path: Path) -> None:
        """The part about growth only: it takes its place in the file, where everything else stays."""
        part = self._growth()
        if part:
            path.write_text(with_part(path.read_text() if path.exists() else "", part))

    def _targets(self) -> list[str]:
        rows = [row for run in self._runs for row in _judged(run)]
        return ["## Targets", "", *_table(["engine", "patients", "what", "wanted", "found", ""], rows)]

    def _beside(self) -> list[str]:
        rows = []
        for run in self._runs:
            rates = {name: one.rate for name, one in {**run.searches, **run.interactions}.items()}
            rows += [[f"{run.people:,}", *cells] for cells in beside(run.engine, rates, run.bundle_resources)]
        return [
            "## Beside Medplum 5.0",
            "",
            "Its rates were measured on two cores of the same kind, on durable PostgreSQL, with 54,000 resources."
            " Kiungo's are those of all its processes on the database: one on SQLite, two on PostgreSQL.",
            "",
            *_table(["patients", "engine", "what", "Medplum/s", "Kiungo/s", "times", "wanted", ""], rows),
        ]

    def _growth(self) -> list[str]:
        """How the median of each query grows from the smallest population to the largest."""
        rows = []
        for engine in dict.fromkeys(run.engine for run in self._runs):
            runs = sorted((run for run in self._runs if run.engine == engine), key=lambda run: run.people)
            if len(runs) < 2:
                continue
            for name in runs[0].searches:
                medians = [run.searches[name].p50_ms for run in runs]
                growth = medians[-1] / max(medians[0], 0.01)
                rows.append(
                    [engine, name, *(f"{one:.2f}" for one in medians), f"{growth:.1f}", _mark(growth <= GROWTH_MAX)]
                )
        if not rows:
            return []
        sizes = [f"p50 ms, {people:,}" for people in sorted({run.people for run in self._runs})]
        return [
            GROWTH,
            "",
            ", ".join(self._facts.get(name, "") for name in ("date", "commit", "processor")),
            "",
            *_table(["engine", "query", *sizes, "times", ""], rows),
        ]


def with_part(text: str, part: list[str]) -> str:
    """A file's text with one part, which begins with its heading, replaced or put at the end."""
    lines = text.splitlines() or ["# FHIR results", ""]
    start = lines.index(part[0]) if part[0] in lines else len(lines)
    end = next((n for n in range(start + 1, len(lines)) if lines[n].startswith("## ")), len(lines))
    return "\n".join([*lines[:start], *part, *lines[end:]]).rstrip("\n") + "\n"


def _judged(run: Run) -> list[list[str]]:
    """The targets of one run."""
    read, newest = run.interactions[READ].rate, run.searches[NEWEST].rate
    bundles = run.interactions[BUNDLE].rate * run.bundle_resources
    loaded = run.loading.resources / run.loading.took_s
    errors = sum(one.errors for one in (*run.searches.values(), *run.interactions.values()))
    found = [
        (
            "reads to the bare endpoint",
            f"1/{READ_SHARE}",
            _share(run.bare.rate, read),
            read * READ_SHARE >= run.bare.rate,
        ),
        (NEWEST, f"1/{NEWEST_SHARE}", _share(run.bare.rate, newest), newest * NEWEST_SHARE >= run.bare.rate),
        (
            "creates/s",
            f"{CREATES_PER_S:,}",
            f"{run.interactions[CREATE].rate:,.0f}",
            run.interactions[CREATE].rate >= CREATES_PER_S,
        ),
        (
            "resources/s in transactions",
            f"{BUNDLE_RESOURCES_PER_S:,}",
            f"{bundles:,.0f}",
            bundles >= BUNDLE_RESOURCES_PER_S,
        ),
        ("resources/s loaded", f"{LOADED_PER_S:,}", f"{loaded:,.0f}", loaded >= LOADED_PER_S),
        (
            NOTHING,
            f"{BUDGET_MS:,} ms",
            f"{run.searches[NOTHING].p99_ms:.1f} ms",
            run.searches[NOTHING].p99_ms <= BUDGET_MS,
        ),
        ("errors", "0", f"{errors:,}", errors == 0),
    ]
    return [[run.engine, f"{run.people:,}", what, wanted, got, _mark(good)] for what, wanted, got, good in found]


def _run(run: Run) -> list[str]:
    loading = run.loading
    count, size = loading.resources, loading.database_bytes
    several = f", {run.servers} servers" if run.servers > 1 else ""
    told = (
        f"{count:,} resources loaded in {loading.took_s:,.1f} s ({count / loading.took_s:,.0f}/s, ",
        f"{loading.cpu_s / count * 1e6:,.0f} µs of processor time each); the database has {size / 1e6:,.1f} MB ",
        f"({size / count:,.0f} bytes for each). ",
        f"{'One' if several else 'The'} server held {run.memory_mb:,.0f} MB at the end.",
    )
    return [
        f"## {run.engine}, {run.people:,} patients{several}",
        "",
        "".join(told),
        "",
        *_table(["interaction", *HEADS], [[name, *one.cells()] for name, one in run.interactions.items()]),
        *_table(["query", *HEADS], [[name, *one.cells()] for name, one in run.searches.items()]),
        *_table(["the bare endpoint", *HEADS], [["GET", *run.bare.cells()]]),
    ]


def _share(bare: float, rate: float) -> str:
    """A rate as a part of the bare endpoint's."""
    return f"1/{bare / rate:.1f}" if rate else "none finished"


def _mark(good: bool) -> str:
    return "yes" if good else "**no**"


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    line = "| " + " | ".join(heads) + " |"
    under = "|" + " --- |" * len(heads)
    return [line, under, *("| " + " | ".join(row) + " |" for row in rows), ""]
