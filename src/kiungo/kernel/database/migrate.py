"""Schema migrations: forward only, and never onto a schema newer than this program."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from kiungo.base.errors import Conflict, Unavailable, define
from kiungo.kernel.database.unit import DATABASE_UNAVAILABLE

SCHEMA_NEWER = define(
    "SCHEMA_NEWER", Conflict, "The database was migrated by a newer program than this one; start that one."
)
SCHEMA_BEHIND = define("SCHEMA_BEHIND", Conflict, "The database lacks migrations; run `kiungo migrate`.")

MIGRATION_LOCK = 7_120_415


@dataclass(frozen=True, slots=True)
class SchemaState:
    """Where a database's schema stands, and where this program's migrations end."""

    current: str | None
    newest: str
    known: bool

    @property
    def up_to_date(self) -> bool:
        """Nothing to migrate."""
        return self.current == self.newest


def schema_state(url: str) -> SchemaState:
    """Read the schema's revision without changing anything."""
    script = ScriptDirectory.from_config(_config())
    newest = script.get_current_head()
    if newest is None:
        raise AssertionError("the package has no migrations")
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        return SchemaState(None, newest, True)  # connecting would make the file
    with _connected(url) as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    revisions = {revision.revision for revision in script.walk_revisions()}
    return SchemaState(current, newest, current is None or current in revisions)


def require_current(url: str) -> None:
    """Refuse to run on a schema that is newer or behind. Raises: Conflict SCHEMA_NEWER, SCHEMA_BEHIND."""
    state = schema_state(url)
    refuse_newer(state)
    if not state.up_to_date:
        raise Conflict(
            SCHEMA_BEHIND,
            f"The database is at {state.current or 'nothing'}, this program needs {state.newest}",
            hint="Run `kiungo migrate`",
        )


def migrate(url: str) -> SchemaState:
    """Bring the schema forward to this program's newest revision; several processes may call at once.

    Raises: Conflict SCHEMA_NEWER.
    """
    _make_folder(url)
    refuse_newer(schema_state(url))
    with _connected(url) as connection:
        _lock(connection)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
    return schema_state(url)


def refuse_newer(state: SchemaState) -> None:
    """Refuse a schema this program does not know. Raises: Conflict SCHEMA_NEWER."""
    if not state.known:
        raise Conflict(
            SCHEMA_NEWER,
            f"The database is at {state.current}, which this program (up to {state.newest}) does not know",
            hint="Run the newer version of kiungo that migrated it",
        )


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    """A connection of its own. Raises: Unavailable when the database does not answer or the file cannot be opened."""
    engine = create_engine(_sqlalchemy_url(url), poolclass=NullPool)
    try:
        connection = engine.connect()
    except OperationalError as error:
        raise Unavailable(
            DATABASE_UNAVAILABLE,
            f"The database at {url.rpartition('@')[2]} cannot be opened",
            field="KIUNGO_DATABASE_URL",
            hint="Check the address, that the server runs, and that this user may open it",
        ) from error
    with connection:
        yield connection


def _make_folder(url: str) -> None:
    """A new SQLite file may be the first thing in its folder."""
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)


def _lock(connection: Connection) -> None:
    """One migrator at a time: a session lock on PostgreSQL, the write lock on SQLite."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    else:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        connection.exec_driver_sql("PRAGMA busy_timeout=30000")
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("kiungo.kernel") / "migrations"))
    return config


def _sqlalchemy_url(url: str) -> str:
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url
