"""`python -m benchmarks.fhir.arrays [PEOPLE]`: on PostgreSQL, narrow index tables against an array of tokens with GIN.

The population is loaded as always. From its index rows a second form is made: one row for each resource with all its
tokens, references and the patient's compartment as numbers in one array. Then both answer the same searches and take
in the same resources. Figures and plans of decision 0019.
"""

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import psycopg

from benchmarks.engines import Place, place
from benchmarks.fhir import population
from kiungo.fhir.indexing.index_rows import key_base
from kiungo.fhir.indexing.parameters import parameters_of
from kiungo.fhir.indexing.values import hash64, target_of
from kiungo.fhir.loading import find_files, load
from kiungo.fhir.store import Store
from kiungo.kernel.audit import Reads
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import migrate, open_database

PEOPLE = 600
REPEATS = 60
GROUP = 1_000
NARROW = ("fhir_token", "fhir_reference", "fhir_compartment")
ARRAY_ROWS = """
    SELECT r.rid, r.sort_ms, array_agg(DISTINCT x.number) FROM fhir_resource r JOIN (
        SELECT rid, hashint8extended(hash, k) AS number FROM fhir_token
        UNION ALL SELECT rid, hashint8extended(target, k) FROM fhir_reference
        UNION ALL SELECT rid, hashint8extended(target, 0) FROM fhir_compartment
    ) x ON x.rid = r.rid GROUP BY r.rid, r.sort_ms"""
Search = tuple[str, str, tuple[Any, ...], str, tuple[Any, ...]]


def searches(people: int) -> list[Search]:
    """The same question in both forms. Shapes: name, SQL and values of the narrow form, those of the array."""
    key = {name: key_base(1) + parameters_of("Observation")[name].key for name in ("code", "category", "status")}
    patient = target_of("Patient", f"p{people // 2}")
    weight, nothing = hash64("29463-7"), hash64("no such code")
    vital, final = hash64("vital-signs"), hash64("final")
    one = "SELECT rid FROM fhir_token WHERE k = %s AND hash = %s ORDER BY sort_ms DESC, rid DESC LIMIT 20"
    both = (
        "FROM fhir_token d WHERE d.k = %s AND d.hash = %s AND EXISTS (SELECT 1 FROM fhir_token x WHERE x.k = %s "
        "AND x.hash = %s AND x.sort_ms = d.sort_ms AND x.rid = d.rid)"
    )
    of_patient = (
        "SELECT rid FROM fhir_compartment WHERE k = %s AND target = %s AND hash = %s "
        "ORDER BY sort_ms DESC, rid DESC LIMIT 20"
    )
    number = "hashint8extended(%s::bigint, %s)"
    newest = "SELECT rid FROM spike WHERE tokens @> ARRAY[{}] ORDER BY sort_ms DESC, rid DESC LIMIT 20"
    counted = "SELECT count(*) FROM spike WHERE tokens @> ARRAY[{}]"
    single, double = newest.format(number), newest.format(f"{number}, {number}")
    code, categories = (key["code"], weight), (key["category"], vital, key["status"], final)
    return [
        ("patient and code, newest 20", of_patient, (key["code"], patient, weight), double, (patient, 0, *code[::-1])),
        ("a common code, newest 20", one, code, single, code[::-1]),
        ("a code nothing has", one, (key["code"], nothing), single, (nothing, key["code"])),
        (
            "two common tokens, newest 20",
            f"SELECT d.rid {both} ORDER BY d.sort_ms DESC, d.rid DESC LIMIT 20",
            categories,
            double,
            (vital, key["category"], final, key["status"]),
        ),
        (
            "how many have a common code",
            "SELECT count(*) FROM fhir_token WHERE k = %s AND hash = %s",
            code,
            counted.format(number),
            code[::-1],
        ),
        (
            "how many have two common tokens",
            f"SELECT count(*) {both}",
            categories,
            counted.format(f"{number}, {number}"),
            (vital, key["category"], final, key["status"]),
        ),
    ]


