"""A world on each engine."""

from collections.abc import Iterator
from random import Random

import pytest

from kiungo.base.time import TurnedClock
from kiungo.kernel.database import Database
from tests.domains.vems.settlement.world import World


@pytest.fixture
def world(stepped_database: Database, clock: TurnedClock) -> Iterator[World]:
    made = World(stepped_database, clock, Random(1)).with_payees()
    yield made
    made.http.close()
