"""One life of a settling process: works until nothing is due, or until it kills itself at a commit.

    python -m tests.simulation.settlement.dying DATABASE_URL TWIN_URL CERTIFICATE_FILE AHEAD_S COMMIT|0 before|after

The rail's twin lives in the parent, behind real HTTP: what it has paid survives this process.
"""

import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from kiungo.base.time import TurnedClock
from kiungo.connectors.mpesa.client import DarajaClient
from kiungo.connectors.mpesa.connector import MpesaRail
from kiungo.connectors.mpesa.settings import MpesaSettings
from kiungo.domains.vems.settlement.jobs import SettlementJobs
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel.clients import EgressPolicy, Outbound, make_client
from kiungo.kernel.database import open_database
from kiungo.kernel.jobs.worker import run_due
from kiungo.kernel.outbox import Outbox
from kiungo.kernel.tokens import TokenKeeper
from tests.domains.vems.settlement.world import KEYRING, TENANT, booking, kes

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def main(url: str, twin_url: str, certificate: str, ahead_s: str, commit: str, moment: str) -> None:
    """Live once."""
    clock = TurnedClock(START + timedelta(seconds=float(ahead_s)))
    database = open_database(url, clock=clock, stepped=True)
    seen = 0

    def observe(now: str) -> None:
        nonlocal seen
        seen += now == "before"
        if seen == int(commit) and now == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    settings = MpesaSettings(
        base_url=twin_url,
        consumer_key="twin-key",
        consumer_secret="twin-secret",
        shortcode="600100",
        initiator="kiungo",
        initiator_password="Twin#2026",
        certificate=Path(certificate).read_text(),
        callback_url="http://us.test",
        callback_key="k" * 32,
    )
    with make_client(Outbound(name="t", egress=EgressPolicy(allow_loopback=True))) as http:
        tokens = TokenKeeper(database, KEYRING, TENANT, "mpesa")
        rail = MpesaRail(DarajaClient(http, settings, tokens), settings, tenant=TENANT)
        settlements = Settlements({"mpesa": rail.capabilities}, Outbox({}), rng=Random(7))
        handlers = SettlementJobs(database, settlements, {"mpesa": rail}).handlers()
        database.observer = observe
        database.write(lambda unit: settlements.decide(unit, TENANT, booking(), kes("31000.00"), 1))
        run_due(database, handlers, Random(1))
    database.close()
    print(seen)


if __name__ == "__main__":
    main(*sys.argv[1:])
