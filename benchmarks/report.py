"""RESULTS.md: the targets, what was measured, and on what."""

import os
from collections.abc import Mapping
from pathlib import Path

from benchmarks import bookings
from benchmarks.claims import Results
from benchmarks.load import CONNECTIONS, Load
from benchmarks.polling import Polled
from benchmarks.settling import Settled
from benchmarks.webhooks import Deliveries

FILE = Path(__file__).parent / "RESULTS.md"
SUBMIT_SHARE = 30
READ_CLAIM_SHARE = 4
READ_PATIENT_SHARE = 3
HALF_LOAD_P99_MS = 50
ADJUDICATION_PER_S = 20_000
RESIDENT_MB = 250
GROWTH = 1.5
DELIVERIES_PER_S = 500
FIRST_ATTEMPT_MS = 200
INDEX_PAGES_MS = 0.8
BUSY_SHARE = 0.5
BOOK_SHARE = 15
SERVICES_SHARE = 3
SETTLED_S = 20.0
POLLING_CORE = 0.1
SETTLEMENTS = 1_000


class Report:
    """Collects sections and writes the file."""

    def __init__(self, facts: Mapping[str, str], *, quick: bool) -> None:
        self._lines = [
            "# Results",
            "",
            "Written by `make bench`"
            + (" in its short form: for a first look, not for comparisons." if quick else ".")
            + " All servers run on loopback beside their load generator, on the same cores. The bare endpoint is raw"
            " ASGI on uvicorn, uvloop and httptools; it parses the same bodies with orjson and echoes them, just before"
            " and just after each load that is compared with it.",
            "",
        ]
        self._table(["machine", ""], [[name, value] for name, value in facts.items()])
        if os.getloadavg()[0] > BUSY_SHARE * (os.cpu_count() or 1):
            self.note("Other programs kept this machine busy during the run; only the CPU times can be compared.")

    def claims(self, engine: str, results: Results) -> None:
        """One engine over HTTP, and its targets."""
        self._head(f"Claims over HTTP, {engine}, one process, {CONNECTIONS} connections")
        self._text(
            "`kiungo serve`, every call authenticated and audited, every commit durable. A submission is validated, "
            "adjudicated and stored with its FHIR resources, audit entry and events; each is for another member, "
            "date and amount."
        )
        self._loads(results.loads, results.stored)
        if results.database_cpu_ms:
            self._text(f"Beside it, the database server used {results.database_cpu_ms:.2f} ms of CPU per submission.")
        loads = results.loads
        rows = []
        for name, share in (
            ("submit", SUBMIT_SHARE),
            ("read claim", READ_CLAIM_SHARE),
            ("read patient", READ_PATIENT_SHARE),
        ):
            rows += _beside_bare(name, loads[name], share)
        half = loads["submit, half load"]
        rows.append(
            [
                f"submit, p99 at half load ({half.rate:.0f}/s)",
                f"{HALF_LOAD_P99_MS} ms",
                f"{half.p99_ms:.1f} ms",
                _met(half.p99_ms < HALF_LOAD_P99_MS),
            ]
        )
        for name in ("submit", "read claim", "read patient"):
            if name + ", grown" in loads:
                ratio = loads[name].rate / max(0.001, loads[name + ", grown"].rate)
                grown = results.stored[name + ", grown"]
                rows.append(
                    [f"{name}: slower at {grown:,} claims by", f"{GROWTH}", f"{ratio:.2f}", _met(ratio <= GROWTH)]
                )
        for stored, megabytes in results.resident_mb.items():
            met = _met(megabytes < RESIDENT_MB)
            rows.append([f"resident memory at {int(stored):,} claims", f"{RESIDENT_MB} MB", f"{megabytes:.0f} MB", met])
        self._table(["target", "wanted", "measured", ""], rows)
        cpu = loads["submit"].cpu_ms_per_request
        self._text(
            f"The index pages of three resources cost about {INDEX_PAGES_MS} ms; a whole submission cost {cpu:.2f} ms."
        )

    def webhooks(self, engine: str, found: Deliveries) -> None:
        """Deliveries."""
        self._head(f"Webhooks, {engine}")
        attempts = f"first attempt after the decision, p99 (at {found.decisions_per_s:.0f} decisions/s)"
        self._table(
            ["target", "wanted", "measured", ""],
            [
                [
                    "deliveries to one local receiver",
                    f"{DELIVERIES_PER_S}/s",
                    f"{found.per_s:.0f}/s",
                    _met(found.per_s >= DELIVERIES_PER_S),
                ],
                [
                    attempts,
                    f"{FIRST_ATTEMPT_MS} ms",
                    f"{found.first_attempt_p99_ms:.0f} ms",
                    _met(found.first_attempt_p99_ms < FIRST_ATTEMPT_MS),
                ],
            ],
        )
        self._text(
            f"Half of the first attempts began within {found.first_attempt_p50_ms:.0f} ms; a delivery cost "
            f"{found.cpu_ms_each:.2f} ms of CPU; {found.late} had no attempt yet when the load ended."
        )

    def bookings(self, engine: str, results: bookings.Results) -> None:
        """Bookings over HTTP on one engine, and their targets."""
        self._head(f"Bookings over HTTP, {engine}, one process, {CONNECTIONS} connections")
        self._text(
            "A booking is the guide's cost distribution of two services, for another claim and a known patient each "
            "time: priced, stored with its FHIR records, its followed claim, audit entries and event, and durable. It "
            "writes 51 rows, 38 of them to index three FHIR records, on some 30 pages with its neighbours of a commit; "
            "without those records it takes half the processor time."
        )
        self._loads(results.loads, results.stored, of="bookings")
        loads = results.loads
        rows = []
        for name, share in (("book", BOOK_SHARE), ("services", SERVICES_SHARE), ("booking status", 0)):
            rows += _beside_bare(name, loads[name], share)
        for name in ("book", "services", "booking status"):
            if name + ", grown" in loads:
                ratio = loads[name].rate / max(0.001, loads[name + ", grown"].rate)
                grown = results.stored[name + ", grown"]
                rows.append(
                    [f"{name}: slower at {grown:,} bookings by", f"{GROWTH}", f"{ratio:.2f}", _met(ratio <= GROWTH)]
                )
        self._table(["target", "wanted", "measured", ""], rows)

    def settlements(self, engine: str, settled: Settled, polled: Polled) -> None:
        """From the payer's decision to the proof, and what waiting for decisions costs."""
        self._head(f"Settlements, {engine}")
        self._text(
            "Two legs each, one by M-Pesa and one by the bank's files, both payees told by SMS, e-mail and in the "
            "application, both statements matched. Rails and messengers answer at once from a process beside it, "
            "over loopback; decisions are written as a poll writes them. Unexplained at the end: "
            f"{settled.unexplained}."
        )
        whole_s = settled.reconciled_s
        wanted = f"{SETTLED_S:.0f} s" if settled.count == SETTLEMENTS else ""
        met = _met(whole_s < SETTLED_S) if wanted else ""
        rows = [
            [f"{settled.count:,} settlements paid", "", f"{settled.paid_s:.1f} s", ""],
            ["and notified", "", f"{settled.notified_s:.1f} s", ""],
            ["and reconciled", wanted, f"{whole_s:.1f} s", met],
            ["CPU of the platform for each", "", f"{settled.cpu_ms_each:.1f} ms", ""],
            ["CPU to ask about one open claim", "", f"{polled.cpu_us_each:.0f} us", ""],
            [
                f"following {polled.open_claims:,} open claims every {polled.interval_s / 60:.0f} minutes",
                f"{POLLING_CORE:.0%} of a core",
                f"{polled.core:.1%}",
                _met(polled.core < POLLING_CORE),
            ],
        ]
        self._table(["target", "wanted", "measured", ""], rows)

    def adjudication(self, figures: Mapping[str, float]) -> None:
        """The pure function."""
        self._head("Adjudication alone, per core")
        rows = []
        for place, (name, rate) in enumerate(figures.items()):
            wanted = f"{ADJUDICATION_PER_S:,}/s" if place == 0 else ""
            rows.append([name, wanted, f"{rate:,.0f}/s", _met(rate >= ADJUDICATION_PER_S) if place == 0 else ""])
        self._table(["claim", "wanted", "measured", ""], rows)

    def kernel(self, engine: str, figures: Mapping[str, float]) -> None:
        """The kernel's own paths."""
        self._head(f"Kernel, {engine}")
        self._table(["durable", "per second"], [[name, f"{rate:,.0f}"] for name, rate in figures.items()])

    def note(self, text: str) -> None:
        """Something the reader must know, such as what was left out."""
        self._text(f"**{text}**")

    def write(self) -> None:
        """Replace RESULTS.md."""
        FILE.write_text("\n".join(self._lines).rstrip() + "\n")

    def _loads(self, loads: Mapping[str, Load], stored: Mapping[str, int] | None = None, *, of: str = "claims") -> None:
        rows = []
        for name, found in loads.items():
            at = f"{stored[name]:,}" if stored else ""
            figures = [f"{found.rate:,.0f}", f"{found.cpu_ms_per_request:.3f}", f"{found.p50_ms:.1f}"]
            rows.append([name, *figures, f"{found.p90_ms:.1f}", f"{found.p99_ms:.1f}", str(found.errors), at])
        self._table(["load", "per second", "CPU ms each", "p50 ms", "p90 ms", "p99 ms", "errors", f"{of} stored"], rows)

    def _head(self, text: str) -> None:
        self._lines += [f"## {text}", ""]

    def _text(self, text: str) -> None:
        self._lines += [text, ""]

    def _table(self, head: list[str], rows: list[list[str]]) -> None:
        self._lines.append("| " + " | ".join(head) + " |")
        self._lines.append("| " + " | ".join("---" for _ in head) + " |")
        self._lines += ["| " + " | ".join(row) + " |" for row in rows]
        self._lines.append("")


def _beside_bare(name: str, found: Load, share: int) -> list[list[str]]:
    """A load against the bare endpoint beside it; a share of 0 is no target."""
    ratio = found.bare_rate / max(0.001, found.rate)
    wanted, met = (f"1/{share}", _met(ratio <= share)) if share else ("", "")
    cpu = found.cpu_ms_per_request / max(0.001, found.bare_cpu_ms)
    return [
        [f"{name}: share of the bare rate beside it ({found.bare_rate:,.0f}/s)", wanted, f"1/{ratio:.1f}", met],
        [f"{name}: CPU, in requests to the bare endpoint", "", f"{cpu:.1f}", ""],
    ]


def _met(met: bool) -> str:
    return "met" if met else "**not met**"
