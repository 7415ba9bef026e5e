"""What following 100,000 open claims costs: the real poller and connector, against a payer that answers at once.

The payer has every claim and has decided none. Measured is the processor time of some rounds, connector and database
included, and from it the share of one core at the usual interval.
"""

from dataclasses import dataclass
from functools import partial

from benchmarks import bookings, platform
from benchmarks.engines import Place
from benchmarks.process import cpu_s, own_pid
from benchmarks.seeding import TENANT
from kiungo.base.time import SECOND_US
from kiungo.connectors.hcms.connector import open_payer
from kiungo.connectors.hcms.settings import HcmsSettings
from kiungo.domains.vems.polling import FOLLOW
from kiungo.domains.vems.rules.following import FollowPolicy
from kiungo.domains.vems.service import Vems, open_vems
from kiungo.domains.vems.store import claims
from kiungo.domains.vems.store.claims import ClaimRow
from kiungo.fhir.repository import Repository
from kiungo.kernel.clients import EgressPolicy
from kiungo.kernel.database import Unit, open_database
from kiungo.kernel.jobs import Job
from kiungo.kernel.outbox import Outbox

PAYER = "hcms"
ROUNDS = 6
SEEDED_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Polled:
    """Figures of the poller. Units: microseconds of CPU for each claim asked about; `core` as a share of one core."""

    open_claims: int
    asked: int
    cpu_us_each: float
    core: float
    interval_s: float


def measure(place: Place, open_claims: int) -> Polled:
    """Ask about some of many open claims, in the poller's own batches."""
    bookings.seed(place.url, 1)
    policy = FollowPolicy()
    with platform.payer(place.folder) as server:
        database = open_database(place.url)
        try:
            settings = HcmsSettings.model_validate({"base_url": f"{server.url}/api", "batch_max": 100})
            payer = open_payer(settings, EgressPolicy(allow_loopback=True))
            vems = open_vems(
                database, Repository(database.clock), Outbox({}), payers={PAYER: payer}, payer_of_mode={"sha": PAYER},
                policy=policy,
            )  # fmt: skip
            for first in range(0, open_claims, SEEDED_AT_ONCE):
                database.write(partial(_open_claims, range(first, min(open_claims, first + SEEDED_AT_ONCE))))
            _round(vems)
            begun_s = cpu_s(own_pid())
            for _ in range(ROUNDS):
                _round(vems)
            used_s = cpu_s(own_pid()) - begun_s
        finally:
            database.close()
    asked = ROUNDS * policy.batch_claims
    each_s = used_s / asked
    return Polled(open_claims, asked, each_s * 1e6, each_s * open_claims / policy.interval_s, policy.interval_s)


def _round(vems: Vems) -> None:
    """What the poller's job does once: ask about a batch, write what came of it, and order its next turn."""
    args = {"payer": PAYER}
    effect = vems.claims.poller.follow(Job(0, TENANT, FOLLOW, PAYER, f"payer:{PAYER}", args, 1, 1, 0, None, 0))
    vems.database.write(effect)


def _open_claims(numbers: range, unit: Unit) -> None:
    for number in numbers:
        row = ClaimRow(
            booking_no=f"VB{number * 2_654_435_761 % 2**48:012X}", payer=PAYER, claim_id=f"CLM-{number}",
            reference=f"R-{number}", state="open", status="pending", version=1, currency="KES",
            approved_minor=None, paid_minor=None, decided_on=None, payment_date=None, reason=None, failures=0,
            next_poll_us=unit.now_us - number, last_poll_us=None, deadline_us=unit.now_us + 86_400 * SECOND_US,
            note=None,
        )  # fmt: skip
        claims.insert(unit, TENANT, row)
