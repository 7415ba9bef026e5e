"""Where a schema stands, and bringing it forward: never back, and never onto one newer than this program.

A revision is read with plain SQL and the newest one from the names of the files. Alembic and SQLAlchemy, twenty
megabytes and half a second, are loaded only where there is something to migrate.
"""

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import psycopg

from kiungo.base.errors import Conflict, Unavailable, define
from kiungo.kernel.database.unit import DATABASE_UNAVAILABLE

SCHEMA_NEWER = define(
    "SCHEMA_NEWER", Conflict, "The database was migrated by a newer program than this one; start that one."
)
SCHEMA_BEHIND = define("SCHEMA_BEHIND", Conflict, "The database lacks migrations; run `kiungo migrate`.")

REVISION = "SELECT version_num FROM alembic_version"
BUSY_TIMEOUT_S = 30
_FILE = re.compile(r"([0-9]{4})_[a-z_]+\.py\Z")


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
    """Read the schema's revision without changing anything. Raises: Unavailable."""
    known = revisions()
    current = _current(url)
    return SchemaState(current, max(known), current is None or current in known)


def revisions() -> frozenset[str]:
    """The numbers of this program's migrations, as their files are named."""
    names = (file.name for file in (files("kiungo.kernel") / "migrations" / "versions").iterdir())
    return frozenset(match[1] for match in map(_FILE.match, names) if match)


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

    Raises: Conflict SCHEMA_NEWER, Unavailable.
    """
    if url.startswith("sqlite:///"):
        _path(url).parent.mkdir(parents=True, exist_ok=True)  # a new file may be the first thing in its folder
    state = schema_state(url)
    refuse_newer(state)
    if state.up_to_date:
        return state
    import_module("kiungo.kernel.database.upgrading").upgrade(url)
    return schema_state(url)


def refuse_newer(state: SchemaState) -> None:
    """Refuse a schema this program does not know. Raises: Conflict SCHEMA_NEWER."""
    if not state.known:
        raise Conflict(
            SCHEMA_NEWER,
            f"The database is at {state.current}, which this program (up to {state.newest}) does not know",
            hint="Run the newer version of kiungo that migrated it",
        )


def unavailable(url: str) -> Unavailable:
    """What is said of a database that does not answer, or whose file cannot be opened."""
    return Unavailable(
        DATABASE_UNAVAILABLE,
        f"The database at {url.rpartition('@')[2]} cannot be opened",
        field="KIUNGO_DATABASE_URL",
        hint="Check the address, that the server runs, and that this user may open it",
    )


def _current(url: str) -> str | None:
    if url.startswith("sqlite:///"):
        return _current_of_file(url)
    try:
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
            row = connection.execute(REVISION).fetchone() if found and found[0] else None
    except psycopg.OperationalError as error:
        raise unavailable(url) from error
    return str(row[0]) if row else None


def _current_of_file(url: str) -> str | None:
    path = _path(url)
    if not path.exists():
        return None  # connecting would make the file
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as connection:
            found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
            row = connection.execute(REVISION).fetchone() if found else None
    except sqlite3.OperationalError as error:
        raise unavailable(url) from error
    except sqlite3.DatabaseError as error:
        raise Unavailable(
            DATABASE_UNAVAILABLE,
            f"{path} is not a SQLite database",
            field="KIUNGO_DATABASE_URL",
            hint="Check the address; a backup is loaded with `kiungo restore`",
        ) from error
    return str(row[0]) if row else None


def _path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))
