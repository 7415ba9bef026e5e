"""Settlements from the payer's decision to the proof: paid on two rails, told to both payees, matched on statements.

The platform runs as `kiungo serve`, the rails and messengers in a process beside it, all on loopback. Decisions are
written from here, as a poll writes them; the bank's files are collected every second instead of every minute.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import bookings, platform
from benchmarks.engines import Place
from benchmarks.process import Server, cpu_s, free_port
from benchmarks.seeding import TENANT
from kiungo.app.registry import ConnectorSettings, connector_settings
from kiungo.app.sample_payees import load_payees
from kiungo.app.system import System, open_system
from kiungo.base.money import Money
from kiungo.domains.vems import desk as booking_desk
from kiungo.domains.vems.reconciliation.proof import prove
from kiungo.domains.vems.sample import FACILITY
from kiungo.domains.vems.store import claims
from kiungo.kernel import inbox, jobs, json
from kiungo.kernel.auth import system_call
from kiungo.kernel.config import load_settings
from kiungo.kernel.database import Unit
from kiungo.ports.payer import Report

PATIENTS = 50
AT_ONCE = 20
TIMEOUT_S = 180
RAILS = ("mpesa", "bank")


@dataclass(frozen=True, slots=True)
class Settled:
    """Figures of the settlements. Units: seconds; CPU of the platform's process, milliseconds for each settlement."""

    count: int
    paid_s: float
    notified_s: float
    reconciled_s: float
    cpu_ms_each: float
    unexplained: str


def measure(place: Place, count: int) -> Settled:
    """Settle so many bookings on a fresh database."""
    bookings.seed(place.url, PATIENTS)
    port = free_port()
    report_key = "b" * 32
    with _twins(place.folder, f"http://127.0.0.1:{port}/callbacks/sms/1/{report_key}") as twins:
        environment = _environment(place, twins, port, report_key)
        with platform.serve(place.url, place.folder, more=environment) as server:
            system = _system(place, environment)
            try:
                return _settle(system, server, count, twins)
            finally:
                system.close()


def _settle(system: System, server: Server, count: int, twins: dict[str, Any]) -> Settled:
    _fund(system)
    _book(system, count)
    begun_s, begun_cpu_s = time.monotonic(), cpu_s(server.pid)
    rows: list[claims.ClaimRow] = system.database.read(
        lambda unit: claims.page(unit, TENANT, state=None, after="", limit=count)
    )
    for first in range(0, count, AT_ONCE):
        system.database.write_each([partial(_decide, system, row) for row in rows[first : first + AT_ONCE]])
    _wait(system, "SELECT count(*) FROM settlement WHERE state = 'settled'", count, collect=True)
    paid_s = time.monotonic() - begun_s
    told = "SELECT count(*) FROM notification WHERE channel = 'in_app' OR state IN ('sent', 'delivered')"
    _wait(system, told, 2 * 3 * count)
    notified_s = time.monotonic() - begun_s
    _take_statement(system, urllib.request.urlopen(f"{twins['money']}/portal/statement.csv").read())
    _wait(system, "SELECT count(*) FROM bank_line WHERE used_as = 'payment'", 2 * count, collect=True)
    reconciled_s = time.monotonic() - begun_s
    used_s = cpu_s(server.pid) - begun_cpu_s
    proofs = [system.database.read(lambda unit, rail=rail: prove(unit, TENANT, rail, "KES")) for rail in RAILS]  # type: ignore[misc]
    unexplained = ", ".join(f"{proof.rail} {proof.unexplained}" for proof in proofs)
    return Settled(count, paid_s, notified_s, reconciled_s, used_s * 1000 / count, unexplained)


def _decide(system: System, row: claims.ClaimRow, unit: Unit) -> None:
    known = claims.find(unit, TENANT, row.booking_no)
    assert known is not None
    report = Report(row.booking_no, "R-" + row.booking_no, "approved", "complete", Money(3_100_000, "KES"))
    system.vems.claims.apply(unit, TENANT, known, report, "poll")


def _fund(system: System) -> None:
    def work(unit: Unit) -> None:
        load_payees(system.money.settlements, unit)
        for rail in RAILS:
            amount = Money.parse("100000000.00", "KES")
            system.money.settlements.fund(unit, TENANT, rail=rail, amount=amount, key=f"bench-{rail}")

    system.database.write(work)


