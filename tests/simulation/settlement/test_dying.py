"""kill -9 before and after every commit of a settlement on two rails: each payee is paid once, and all is settled.

The commits are those of the decision, the orders, the callbacks, the bank's answers and its statement.
"""

import itertools
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import pytest

from kiungo.base.time import TurnedClock
from kiungo.connectors.bank_eft.client import LocalFolder
from kiungo.connectors.bank_eft.twin import BankTwin
from kiungo.connectors.mpesa.twin import MpesaTwin
from kiungo.domains.vems.settlement import desk
from kiungo.kernel import ledger
from kiungo.kernel.database import open_database
from kiungo.kernel.sandbox import Faults, Served, serve
from tests.domains.vems.settlement.world import BANK, TENANT, World, person, twin_key
from tests.simulation.settlement.dying import START

COMMITS_MAX = 80
COMMITS_MIN = 14
BANK_STEP_S = 0.02


class Outside:
    """What does not die: the rail behind HTTP, the bank on its folder, and callbacks on their way to us."""

    def __init__(self, folder: Path) -> None:
        for name in ("callbacks", "bank"):
            (folder / name).mkdir(parents=True)
        self.folder = folder
        self.clock = TurnedClock(START)
        self.twin = MpesaTwin(self.clock, Faults(Random(1)), private_key=twin_key(), result_after_s=0)
        self.bank = BankTwin(self.clock, Faults(Random(2)), LocalFolder(folder / "bank"))
        (folder / "twin.pem").write_text(self.twin.certificate)
        self._closing = threading.Event()

    @contextmanager
    def running(self) -> Iterator[str]:
        """Answer, deliver and work; yields where the rail is reached."""
        door = ThreadingHTTPServer(("127.0.0.1", 0), _door(self.folder / "callbacks"))
        (self.folder / "callback_url").write_text(f"http://127.0.0.1:{door.server_address[1]}")
        threads = [
            threading.Thread(target=door.serve_forever, args=(0.02,), daemon=True),
            threading.Thread(target=self._bank_works, daemon=True),
        ]
        for thread in threads:
            thread.start()
        served: Served = serve({"mobile": self.twin}, self.clock)
        try:
            yield served.url("mobile")
        finally:
            served.close()
            self._closing.set()
            door.shutdown()
            door.server_close()
            for thread in threads:
                thread.join(5)

    def _bank_works(self) -> None:
        while not self._closing.wait(BANK_STEP_S):
            self.bank.step()
            self.bank.end_day()


def _door(callbacks: Path) -> type[BaseHTTPRequestHandler]:
    """Our door, as the network in front of us keeps what we have not acknowledged."""
    numbers = itertools.count()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            part = callbacks / f"{next(numbers):03d}.part"
            part.write_bytes(self.path.encode() + b"\n" + body)
            part.rename(part.with_suffix(".json"))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    return Door


class Killed:
    """A settlement whose process is killed, and lives again."""

    def __init__(self, url: str, outside: Outside) -> None:
        self.url, self.outside = url, outside
        self.ahead_s = 0
        world = self.world().with_payees(facility=BANK)
        world.fund("50000.00")
        world.fund("50000.00", "bank", key="F2")
        world.step()
        self._close(world)

    def world(self) -> World:
        """The parent's own view of the database, with the outside the process talks to."""
        database = open_database(self.url, clock=self.outside.clock, stepped=True)
        seed, twin, bank = Random(self.ahead_s), self.outside.twin, self.outside.bank
        return World(database, self.outside.clock, seed, given_twin=twin, given_bank=bank)

    def live(self, twin_url: str, commit: int, moment: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable, "-m", "tests.simulation.settlement.dying", self.url, twin_url, str(self.outside.folder),
            str(self.ahead_s), str(commit), moment,
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def later(self, seconds: int) -> None:
        self.ahead_s += seconds
        self.outside.clock.turn(seconds=seconds)

    def close_by_hand(self, world: World) -> None:
        """An order that never reached the rail is on no statement: two persons look there, and it is paid again."""
        known = {payment.reference for payment in self.outside.twin.payments}
        known |= {reference for reference, _ in self.outside.bank.payments}
        for leg in world.legs():
            if leg.state == "unknown":
                assert leg.reference not in known, "what the rail has paid, its statement has told"
                write, reference = world.database.write, leg.reference
                write(lambda unit, r=reference: desk.propose_outcome(unit, person("ann"), r, "failed", "not there"))
                write(
                    lambda unit, r=reference: desk.confirm_outcome(world.settlements, unit, person("ben"), r, "failed")
                )
                write(lambda unit, r=reference: desk.pay_again(world.settlements, unit, person("ann"), r))

    def finish(self) -> None:
        """Leases run out, queries are asked, then come the statements, at last persons."""
        world = self.world()
        world.settle(seconds=70, steps=6)
        world.settle(seconds=400, steps=6)
        self.outside.bank.end_day()
        if self.outside.twin.payments:
            world.statement("mpesa", self.outside.twin.statement_csv())
        world.settle(seconds=400, steps=2)
        self.close_by_hand(world)
        for _ in range(4):
            world.step(5)
            self.outside.bank.end_day()
        assert world.settlement().state == "settled", world.legs()
        lines = world.database.read(lambda unit: ledger.trial_balance(unit, TENANT))
        assert sum(line.debit_minor for line in lines) == sum(line.credit_minor for line in lines)
        assert world.database.read(lambda unit: ledger.verify(unit, TENANT)) == []
        assert (world.balance("cash:mpesa"), world.balance("cash:bank")) == (2_900_000, 4_100_000)
        self._close(world)

    def _close(self, world: World) -> None:
        world.http.close()
        world.database.close()


@contextmanager
def fresh(engine: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database of an engine."""
    if engine == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), folder / "kiungo.db")
        yield f"sqlite:///{folder / 'kiungo.db'}"
        return
    lent = request.getfixturevalue("lent_database")
    yield lent.lend()
    lent.take_back()


def outlive(engine: str, moment: str, commit: int, folder: Path, request: pytest.FixtureRequest) -> bool:
    """Kill at one commit, live again, and prove that each payee has its money once; False when it was not reached."""
    outside = Outside(folder)
    with fresh(engine, folder, request) as url:
        killed = Killed(url, outside)
        with outside.running() as twin_url:
            life = killed.live(twin_url, commit, moment)
            if life.returncode == 0:
                return False
            assert life.returncode == -9, life.stderr
            killed.later(70)
            again = killed.live(twin_url, 0, moment)
            assert again.returncode == 0, again.stderr
        killed.finish()
    assert [(payment.party, payment.shillings) for payment in outside.twin.payments] == [("600200", 21_000)]
    assert [minor for _, minor in outside.bank.payments] == [900_000]
    return True


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_every_commit(engine: str, moment: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    survived = 0
    for commit in range(1, COMMITS_MAX):
        if not outlive(engine, moment, commit, tmp_path / str(commit), request):
            break
        survived += 1
    assert survived >= COMMITS_MIN, "the settlement has fewer commits than its steps need"
