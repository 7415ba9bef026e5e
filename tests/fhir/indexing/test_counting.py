"""Counters say what counting would, whatever is written, changed, taken away or rolled back, settled or not."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest

from kiungo.base.errors import Conflict
from kiungo.fhir.indexing.counting import count_of, counted_keys, settle_counts, type_key
from kiungo.fhir.indexing.parameters import parameters_of
from kiungo.fhir.model import RESOURCE_EXISTS
from kiungo.fhir.own_parameters.register import STANDARD_WALK, start_walk
from kiungo.fhir.own_parameters.reindexing import walk
from kiungo.fhir.prepare import prepare
from kiungo.kernel.database import Database, Unit, open_database
from kiungo.kernel.database.backup import backup
from kiungo.kernel.database.restore import restore
from tests.fhir.conftest import Server, patient

TOKENS = "SELECT k, hash, system, count(*) FROM fhir_token GROUP BY k, hash, system"
TYPES = "SELECT tn, type, count(*) FROM fhir_resource WHERE deleted = 0 GROUP BY tn, type"


def assert_counted(database: Database) -> None:
    """Every counter is what counting finds, and none says that there is what is not there."""

    def check(unit: Unit) -> None:
        counted = counted_keys()
        tokens = {(k, code, s): n for k, code, s, n in unit.rows(TOKENS) if k % (1 << 14) in counted}
        for (k, code, system), n in tokens.items():
            assert count_of(unit, k, code, system) == n
        types = {type_key(tenant, number): n for tenant, number, n in unit.rows(TYPES)}
        for key, n in types.items():
            assert count_of(unit, key) == n
        for k, code, system, n in unit.rows("SELECT k, hash, system, n FROM fhir_count"):
            pending = count_of(unit, k, code, system)
            assert pending == (types.get(k, 0) if k < 0 else tokens.get((k, code, system), 0)), (k, code, system, n)

    database.read(check)


def observation(code: str, **more: Any) -> dict[str, Any]:
    coding = [{"system": "http://loinc.org", "code": code}]
    return {"resourceType": "Observation", "status": "final", "code": {"coding": coding}, **more}


def total(server: Server, path: str) -> int:
    answer = server.ask("GET", f"{path}&_summary=count")
    assert answer.status_code == 200, answer.text
    return int(answer.json()["total"])


def test_totals_follow_every_kind_of_write(server: Server) -> None:
    rng, kept = Random(5), dict[str, str]()
    for step in range(60):
        name, code = f"o{rng.randrange(12)}", f"c{rng.randrange(3)}"
        if rng.random() < 0.3:
            server.ask("DELETE", f"/Observation/{name}")
            kept.pop(name, None)
        else:
            more = {"id": name, "status": rng.choice(("final", "amended"))}
            assert server.ask("PUT", f"/Observation/{name}", observation(code, **more)).status_code in (200, 201)
            kept[name] = code
        if step % 20 == 10:
            settle_counts(server.database)
        if step % 6 == 0:
            assert total(server, "/Observation?_count=0") == len(kept)
            for wanted in ("c0", "c1", "c2"):
                number = sum(code == wanted for code in kept.values())
                assert total(server, f"/Observation?code=http://loinc.org|{wanted}") == number
                assert total(server, f"/Observation?code={wanted}") == number
    assert_counted(server.database)
    settle_counts(server.database)
    assert_counted(server.database)


def test_a_code_of_two_systems_in_one_record_is_one_record(server: Server) -> None:
    both = [{"system": "urn:a", "code": "x"}, {"system": "urn:b", "code": "x"}]
    for codings in (both, both[:1], both[1:]):
        server.ask("POST", "/Observation", {**observation("x"), "code": {"coding": codings}})
    assert total(server, "/Observation?code=x") == 3
    assert total(server, "/Observation?code=urn:a|x") == 2


def test_what_is_rolled_back_is_not_counted(server: Server) -> None:
    server.ask("PUT", "/Patient/p1", patient(id="p1"))

    def fails(unit: Unit) -> None:
        server.store.repository.create(unit, server.call, prepare(observation("c1")))
        raise Conflict(RESOURCE_EXISTS, "as if something else had failed")

    with pytest.raises(Conflict):
        server.database.write(fails)
    assert total(server, "/Observation?_count=0") == 0
    assert_counted(server.database)


def test_writers_beside_each_other_and_beside_the_settling(server: Server) -> None:
    create = server.store.repository.create

    def write(number: int) -> None:
        if number % 5 == 0:
            settle_counts(server.database)
        made = prepare(observation(f"c{number % 2}"))
        server.database.write(lambda unit: create(unit, server.call, made))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(40)))
    assert total(server, "/Observation?_count=0") == 40
    assert total(server, "/Observation?code=c1") == 20
    assert_counted(server.database)


def test_rows_that_reindexing_finds_missing_are_counted_once(server: Server) -> None:
    for n in range(6):
        server.ask("PUT", f"/Observation/o{n}", observation(f"c{n % 2}", id=f"o{n}"))
    key = (1 << 14) + parameters_of("Observation")["code"].key

    def lose(unit: Unit) -> None:
        """As if a release before this one had not indexed the code, and counted nothing of it."""
        unit.execute("DELETE FROM fhir_token WHERE k = ?", (key,))
        unit.execute("DELETE FROM fhir_count WHERE k = ?", (key,))
        start_walk(unit, 1, STANDARD_WALK)

    settle_counts(server.database)
    server.database.write(lose)
    # A change meanwhile takes nothing away that was never counted.
    server.ask("PUT", "/Observation/o0", observation("c1", id="o0"))
    server.ask("DELETE", "/Observation/o1")
    for _ in range(2):
        server.database.write(lambda unit: walk(unit, 1, STANDARD_WALK))
        assert_counted(server.database)
    assert total(server, "/Observation?code=c1") == 3


@pytest.mark.parametrize("settled", [True, False])
def test_a_purge_takes_its_records_out_of_the_counters(server: Server, settled: bool) -> None:
    one, other = (f"Patient/{server.create(patient())['id']}" for _ in range(2))
    for person in (one, one, other):
        server.create(observation("c1", subject={"reference": person}))
    gone = server.create(observation("c1", subject={"reference": one}))
    server.ask("DELETE", f"/Observation/{gone['id']}")
    if settled:
        settle_counts(server.database)
    key = server.new_key("system/*.cruds", "purge:records")
    answer = server.ask("POST", f"/{one}/$purge?dryRun=false", key=key)
    assert answer.status_code == 200, answer.text
    assert (total(server, "/Observation?_count=0"), total(server, "/Patient?_count=0")) == (1, 1)
    assert_counted(server.database)


def test_counters_come_back_with_a_backup(server: Server, tmp_path: Path) -> None:
    """Some settled, some waiting: what is restored counts the same, and goes on counting."""
    for n in range(6):
        server.create(observation(f"c{n % 2}"))
        if n == 3:
            settle_counts(server.database)
    backup(server.database.url, tmp_path / "kept")
    server.create(observation("c1"))
    restore(tmp_path / "kept", f"sqlite:///{tmp_path / 'restored.db'}")
    restored = open_database(f"sqlite:///{tmp_path / 'restored.db'}")
    try:
        assert_counted(restored)
        made = prepare(observation("c1"))
        restored.write(lambda unit: server.store.repository.create(unit, server.call, made))
        settle_counts(restored)
        assert_counted(restored)
    finally:
        restored.close()
