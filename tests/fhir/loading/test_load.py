"""Files into the store: everything once, wrong ones told and left out, and a stop loses nothing."""

import gzip
import json
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from kiungo.base.errors import Incorrect
from kiungo.fhir.loading import Loaded, find_files, load, sources, workers
from kiungo.fhir.loading.entries import Refused
from kiungo.fhir.store import Store
from kiungo.kernel.audit import Reads
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import Database
from tests.fhir.conftest import BASE, observation, patient

CALL = system_call(1)
Load = Callable[..., tuple[Loaded, list[Refused]]]


@pytest.fixture
def store(database: Database) -> Store:
    reserved = {"urn:kiungo:payor:claim": "the claims API"}
    return Store(database, Reads(database), base_url=BASE, link_key=b"k" * 32, reserved=reserved)


@pytest.fixture
def load_all(store: Store, tmp_path: Path) -> Load:
    def run(place: Path = tmp_path, **given: Any) -> tuple[Loaded, list[Refused]]:
        refused: list[Refused] = []
        given = {"workers": 0, "progress": lambda *_: None} | given
        return load(store, CALL, find_files(place), report=refused.extend, **given), refused

    return run


def written(path: Path, *resources: Any) -> Path:
    lines = b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in resources)
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path


def people(count: int) -> list[dict[str, Any]]:
    return [patient(id=f"p-{n}") for n in range(count)] + [
        observation(f"Patient/p-{n}", id=f"o-{n}", valueQuantity={"value": n}) for n in range(count)
    ]


def current(store: Store, reference: str) -> dict[str, Any]:
    kind, _, logical_id = reference.partition("/")
    found = store.database.read(lambda unit: store.repository.read(unit, CALL, kind, logical_id))
    tree: dict[str, Any] = json.loads(found.body)
    return tree


def count(store: Store, sql: str) -> int:
    found: int = store.database.read(lambda unit: unit.value(sql))
    return found


def test_lines_compressed_or_not_are_written_indexed_and_audited(store: Store, load_all: Load, tmp_path: Path) -> None:
    some = people(6)
    written(tmp_path / "one.ndjson", *some[:8])
    written(tmp_path / "two.ndjson.gz", *some[8:], b"")
    done, refused = load_all()
    assert (done.files, done.created, refused) == (2, 12, [])
    assert current(store, "Observation/o-3")["subject"]["reference"] == "Patient/p-3"
    page = store.database.read(lambda unit: store.search_in(unit, CALL, "Observation", [("patient", "p-3")]))
    assert [e["resource"]["id"] for e in json.loads(page)["entry"]] == ["o-3"]
    assert count(store, "SELECT count(*) FROM audit WHERE action = 'create'") == 12
    assert count(store, "SELECT count(*) FROM audit WHERE person = 'p-3'") == 2


@pytest.mark.parametrize("engine", ["sqlite"])
def test_worker_processes_prepare_the_same(
    store: Store, load_all: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "LINES_IN_PART", 2)
    seen: list[bool] = []

    def up_after_two(started: Future[bool]) -> bool:
        seen.append(len(seen) >= 2 and started.result())
        return seen[-1]

    monkeypatch.setattr(workers, "_is_up", up_after_two)
    written(tmp_path / "one.ndjson", *people(4), b"{}")
    done, refused = load_all(workers=1)
    assert (done.created, len(refused), seen) == (8, 1, [False, False, True, True, True])
    assert current(store, "Observation/o-0")["valueQuantity"]["value"] == 0


def test_what_was_loaded_is_not_loaded_twice_unless_asked(store: Store, load_all: Load, tmp_path: Path) -> None:
    path = written(tmp_path / "one.ndjson", *people(2))
    assert load_all()[0].created == 4
    again, _ = load_all()
    assert (again.created, again.unchanged, again.skipped) == (0, 0, 1)
    asked, _ = load_all(again="2")
    assert (asked.created, asked.unchanged) == (0, 4)
    written(path, patient(id="p-0", gender="other"), *people(2)[1:])
    changed, _ = load_all()
    assert (changed.updated, changed.unchanged) == (1, 3)
    assert current(store, "Patient/p-0")["meta"]["versionId"] == "2"


def test_a_stop_between_two_parts_is_gone_on_with(
    store: Store, load_all: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "LINES_IN_PART", 3)
    written(tmp_path / "one.ndjson", *people(5), b"wrong")
    seen: list[int] = []

    def stop(_what: str, done: int, _total: int) -> None:
        seen.append(done)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_all(progress=stop)
    assert count(store, "SELECT count(*) FROM fhir_resource") == 6
    done, refused = load_all()
    assert (done.skipped, done.created, len(refused)) == (2, 4, 1)
    assert count(store, "SELECT count(*) FROM fhir_resource") == 10
    assert count(store, "SELECT count(*) FROM audit WHERE action = 'create'") == 10


