"""How commands reach the database the settings name."""

from collections.abc import Iterator
from contextlib import contextmanager

from kiungo.kernel.config import load_settings
from kiungo.kernel.database import Database, open_database
from kiungo.kernel.database.migrate import require_current


@contextmanager
def opened_database() -> Iterator[Database]:
    """The database of KIUNGO_DATABASE_URL, at this program's schema. Raises: Incorrect, Conflict, Unavailable."""
    settings = load_settings()
    require_current(settings.database_url)
    database = open_database(settings.database_url)
    try:
        yield database
    finally:
        database.close()
