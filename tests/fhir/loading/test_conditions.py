"""References by search in files: found in the store, in other files, in the same file; never guessed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kiungo.fhir.loading import Loaded, find_files, load, sources
from kiungo.fhir.loading.entries import Refused
from kiungo.fhir.store import Store
from kiungo.kernel.audit import Reads
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import Database
from tests.fhir.conftest import BASE, observation, patient

CALL = system_call(1)
Load = Callable[..., tuple[Loaded, list[Refused]]]
NPI = "http://example.org/npi"


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database, Reads(database), base_url=BASE, link_key=b"k" * 32)


@pytest.fixture
def load_all(store: Store, tmp_path: Path) -> Load:
    def run(**given: Any) -> tuple[Loaded, list[Refused]]:
        refused: list[Refused] = []
        given = {"workers": 0, "progress": lambda *_: None} | given
        return load(store, CALL, find_files(tmp_path), report=refused.extend, **given), refused

    return run


def doctor(id: str | None, number: str) -> dict[str, Any]:
    made = {"resourceType": "Practitioner", "identifier": [{"system": NPI, "value": number}]}
    return made if id is None else {**made, "id": id}


def seen_by(number: str, subject: str = "Patient/p", **more: Any) -> dict[str, Any]:
    return observation(subject, performer=[{"reference": f"Practitioner?identifier={NPI}|{number}"}], **more)


def bundle(*resources: dict[str, Any], kind: str = "transaction", urn: str = "") -> dict[str, Any]:
    entries = [{"fullUrl": f"urn:uuid:{urn}{n}", "resource": one} for n, one in enumerate(resources)]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def write(path: Path, *lines: Any) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def performers(store: Store) -> dict[str, str]:
    def look(unit: Any) -> dict[str, str]:
        page = json.loads(
            store.search_in(unit, CALL, "Observation", [("performer:missing", "false"), ("_count", "50")])
        )
        return {e["resource"]["id"]: e["resource"]["performer"][0]["reference"] for e in page.get("entry", ())}

    return store.database.read(look)


def test_they_are_found_in_files_that_come_later_or_earlier_and_in_their_own(
    store: Store, load_all: Load, tmp_path: Path
) -> None:
    write(tmp_path / "a.json", bundle(patient(id="p"), seen_by("1", "urn:uuid:0", id="o1"), doctor("own", "3")))
    write(tmp_path / "b.ndjson", seen_by("3", id="o3"), seen_by("2", id="o2"))
    write(tmp_path / "c.ndjson", doctor("dr1", "1"), doctor("dr2", "2"))
    done, refused = load_all()
    assert (done.created, refused) == (7, [])
    assert performers(store) == {"o1": "Practitioner/dr1", "o2": "Practitioner/dr2", "o3": "Practitioner/own"}
    asked = [("performer", "dr1")]
    page = store.database.read(lambda unit: json.loads(store.search_in(unit, CALL, "Observation", asked)))
    assert [e["resource"]["id"] for e in page["entry"]] == ["o1"]
    assert page["entry"][0]["resource"]["subject"]["reference"] == "Patient/p"


def test_they_are_found_in_the_store_by_any_parameter(store: Store, load_all: Load, tmp_path: Path) -> None:
    write(tmp_path / "a.ndjson", doctor("dr1", "1") | {"name": [{"family": "Wekesa"}]})
    assert load_all()[0].created == 1
    written = observation("Patient/p", id="o", performer=[{"reference": "Practitioner?family=wekesa"}])
    write(tmp_path / "b.ndjson", written)
    assert load_all()[1] == []
    assert performers(store) == {"o": "Practitioner/dr1"}


def test_what_matches_nothing_or_too_much_is_told_with_its_place_and_without_the_number(
    store: Store, load_all: Load, tmp_path: Path
) -> None:
    write(tmp_path / "a.json", bundle(doctor("dr1", "77"), seen_by("77", id="x"), observation("Patient/p", id="fine")))
    write(tmp_path / "b.ndjson", doctor("dr2", "77"))
    wrong = observation("Patient/p", id="y", performer=[{"reference": "Practitioner?no-such=1"}])
    write(tmp_path / "c.ndjson", observation("Patient/p", id="z"), seen_by("404", id="n"), wrong)
    done, refused = load_all()
    assert done.created == 4
    told = [(one.file, one.line, one.code) for one in sorted(refused, key=lambda one: (one.file, one.line))]
    assert told == [
        ("a.json", 2, "MULTIPLE_MATCHES"),
        ("c.ndjson", 2, "REFERENCE_UNRESOLVED"),
        ("c.ndjson", 3, "SEARCH_PARAMETER_UNKNOWN"),
    ]
    assert not any("77" in one.message or "404" in one.message for one in refused)
    assert "Practitioner/id" in next(one.message for one in refused if one.code == "MULTIPLE_MATCHES")
    assert performers(store) == {}


def test_a_stop_while_they_wait_is_gone_on_with(
    store: Store, load_all: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "LINES_IN_PART", 1)
    write(tmp_path / "a.ndjson", seen_by("1", id="o1"), seen_by("1", id="o2"), doctor("dr1", "1"))
    seen: list[int] = []

    def stop(_what: str, done: int, _total: int) -> None:
        seen.append(done)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_all(progress=stop)
    assert performers(store) == {"o1": "Practitioner/dr1"}
    done, refused = load_all()
    assert (done.skipped, done.created, refused) == (2, 1, [])
    assert performers(store) == {"o1": "Practitioner/dr1", "o2": "Practitioner/dr1"}


@pytest.mark.parametrize("kind", ["transaction", "batch", "collection"])
def test_entries_without_an_id_keep_their_names_and_are_the_same_when_read_again(
    store: Store, load_all: Load, tmp_path: Path, kind: str
) -> None:
    nameless = {name: value for name, value in patient().items() if name != "id"}
    for urn in ("a", "b"):
        write(tmp_path / f"{urn}.json", bundle(nameless, observation(f"urn:uuid:{urn}0"), kind=kind, urn=urn))
    done, refused = load_all()
    assert (done.created, refused) == (4, [])
    again, _ = load_all(again="once more")
    assert (again.created, again.unchanged) == (0, 4)
    page = store.database.read(lambda unit: json.loads(store.search_in(unit, CALL, "Observation", [("_count", "9")])))
    subjects = {entry["resource"]["subject"]["reference"] for entry in page["entry"]}
    assert len(subjects) == 2, "equal entries of different bundles stay different people"
