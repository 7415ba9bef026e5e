"""Bookings and their money: rates over HTTP, settlements from decision to proof, and what following claims costs."""

from collections.abc import Callable

from benchmarks import bookings, platform, polling, settling
from benchmarks.engines import place
from benchmarks.report import Report
from benchmarks.yardstick import Yardstick

PATIENTS = 1_000
SETTLEMENTS = 1_000
OPEN_CLAIMS = 100_000
QUICK_SETTLEMENTS = 100
QUICK_OPEN_CLAIMS = 10_000


def measure(
    engine: str, yardstick: Yardstick | None, report: Report, *, seconds: int, quick: bool, say: Callable[[str], None]
) -> None:
    """Everything about bookings on one engine; without a load generator there is no yardstick and no rate."""
    if yardstick is not None:
        with place(engine) as here:
            key = bookings.seed(here.url, PATIENTS)
            with platform.serve(here.url, here.folder, more=bookings.PAYER) as server:
                run = bookings.Run(here, key, PATIENTS, server, yardstick, say)
                run.measure(seconds)
                if not quick and engine == "sqlite":
                    run.grow(seconds, bookings.LARGE)
        report.bookings(engine, run.results)
    with place(engine) as here:
        settled = settling.measure(here, QUICK_SETTLEMENTS if quick else SETTLEMENTS)
    say(f"  settlements: {settled}")
    with place(engine) as here:
        polled = polling.measure(here, QUICK_OPEN_CLAIMS if quick else OPEN_CLAIMS)
    say(f"  polling: {polled}")
    report.settlements(engine, settled, polled)
