"""Two processes on one database: what one registers, an event of the other finds at once."""

import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest

from kiungo.base.time import SystemClock
from kiungo.kernel.database import Database, open_database
from kiungo.kernel.webhooks import Webhooks

URL = "http://127.0.0.1:9/hook"
EVENT = "claim_status_update"


@pytest.fixture
def other(database_url: str, database: Database) -> Iterator[Database]:
    """The same database as another process has it open."""
    opened = open_database(database_url, clock=SystemClock())
    yield opened
    opened.close()


def emit(webhooks: Webhooks, database: Database, owner: str) -> int:
    return database.write(
        lambda unit: webhooks.emit(unit, tenant=1, owner=owner, event=EVENT, payload={"x": 1}, subject="s")
    )


def test_an_event_after_a_registration_elsewhere_is_queued(
    database: Database, other: Database, make_webhooks: Callable[..., Webhooks]
) -> None:
    here, there = make_webhooks(database), make_webhooks(other)
    for number in range(20):
        owner = f"provider:{number}"
        assert emit(here, database, owner) == 0
        endpoint, _ = other.write(
            lambda unit, owner=owner: there.register(unit, tenant=1, owner=owner, url=URL, events=[EVENT])
        )
        assert emit(here, database, owner) == 1
        other.write(lambda unit, endpoint=endpoint: there.delete(unit, endpoint))
        assert emit(here, database, owner) == 0


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_whoever_could_not_listen_for_a_while_looks_again(other: Database) -> None:
    heard = threading.Event()
    other.wakes.subscribe("any", heard.set)
    with psycopg.connect(other.url, autocommit=True) as connection:
        ended = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        ).fetchone()
    assert ended is not None
    assert ended[0] >= 1
    assert heard.wait(10)
