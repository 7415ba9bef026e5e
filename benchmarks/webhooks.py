"""Webhooks: deliveries a second to one receiver, and how soon after a decision the first attempt goes out."""

import asyncio
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import load, platform
from benchmarks.engines import Place
from benchmarks.process import cpu_s, own_pid
from benchmarks.seeding import PROVIDER, TENANT, Seeded
from kiungo.kernel.clients import EgressPolicy
from kiungo.kernel.database import Database, Unit, open_database
from kiungo.kernel.secrets import Secrets, parse_keyring
from kiungo.kernel.webhooks import Webhooks, WebhookSettings

EVENT = "claim_status_update"
AT_ONCE = 250
DRAIN_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Figures of the webhooks. Units: as named."""

    per_s: float
    cpu_ms_each: float
    first_attempt_p50_ms: float
    first_attempt_p99_ms: float
    decisions_per_s: float
    late: int


def measure(place: Place, seeded: Seeded, *, seconds: int, submit_rate: float) -> Deliveries:
    """Both figures, against a receiver in a process of its own."""
    with platform.bare(place.folder) as receiver:
        database = open_database(place.url)
        try:
            webhooks = _register(database, place.folder, f"{receiver.url}/webhooks/payor-claims")
            rate, cpu_ms = asyncio.run(_drain(database, webhooks, count=500 * min(seconds, 10)))
        finally:
            database.close()
        with platform.serve(place.url, place.folder, mode="dev") as server:
            think_ms = round(2 * load.CONNECTIONS / submit_rate * 1000)
            environment = {
                "BENCH_API_KEY": seeded.claims_key,
                "BENCH_MEMBERS": str(seeded.members),
                "BENCH_FIRST": str(seeded.members * 1_200),  # dates no other measurement uses
                "BENCH_THINK_MS": str(think_ms),
            }
            found = load.run(server.url, "submit.lua", seconds=seconds, cpu_s=server.cpu_s, environment=environment)
        waits_ms, missing = _waits(place.url)
    return Deliveries(
        per_s=rate,
        cpu_ms_each=cpu_ms,
        first_attempt_p50_ms=_percentile(waits_ms, 50),
        first_attempt_p99_ms=_percentile(waits_ms, 99),
        decisions_per_s=found.rate,
        late=missing,
    )


def _register(database: Database, folder: Path, url: str) -> Webhooks:
    secrets = Secrets(parse_keyring((folder / "secrets.key").read_text()))
    settings = WebhookSettings(events=frozenset({EVENT}), egress=EgressPolicy(allow_loopback=True))
    webhooks = Webhooks(database, secrets, settings)
    database.write(lambda unit: webhooks.register(unit, tenant=TENANT, owner=PROVIDER, url=url, events=[EVENT]))
    return webhooks


async def _drain(database: Database, webhooks: Webhooks, *, count: int) -> tuple[float, float]:
    """Queue deliveries, then let the dispatcher send them all; returns the rate and its processor time each."""
    for first in range(0, count, AT_ONCE):
        await database.write_async(partial(_emit, webhooks, range(first, first + AT_ONCE)))
    loop = asyncio.get_running_loop()
    dispatcher = webhooks.dispatcher()
    begun_s, begun_cpu_s = loop.time(), cpu_s(own_pid())
    running = asyncio.create_task(dispatcher.run())
    while await database.read_async(_due) and loop.time() - begun_s < DRAIN_TIMEOUT_S:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.05)
    took_s, used_s = loop.time() - begun_s, cpu_s(own_pid()) - begun_cpu_s
    dispatcher.stop()
    await running
    return count / took_s, used_s * 1000 / count


def _emit(webhooks: Webhooks, numbers: range, unit: Unit) -> None:
    for number in numbers:
        payload = {"event_type": EVENT, "claim_id": f"CLM-{number}", "new_status": "approved", "notes": "x" * 600}
        webhooks.emit(unit, tenant=TENANT, owner=PROVIDER, event=EVENT, payload=payload, subject=f"BENCH-{number}")


def _due(unit: Unit) -> int:
    count: int = unit.value("SELECT count(*) FROM webhook_delivery WHERE state = 'due'")
    return count


def _waits(url: str) -> tuple[list[float], int]:
    """From the decision's unit of work to its first attempt, in ms, sorted; and how many had none yet."""
    database = open_database(url, stepped=True)
    try:
        rows = database.read(
            lambda unit: unit.rows(
                "SELECT min(a.started_us) - d.created_us FROM webhook_delivery d LEFT JOIN webhook_attempt a "
                "ON a.tn = d.tn AND a.delivery = d.id WHERE d.subject NOT LIKE 'BENCH-%' "
                "GROUP BY d.id, d.created_us"
            ),
            deadline_ms=60_000,
        )
    finally:
        database.close()
    waits = sorted(wait_us / 1000 for (wait_us,) in rows if wait_us is not None)
    return waits, sum(1 for (wait_us,) in rows if wait_us is None)


def _percentile(values: list[float], percent: int) -> float:
    return values[min(len(values) - 1, len(values) * percent // 100)] if values else float("nan")