def _book(system: System, count: int) -> None:
    call = system_call(TENANT, name="bench")

    async def book(first: int) -> None:
        asked = [await system.vems.desk.prepare(call, _body(first + number)) for number in range(AT_ONCE)]

        def work(unit: Unit) -> list[booking_desk.Booked]:
            return [system.vems.desk.book(unit, call, one) for one in asked]

        await system.database.write_async(work)

    async def book_all() -> None:
        for first in range(0, count, AT_ONCE):
            await book(first)

    asyncio.run(book_all())


def _body(number: int) -> bytes:
    services = [
        {"serviceCode": code, "serviceDate": f"2026-03-{1 + number % 28:02d}T10:51:00.000Z"}
        for code in ("F8735", "F8736")
    ]
    return json.dumps(
        {
            "patientCR": f"CR{number % PATIENTS:07d}",
            "paymentMode": "sha",
            "facilityFrCode": FACILITY.fr_code,
            "claimID": f"SETTLE-{number}",
            "services": services,
        }
    )


def _wait(system: System, question: str, wanted: int, *, collect: bool = False) -> None:
    deadline_s, tick = time.monotonic() + TIMEOUT_S, 0
    while system.database.read(lambda unit: unit.value(question)) < wanted:
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"{question}: not {wanted} within {TIMEOUT_S} s")
        if collect and tick % 10 == 0:
            system.database.write(lambda unit, tick=tick: jobs.enqueue(unit, "bank.collect", {}, tenant=TENANT))  # type: ignore[misc]
        tick += 1
        time.sleep(0.1)


def _take_statement(system: System, body: bytes) -> None:
    def work(unit: Unit) -> None:
        inbox.receive(unit, tenant=TENANT, source="mpesa", message_id="bench-statement", body=body)
        args = {"rail": "mpesa", "message_id": "bench-statement", "name": "statement.csv"}
        jobs.enqueue(unit, "reconciliation.statement", args, tenant=TENANT, key="bench-statement", lane="money-in")

    system.database.write(work)


def _environment(place: Place, twins: dict[str, Any], port: int, report_key: str) -> dict[str, str]:
    folder = place.folder / "bank"
    return {
        "KIUNGO_PORT": str(port),
        "KIUNGO_OUTBOUND_ALLOWED": '["127.0.0.1"]',
        "KIUNGO_MPESA_BASE_URL": twins["money"],
        "KIUNGO_MPESA_CONSUMER_KEY": "twin-key",
        "KIUNGO_MPESA_CONSUMER_SECRET": "twin-secret",
        "KIUNGO_MPESA_SHORTCODE": "600100",
        "KIUNGO_MPESA_INITIATOR": "kiungo",
        "KIUNGO_MPESA_INITIATOR_PASSWORD": "Twin#2026",
        "KIUNGO_MPESA_CERTIFICATE": twins["certificate"],
        "KIUNGO_MPESA_CALLBACK_URL": f"http://127.0.0.1:{port}",
        "KIUNGO_MPESA_CALLBACK_KEY": "c" * 32,
        "KIUNGO_BANK_FOLDER": str(folder),
        "KIUNGO_BANK_ACCOUNT": twins["account"],
        "KIUNGO_BANK_ACCOUNT_NAME": "Kiungo bench",
        "KIUNGO_BANK_BANK_CODE": "01",
        "KIUNGO_BANK_BATCH_WAIT_S": "1",
        "KIUNGO_SMS_BASE_URL": twins["sms"],
        "KIUNGO_SMS_USERNAME": "sandbox",
        "KIUNGO_SMS_API_KEY": "twin-sms-key",
        "KIUNGO_SMS_REPORT_KEY": report_key,
        "KIUNGO_SMTP_HOST": "127.0.0.1",
        "KIUNGO_SMTP_PORT": str(twins["smtp_port"]),
        "KIUNGO_SMTP_SECURITY": "none",
        "KIUNGO_SMTP_SENDER": "pay@kiungo.example",
        **bookings.PAYER,
    }


def _system(place: Place, environment: dict[str, str]) -> System:
    """The same installation in this process, to write decisions with; it serves nothing and runs no job."""
    settings = load_settings(
        mode="dev",
        database_url=place.url,
        data_dir=place.folder / "data",
        secrets_key=(place.folder / "secrets.key").read_text(),
        port=int(environment["KIUNGO_PORT"]),
    )
    return open_system(settings, _connectors(environment))


def _connectors(environment: dict[str, str]) -> ConnectorSettings:
    kept = dict(os.environ)
    os.environ.update(environment)
    try:
        return connector_settings()
    finally:
        os.environ.clear()
        os.environ.update(kept)


@contextmanager
def _twins(folder: Path, report_url: str) -> Iterator[dict[str, Any]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.twins", str(folder / "bank"), report_url], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
