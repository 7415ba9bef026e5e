"""From a URL to a database."""

from kiungo.base.errors import Incorrect, define
from kiungo.base.time import Clock, SystemClock
from kiungo.kernel.database.interface import Database
from kiungo.kernel.database.postgresql import PostgresqlDatabase
from kiungo.kernel.database.sqlite import SqliteDatabase

DATABASE_URL_WRONG = define("DATABASE_URL_WRONG", Incorrect, "KIUNGO_DATABASE_URL names no engine we know.")


def open_database(url: str, *, clock: Clock | None = None, stepped: bool = False) -> Database:
    """Open `sqlite:///path/to.db` or `postgresql://...`; `stepped` runs every unit in the calling thread.

    Raises: Incorrect DATABASE_URL_WRONG; Unavailable when the server does not answer.
    """
    if url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        return SqliteDatabase(url, clock=clock or SystemClock(), stepped=stepped)
    if url.startswith(("postgresql://", "postgres://")):
        return PostgresqlDatabase(url, clock=clock or SystemClock(), stepped=stepped)
    raise Incorrect(
        DATABASE_URL_WRONG,
        f"The database URL {url.rsplit('@', maxsplit=1)[-1]!r} is neither sqlite:/// with a path nor postgresql://",
        field="KIUNGO_DATABASE_URL",
        hint="Use sqlite:///.kiungo/kiungo.db or postgresql://user:password@host/name",
    )
