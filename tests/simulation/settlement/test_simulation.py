"""Settlements under seeded faults: 200 seeds here, 10,000 by `make simulate`, and each replays exactly."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulation.settlement.simulation import BANK_FAULTS, MPESA_FAULTS, Simulation

SEEDS = 200
GROUPS = 8
LONG_SEEDS = int(os.environ.get("KIUNGO_TEST_SEEDS", "0"))
"""Set by `make simulate`; the long run takes a quarter of an hour or more, so no other lane begins it."""


@pytest.fixture
def fast_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: what a commit costs on disk is not what is tested here."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="kiungo-simulation-") as folder:
        yield Path(folder)


def seeds(count: int, group: int) -> list[int]:
    given = os.environ.get("KIUNGO_TEST_SEED")
    return [int(given)] if given else list(range(group, count, GROUPS))


@pytest.mark.parametrize("group", range(GROUPS))
def test_no_seed_breaks_an_invariant(group: int, fast_folder: Path, sqlite_template: Path) -> None:
    """`run` checks every invariant after every step and raises Broken."""
    for seed in seeds(SEEDS, group):
        Simulation(seed, fast_folder, sqlite_template).run()


@pytest.mark.parametrize("fault", sorted({*MPESA_FAULTS, *BANK_FAULTS}))
def test_each_fault_alone_and_often_breaks_nothing(fault: str, fast_folder: Path, sqlite_template: Path) -> None:
    struck = 0
    for seed in range(2):
        simulation = Simulation(seed, fast_folder, sqlite_template, only=fault)
        simulation.run()
        struck += simulation.struck[fault]
    assert struck, "the fault never struck: this tests nothing"


def test_a_seed_replays_exactly(fast_folder: Path, sqlite_template: Path) -> None:
    first = Simulation(17, fast_folder, sqlite_template).run()
    assert Simulation(17, fast_folder, sqlite_template).run() == first
    assert Simulation(18, fast_folder, sqlite_template).run() != first


@pytest.mark.slow
@pytest.mark.skipif(not LONG_SEEDS, reason="the long run is `make simulate`")
@pytest.mark.timeout(14_400)
@pytest.mark.parametrize("group", range(GROUPS))
def test_many_seeds(group: int, fast_folder: Path, sqlite_template: Path) -> None:
    """As above."""
    for seed in seeds(LONG_SEEDS, group):
        Simulation(seed, fast_folder, sqlite_template).run()
