"""Synthea's bundles as files to load: providers in one file, people who name them by identifier in others."""

import json
from pathlib import Path
from typing import Any

from kiungo.fhir.loading import find_files, load
from kiungo.fhir.loading.entries import Refused
from kiungo.fhir.store import Store
from kiungo.kernel.audit import Reads
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import Database
from tests.conformance.material import material

CALL = system_call(1)
PROVIDERS = frozenset({"Organization", "Practitioner", "Location"})


def test_people_and_providers_in_files_of_their_own_are_loaded_whole(database: Database, tmp_path: Path) -> None:
    paths = sorted(material("synthea").rglob("*.json"), key=lambda path: path.stat().st_size)[:2]
    providers: dict[str, dict[str, Any]] = {}
    count = 0
    for path in paths:
        content = json.loads(path.read_text())
        own = [entry for entry in content["entry"] if entry["resource"]["resourceType"] not in PROVIDERS]
        text = json.dumps({**content, "entry": own})
        for entry in content["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] in PROVIDERS:
                resource["identifier"] = [{"system": "urn:synthea", "value": resource["id"]}]
                providers[entry["fullUrl"]] = resource
                named = f"{resource['resourceType']}?identifier=urn:synthea|{resource['id']}"
                text = text.replace(f'"{entry["fullUrl"]}"', f'"{named}"')
        (tmp_path / path.name).write_text(text)
        count += len(own)
    entries = [{"fullUrl": name, "resource": resource} for name, resource in providers.items()]
    whole = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    (tmp_path / "zz-providers.json").write_text(json.dumps(whole))
    store = Store(database, Reads(database), base_url="https://example.org/fhir", link_key=b"k" * 32)
    refused: list[Refused] = []
    done = load(store, CALL, find_files(tmp_path), lambda *_: None, refused.extend, workers=0)
    assert refused == []
    assert done.created == count + len(providers)
    left = database.read(lambda unit: [bytes(row[0]) for row in unit.rows("SELECT body FROM fhir_resource")])
    assert not any(b'"Practitioner?' in body or b'"reference": "urn:' in body for body in left)
