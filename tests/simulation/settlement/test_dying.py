"""kill -9 before and after every commit of a settlement: each payee is paid once, and everything comes to its end."""

import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from kiungo.base.time import TurnedClock
from kiungo.connectors.mpesa.twin import MpesaTwin
from kiungo.domains.vems.settlement import desk
from kiungo.kernel import ledger
from kiungo.kernel.database import open_database
from kiungo.kernel.sandbox import Faults, serve
from tests.domains.vems.settlement.world import TENANT, World, person, twin_key
from tests.simulation.settlement.dying import START

COMMITS_MAX = 60


class Killed:
    """A settlement whose process is killed, and lives again."""

    def __init__(self, folder: Path, template: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "kiungo.db"
        shutil.copy(template, self.path)
        self.clock = TurnedClock(START)
        self.twin = MpesaTwin(self.clock, Faults(Random(1)), private_key=twin_key())
        self.certificate = folder / "twin.pem"
        self.certificate.write_text(self.twin.certificate)
        self.ahead_s = 0
        self.prepare()

    def world(self) -> World:
        """The parent's own view of the database, with the twin the process talks to."""
        database = open_database(f"sqlite:///{self.path}", clock=self.clock, stepped=True)
        return World(database, self.clock, Random(self.ahead_s), given_twin=self.twin)

    def prepare(self) -> None:
        world = self.world().with_payees()
        world.fund("50000.00")
        world.step()
        world.http.close()
        world.database.close()

    def live(self, twin_url: str, commit: int, moment: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable, "-m", "tests.simulation.settlement.dying", f"sqlite:///{self.path}", twin_url,
            str(self.certificate), str(self.ahead_s), str(commit), moment,
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def later(self, seconds: int) -> None:
        self.ahead_s += seconds
        self.clock.turn(seconds=seconds)

    def close_by_hand(self, world: World) -> None:
        """An order that never reached the rail is on no statement: two persons look there, and it is paid again."""
        known = {payment.reference for payment in self.twin.payments}
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
        """Callbacks come, leases run out, queries are asked, then the organisation's statement, at last persons."""
        world = self.world()
        world.settle(seconds=70, steps=6)
        world.settle(seconds=400, steps=6)
        if self.twin.payments:
            world.statement("mpesa", self.twin.statement_csv())
        world.settle(seconds=400, steps=2)
        self.close_by_hand(world)
        world.settle(seconds=5, steps=4)
        assert world.settlement().state == "settled", world.legs()
        lines = world.database.read(lambda unit: ledger.trial_balance(unit, TENANT))
        assert sum(line.debit_minor for line in lines) == sum(line.credit_minor for line in lines)
        assert world.database.read(lambda unit: ledger.verify(unit, TENANT)) == []
        assert world.balance("cash:mpesa") == 2_000_000
        world.http.close()
        world.database.close()


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_every_commit(moment: str, tmp_path: Path, sqlite_template: Path) -> None:
    killed_at = []
    for commit in range(1, COMMITS_MAX):
        killed = Killed(tmp_path / str(commit), sqlite_template)
        served = serve({"mobile": killed.twin}, TurnedClock(START - timedelta(days=1)))  # callbacks stay with us
        try:
            life = killed.live(served.url("mobile"), commit, moment)
            if life.returncode == 0:
                break
            assert life.returncode == -9, life.stderr
            killed_at.append(commit)
            killed.later(70)
            again = killed.live(served.url("mobile"), 0, moment)
            assert again.returncode == 0, again.stderr
        finally:
            served.close()
        killed.finish()
        paid = sorted((payment.party, payment.shillings) for payment in killed.twin.payments)
        assert paid == [("254712345678", 9_000), ("600200", 21_000)], f"killed {moment} commit {commit}"
    assert len(killed_at) >= 8, "the settlement has fewer commits than its steps need"