def test_a_bundle_keeps_its_references_together(store: Store, load_all: Load, tmp_path: Path) -> None:
    urn = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
    entries = [
        {"fullUrl": urn, "resource": patient(id="a")},
        {"fullUrl": "urn:uuid:other", "resource": observation(urn, id="b")},
        {"resource": observation(f"{BASE}/Patient/a", id="c")},
        {"resource": observation("urn:uuid:nobody", id="d")},
        {"resource": observation("Patient?identifier=x", id="e")},
    ]
    written(tmp_path / "bundle.json", {"resourceType": "Bundle", "type": "collection", "entry": entries})
    done, refused = load_all()
    assert done.created == 3
    assert current(store, "Observation/b")["subject"]["reference"] == "Patient/a"
    assert current(store, "Observation/c")["subject"]["reference"] == "Patient/a"
    assert [(one.line, one.code) for one in refused] == [(4, "REFERENCE_UNRESOLVED"), (5, "REFERENCE_UNRESOLVED")]


def test_what_is_wrong_is_told_with_its_line_and_without_its_content(load_all: Load, tmp_path: Path) -> None:
    written(
        tmp_path / "one.ndjson",
        patient(id="ok"),
        b"{",
        {"resourceType": "Patient", "birthDate": "yesterday", "name": [{"family": "Secret"}]},
        {"resourceType": "Nothing"},
        {"resourceType": "Claim", "id": "c", "identifier": [{"system": "urn:kiungo:payor:claim", "value": "1"}]}
        | {"status": "active", "use": "claim", "type": {"text": "x"}, "created": "2024", "priority": {"text": "x"}}
        | {"patient": {"reference": "Patient/ok"}, "provider": {"display": "x"}}
        | {"insurance": [{"sequence": 1, "focal": True, "coverage": {"display": "x"}}]},
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": "Patient", "id": 7}}]},
        patient(id="not an id"),
    )
    done, refused = load_all()
    assert done.created == 1
    assert sorted((one.line, one.code) for one in refused) == [
        (1, "RESOURCE_INVALID"),
        (2, "JSON_MALFORMED"),
        (3, "RESOURCE_INVALID"),
        (4, "RESOURCE_INVALID"),
        (5, "RESOURCE_RESERVED"),
        (7, "RESOURCE_INVALID"),
    ]
    assert "Secret" not in str(refused)
    assert next(one for one in refused if one.line == 3).details[0].field == "Patient.birthDate"


def test_the_same_id_twice_is_two_versions_and_no_id_is_a_new_one(store: Store, load_all: Load, tmp_path: Path) -> None:
    one = observation("Patient/x", id="same")
    written(
        tmp_path / "one.ndjson", one, one | {"status": "amended"}, observation("Patient/x"), observation("Patient/x")
    )
    done, _ = load_all()
    assert (done.created, done.updated) == (3, 1)
    assert current(store, "Observation/same")["status"] == "amended"


def test_decimals_keep_their_digits_and_a_document_stays_whole(store: Store, load_all: Load, tmp_path: Path) -> None:
    text = json.dumps(observation("Patient/x", id="d")).replace("72", "7.20").encode()
    document = {"resourceType": "Bundle", "id": "doc", "type": "message", "entry": [{"resource": patient(id="in")}]}
    written(tmp_path / "one.ndjson", text, document)
    assert load_all()[0].created == 2
    found = store.database.read(lambda unit: store.repository.read(unit, CALL, "Observation", "d"))
    assert b"7.20" in found.body
    assert count(store, "SELECT count(*) FROM fhir_resource") == 2


@pytest.mark.parametrize("name", ["empty", "notes.txt", "cut.ndjson.gz"])
def test_what_cannot_be_read_is_refused(load_all: Load, tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    if name == "empty":
        place.mkdir()
    else:
        place.write_bytes(gzip.compress(b"{}\n" * 100)[:20] if name.endswith(".gz") else b"hello")
    with pytest.raises(Incorrect) as refused:
        load_all(place)
    assert refused.value.code == "LOAD_FILE_WRONG"
    assert refused.value.hint


def test_a_load_tells_the_planner_how_much_it_changed(
    store: Store, load_all: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "a.ndjson", *people(3))
    changed: list[int] = []
    monkeypatch.setattr(store.database, "gather_statistics", changed.append)
    load_all()
    load_all(again="once more")
    assert changed == [6, 0]
