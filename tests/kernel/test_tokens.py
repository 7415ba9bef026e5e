"""A token shared by every process: renewed by one, read by all, sealed, and renewed when it cannot be opened."""

import os

import pytest

from kiungo.base.time import TurnedClock
from kiungo.kernel.database import Database
from kiungo.kernel.secrets import Keyring
from kiungo.kernel.tokens import TokenKeeper


def keeper(database: Database, key: bytes = b"k" * 32, tenant: int = 1) -> TokenKeeper:
    return TokenKeeper(database, Keyring("k1", {"k1": key}), tenant, "rail")


@pytest.fixture
def kept(stepped_database: Database) -> Database:
    first = keeper(stepped_database)
    assert first.current() is None
    assert first.may_renew(None)
    first.keep("secret-token", 3_599)
    return stepped_database


def test_everybody_reads_what_one_renewed(kept: Database) -> None:
    token = keeper(kept).current()
    assert (token.value, token.generation) == ("secret-token", 1)
    assert keeper(kept, tenant=2).current() is None


def test_one_renews_while_the_others_wait(kept: Database, clock: TurnedClock) -> None:
    token = keeper(kept).current()
    assert keeper(kept).may_renew(token)
    assert not keeper(kept).may_renew(token)
    clock.turn(seconds=21)
    assert keeper(kept).may_renew(token), "whoever had the right died"
    keeper(kept).keep("next", 3_599)
    assert not keeper(kept).may_renew(token), "it was renewed since"
    assert not keeper(kept).may_renew(None), "it is valid"


def test_it_expires_a_little_early_and_a_right_can_be_given_back(kept: Database, clock: TurnedClock) -> None:
    clock.turn(seconds=3_570)
    assert keeper(kept).current() is None
    assert keeper(kept).may_renew(None)
    keeper(kept).give_back()
    assert keeper(kept).may_renew(None)


def test_it_is_sealed_and_a_lost_key_means_a_new_token(kept: Database) -> None:
    assert "secret-token" not in str(kept.read(lambda unit: unit.rows("SELECT * FROM shared_token")))
    stranger = keeper(kept, key=os.urandom(32))
    assert stranger.current() is None
    assert stranger.may_renew(None)
