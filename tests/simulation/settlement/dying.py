"""One life of a settling process: works until nothing is due, or until it kills itself at a commit.

    python -m tests.simulation.settlement.dying DATABASE_URL TWIN_URL FOLDER AHEAD_S COMMIT|0 before|after

The outside lives in the parent: the rail's twin behind real HTTP, the bank in FOLDER/bank, and callbacks on their way
to us as files in FOLDER/callbacks, each there until we have acknowledged it. What was paid survives this process.
"""

import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from kiungo.base.time import TurnedClock
from kiungo.connectors.bank_eft.client import LocalFolder
from kiungo.connectors.bank_eft.collecting import collect
from kiungo.connectors.bank_eft.connector import BankRail
from kiungo.connectors.mpesa.client import DarajaClient
from kiungo.connectors.mpesa.connector import MpesaRail
from kiungo.connectors.mpesa.settings import MpesaSettings
from kiungo.connectors.mpesa.webhook import CallbackAddresses, receive
from kiungo.domains.vems.reconciliation.jobs import ReconciliationJobs
from kiungo.domains.vems.settlement import store
from kiungo.domains.vems.settlement.jobs import SettlementJobs
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel.clients import EgressPolicy, Outbound, make_client
from kiungo.kernel.database import Database, open_database
from kiungo.kernel.jobs.worker import run_due
from kiungo.kernel.outbox import Outbox
from kiungo.kernel.tokens import TokenKeeper
from kiungo.ports.payment import Rail
from tests.domains.vems.settlement.world import BANK_SETTINGS, KEYRING, TENANT, booking, kes

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
PATIENCE_S_MAX = 15.0
AGAIN_S_MAX = 1.0
"""The second life may have nothing more to wait for; what it leaves is the parent's to finish."""
POLL_S = 0.02


class Life:
    """The parts of a platform that settling needs, on the outside that the parent keeps."""

    def __init__(self, database: Database, clock: TurnedClock, twin_url: str, folder: Path) -> None:
        self.database, self.clock, self.folder = database, clock, folder
        self.settings = MpesaSettings(
            base_url=twin_url,
            consumer_key="twin-key",
            consumer_secret="twin-secret",
            shortcode="600100",
            initiator="kiungo",
            initiator_password="Twin#2026",
            certificate=(folder / "twin.pem").read_text(),
            callback_url=(folder / "callback_url").read_text(),
            callback_key="k" * 32,
        )
        self.http = make_client(Outbound(name="t", egress=EgressPolicy(allow_loopback=True)))
        tokens = TokenKeeper(database, KEYRING, TENANT, "mpesa")
        mpesa = MpesaRail(DarajaClient(self.http, self.settings, tokens), self.settings, tenant=TENANT)
        self.box = LocalFolder(folder / "bank")
        rails: dict[str, Rail] = {"mpesa": mpesa, "bank": BankRail(self.box, BANK_SETTINGS, clock)}
        capabilities = {name: rail.capabilities for name, rail in rails.items()}
        self.settlements = Settlements(capabilities, Outbox({}), rng=Random(7))
        self.handlers = {
            **SettlementJobs(database, self.settlements, rails).handlers(),
            **ReconciliationJobs(database, self.settlements.legs, rails).handlers(),
        }

    def live(self, patience_s: float) -> None:
        """Decide, submit, and take in what the outside says, until it has nothing to say."""
        self.database.write(lambda unit: self.settlements.decide(unit, TENANT, booking(), kes("31000.00"), 1))
        self._work()
        self.clock.turn(seconds=BANK_SETTINGS.batch_wait_s + 1)
        self._work()
        until_s = time.monotonic() + patience_s
        while time.monotonic() < until_s and not self._is_over():
            if self._take_callbacks() + collect(self.database, self.box, tenant=TENANT, rail="bank"):
                self._work()
            time.sleep(POLL_S)

    def _work(self) -> None:
        run_due(self.database, self.handlers, Random(1))

    def _take_callbacks(self) -> int:
        """What came to our door; a callback is acknowledged, here removed, once it is stored."""
        addresses, waiting = CallbackAddresses(self.settings), sorted((self.folder / "callbacks").glob("*.json"))
        for file in waiting:
            path, _, body = file.read_bytes().partition(b"\n")
            *_, tenant, reference, kind, secret = path.decode().split("/")
            addresses.check(int(tenant), reference, kind, secret, "127.0.0.1")
            self.database.write(
                lambda unit, r=reference, k=kind, b=body: receive(
                    unit, tenant=TENANT, rail="mpesa", reference=r, kind=k, body=b
                )
            )
            file.unlink()
        return len(waiting)

    def _is_over(self) -> bool:
        """Settled, and the bank's statement read."""

        def work(unit) -> bool:
            found = store.find_settlement(unit, TENANT, booking().booking_no)
            read = unit.value("SELECT count(*) FROM bank_line WHERE rail = 'bank' AND used_as = 'payment'")
            return found is not None and found.state == "settled" and read == 1

        return self.database.read(work)


def main(url: str, twin_url: str, folder: str, ahead_s: str, commit: str, moment: str) -> None:
    """Live once."""
    clock = TurnedClock(START + timedelta(seconds=float(ahead_s)))
    database = open_database(url, clock=clock, stepped=True)
    seen = 0

    def observe(now: str) -> None:
        nonlocal seen
        seen += now == "before"
        if seen == int(commit) and now == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    life = Life(database, clock, twin_url, Path(folder))
    database.observer = observe
    life.live(PATIENCE_S_MAX if int(commit) else AGAIN_S_MAX)
    life.http.close()
    database.close()
    print(seen)


if __name__ == "__main__":
    main(*sys.argv[1:])
