"""Alembic at work: the migrations that a schema lacks, under a lock, in one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from kiungo.kernel.database.migrate import unavailable

MIGRATION_LOCK = 7_120_415


def upgrade(url: str) -> None:
    """Run what is missing; who comes second waits, and finds nothing to do. Raises: Unavailable."""
    with _connected(url) as connection:
        _lock(connection)
        config = Config()
        config.set_main_option("script_location", str(files("kiungo.kernel") / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    """A connection of its own. Raises: Unavailable when the database does not answer or the file cannot be opened."""
    engine = create_engine(_sqlalchemy_url(url), poolclass=NullPool)
    try:
        connection = engine.connect()
    except OperationalError as error:
        raise unavailable(url) from error
    with connection:
        yield connection


def _lock(connection: Connection) -> None:
    """One migrator at a time: a session lock on PostgreSQL, the write lock on SQLite."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    else:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        connection.exec_driver_sql("PRAGMA busy_timeout=30000")
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _sqlalchemy_url(url: str) -> str:
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url
