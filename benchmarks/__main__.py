"""`python -m benchmarks`: measure, print as it goes, write RESULTS.md. `--quick` takes about two minutes."""

import argparse
import sys
from contextlib import ExitStack

from benchmarks import adjudication, kernel, load, machine, platform, vems, webhooks
from benchmarks.claims import LARGE, Run, Sizes
from benchmarks.engines import Place, place
from benchmarks.report import Report
from benchmarks.seeding import seed
from benchmarks.yardstick import Yardstick, bare_beside
from kiungo.kernel.database import migrate, open_database

ENGINES = ("sqlite", "postgresql")
PARTS = ("adjudication", "kernel", "claims", "webhooks", "vems")


def main() -> int:
    """Run the chosen parts on the chosen engines."""
    chosen = _arguments()
    seconds = 5 if chosen.quick else 15
    report = Report(machine.facts(), quick=chosen.quick)
    if "adjudication" in chosen.parts:
        figures = adjudication.measure(2 if chosen.quick else 5)
        _say(f"adjudication: {figures}")
        report.adjudication(figures)
    with ExitStack() as running:
        bare = _yardstick(running, chosen, report)
        for engine in chosen.engines:
            _measure(engine, chosen, seconds, bare, report)
            if "vems" in chosen.parts:
                vems.measure(engine, bare, report, seconds=seconds, quick=chosen.quick, say=_say)
    report.write()
    return 0


def _yardstick(running: ExitStack, chosen: argparse.Namespace, report: Report) -> Yardstick | None:
    """The bare endpoint for all of the run; without a load generator, only what needs none is left."""
    try:
        folder = running.enter_context(place("sqlite")).folder
        return running.enter_context(bare_beside(folder))
    except load.LoadGeneratorMissing as missing:
        print(missing, file=sys.stderr)
        report.note(f"Without rates over HTTP: {missing}")
        chosen.parts = [part for part in chosen.parts if part not in ("claims", "webhooks")]
        return None


def _measure(engine: str, chosen: argparse.Namespace, seconds: int, bare: Yardstick | None, report: Report) -> None:
    _say(engine)
    if "kernel" in chosen.parts:
        with place(engine) as here:
            migrate(here.url)
            database = open_database(here.url)
            try:
                figures = kernel.measure(database, seconds=1 if chosen.quick else 4)
            finally:
                database.close()
        _say(f"  kernel: { {name: round(rate) for name, rate in figures.items()} }")
        report.kernel(engine, figures)
    if bare is not None and {"claims", "webhooks"} & set(chosen.parts):
        with place(engine) as here:
            _measure_served(here, chosen, seconds, bare, report)


def _measure_served(here: Place, chosen: argparse.Namespace, seconds: int, bare: Yardstick, report: Report) -> None:
    seeded = seed(here.url, 2_000 if chosen.quick else 10_000)
    sizes = Sizes(seconds, LARGE)
    submit_rate = 200.0
    if "claims" in chosen.parts:
        with platform.serve(here.url, here.folder) as server:
            run = Run(here, seeded, server, bare, _say)
            run.measure(sizes)
            if not chosen.quick and here.engine == "sqlite":
                run.grow(sizes)
        report.claims(here.engine, run.results)
        submit_rate = run.results.loads["submit"].rate
    if "webhooks" in chosen.parts:
        found = webhooks.measure(here, seeded, seconds=seconds, submit_rate=submit_rate)
        _say(f"  webhooks: {found}")
        report.webhooks(here.engine, found)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about two minutes, without the growth to 100,000 claims")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