def main(people: int) -> None:
    """Print tables and plans."""
    with place("postgresql") as here:
        _load(here, people)
        with psycopg.connect(here.url, autocommit=True) as connection:
            _build(connection)
            _written(connection, here)
            for name, narrow, values, array, numbers in searches(people):
                _asked(connection, name, narrow, values, array, numbers)


def _load(here: Place, people: int) -> None:
    migrate(here.url)
    database = open_database(here.url)
    try:
        file = here.folder / "population.ndjson"
        print(f"{population.write(file, people):,} resources of {people:,} people")
        store = Store(database, Reads(database), base_url="http://127.0.0.1/fhir", link_key=b"")
        load(store, system_call(1), find_files(file), lambda *_: None, lambda _: None)
    finally:
        database.close()


def _build(connection: psycopg.Connection[Any]) -> None:
    connection.execute("CREATE TABLE spike (rid BIGINT PRIMARY KEY, sort_ms BIGINT NOT NULL, tokens BIGINT[] NOT NULL)")
    connection.execute("CREATE INDEX spike_tokens ON spike USING gin (tokens)")
    connection.execute("CREATE INDEX spike_sorted ON spike (sort_ms DESC, rid DESC)")
    connection.execute(f"CREATE TABLE spike_source AS {ARRAY_ROWS}")
    connection.execute("CREATE INDEX ON spike_source (rid)")
    for table in NARROW:
        connection.execute(f"CREATE TABLE source_{table} AS SELECT * FROM {table}")
        connection.execute(f"CREATE INDEX ON source_{table} (rid)")
        connection.execute(f"TRUNCATE {table}")
    connection.execute("ANALYZE")


def _written(connection: psycopg.Connection[Any], here: Place) -> None:
    """Both forms take in the same resources, a thousand in a unit. `vacuum` is what GIN's pending list puts off."""
    count, _ = connection.execute("SELECT count(*), 0 FROM spike_source").fetchone() or (0, 0)

    def fill(table: str, source: str) -> None:
        for start in range(0, count + GROUP, GROUP):
            part = f"SELECT * FROM {source} WHERE rid > {start} AND rid <= {start + GROUP}"
            connection.execute(f"INSERT INTO {table} {part}")

    def narrow() -> None:
        for table in NARROW:
            fill(table, f"source_{table}")

    for name, tables, work in (
        ("narrow", NARROW, narrow),
        ("array", ("spike",), lambda: fill("spike", "spike_source")),
    ):
        cpu_s = _cpu_s(here, work)
        vacuum_s = _cpu_s(here, lambda tables=tables: connection.execute(f"VACUUM ANALYZE {', '.join(tables)}"))
        sizes = (connection.execute("SELECT pg_total_relation_size(%s)", (table,)).fetchone() for table in tables)
        size = sum(row[0] for row in sizes if row)
        written_us, vacuum_us = cpu_s / count * 1e6, vacuum_s / count * 1e6
        print(f"{name}: {written_us:.0f} us to write, {vacuum_us:.0f} us vacuum, {size / count:.0f} bytes for each")


def _cpu_s(here: Place, work: Callable[[], object]) -> float:
    before_s = here.other_cpu_s()
    work()
    return here.other_cpu_s() - before_s


def _asked(
    connection: psycopg.Connection[Any],
    name: str,
    narrow: str,
    values: tuple[Any, ...],
    array: str,
    numbers: tuple[Any, ...],
) -> None:
    print(f"\n{name}")
    found = []
    for form, sql, given in (("narrow", narrow, values), ("array", array, numbers)):
        rows = connection.execute(sql, given).fetchall()
        found.append(rows)
        took = []
        for _ in range(REPEATS):
            started_s = time.perf_counter()
            connection.execute(sql, given).fetchall()
            took.append(time.perf_counter() - started_s)
        plan = [row[0] for row in connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {sql}", given)]
        nodes = [line.strip() for line in plan if "rows=" in line or "Buffers" in line]
        print(f"  {form}: p50 {median(took) * 1e3:.2f} ms\n    " + "\n    ".join(nodes[:6]))
    assert found[0] == found[1], f"{name}: the two forms answer differently"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PEOPLE)
