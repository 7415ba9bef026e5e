"""Fixtures every test may use: a migrated database on both engines, and a clock that can be turned."""

import asyncio
import gc
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from kiungo.app.warmth import MIDDLE_ROUNDS, OLD_ROUNDS, YOUNG_OBJECTS
from kiungo.base.time import SystemClock, TurnedClock
from kiungo.kernel.database import Database, migrate, open_database

from .postgresql import LentDatabase, running_server
from .trust import write_certificate

ENGINES = ("sqlite", "postgresql")
EXAMPLES = int(os.environ.get("KIUNGO_TEST_EXAMPLES", "40"))
"""For each property that does not say how many it wants; `make test-slow` takes more."""
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)

settings.register_profile("kiungo", max_examples=EXAMPLES)
settings.load_profile("kiungo")


def pytest_collection_finish() -> None:
    """Hundreds of thousands of objects of modules and definitions live as long as the session: `serve` does not have
    the collector walk them again and again either.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, MIDDLE_ROUNDS, OLD_ROUNDS)


@pytest.fixture(scope="session", autouse=True)
def trusted_certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whom this session's HTTP clients trust; servers in processes of their own inherit it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(write_certificate(tmp_path_factory.mktemp("trust") / "one.pem")))
        yield


@pytest.fixture(scope="session", autouse=True)
def servers_that_stop_soon() -> Iterator[None]:
    """uvicorn looks ten times a second whether it should stop, and waits as long for its connections to end.

    Hundreds of tests start a real server: together they would stand still for minutes.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uvicorn.server.asyncio", Quicker())
        yield


class Quicker:
    """asyncio, with pauses of a twentieth; only for the module that waits for its own end."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s / 20)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, copied for each test: migrating each time would cost seconds."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    migrate(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        [(busy, _, _)] = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert not busy, "the template's last pages stayed in its log, and copies would miss them"
    return path


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A real PostgreSQL for the session, and a migrated template database in it; yields the template's URL."""
    with running_server() as template:
        yield template


@pytest.fixture(scope="session")
def lent_database(postgresql_server: str) -> Iterator[LentDatabase]:
    """The database that this session's tests use one after the other."""
    lent = LentDatabase(postgresql_server)
    yield lent
    lent.close()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each test that stores something runs on both engines."""
    return str(request.param)


@pytest.fixture
def database_url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh, migrated database."""
    if engine == "sqlite":
        path = tmp_path / "kiungo.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    lent: LentDatabase = request.getfixturevalue("lent_database")
    yield lent.lend()
    lent.take_back()


@pytest.fixture
def clock() -> TurnedClock:
    """A clock that stands still until the test turns it."""
    return TurnedClock(START)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh, migrated database with its threads running and the machine's clock."""
    database = open_database(database_url, clock=SystemClock())
    yield database
    database.close()


@pytest.fixture
def stepped_database(database_url: str, clock: TurnedClock) -> Iterator[Database]:
    """A fresh, migrated database that runs every unit in the calling thread, on the turned clock."""
    database = open_database(database_url, clock=clock, stepped=True)
    yield database
    database.close()
