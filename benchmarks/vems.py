"""Bookings and their money: rates over HTTP, settlements from decision to proof, and what following claims costs."""

from collections.abc import Callable
from pathlib import Path

from benchmarks import bookings, platform, polling, settling
from benchmarks.engines import place
from benchmarks.load import Load
from benchmarks.report import Report

PATIENTS = 1_000
SETTLEMENTS = 1_000
OPEN_CLAIMS = 100_000
QUICK_SETTLEMENTS = 100
QUICK_OPEN_CLAIMS = 10_000


def measure(
    engine: str, bare: dict[str, Load], report: Report, *, seconds: int, quick: bool, say: Callable[[str], None]
) -> None:
    """Everything about bookings on one engine; `bare` is empty without a load generator."""
    if bare:
        with place(engine) as here:
            key = bookings.seed(here.url, PATIENTS)
            with platform.serve(here.url, here.folder, more=bookings.PAYER) as server:
                run = bookings.Run(here, key, PATIENTS, server, say)
                run.measure(seconds)
                if not quick and engine == "sqlite":
                    run.grow(seconds, bookings.LARGE)
        report.bookings(engine, run.results, bare)
    with place(engine) as here:
        settled = settling.measure(here, QUICK_SETTLEMENTS if quick else SETTLEMENTS)
    say(f"  settlements: {settled}")
    with place(engine) as here:
        polled = polling.measure(here, QUICK_OPEN_CLAIMS if quick else OPEN_CLAIMS)
    say(f"  polling: {polled}")
    report.settlements(engine, settled, polled)


def measure_bare(folder: Path, seconds: int) -> dict[str, Load]:
    """The yardstick for bookings."""
    return bookings.measure_bare(folder, seconds)
