"""A Synthea bundle as a transaction, and what searches over it must find."""

import json
from collections import Counter
from pathlib import Path

from kiungo.kernel.database import Database
from tests.conformance.material import material
from tests.fhir.conftest import Server


def test_a_synthea_patient_goes_in_as_one_transaction(database: Database, tmp_path: Path) -> None:
    paths = sorted(material("synthea").rglob("*.json"), key=lambda p: p.stat().st_size)
    path = next(p for p in paths if '"Patient"' in p.read_text())
    bundle = json.loads(path.read_text())
    bundle["type"] = "transaction"
    for entry in bundle["entry"]:
        entry["request"] = {"method": "POST", "url": entry["resource"]["resourceType"]}
    server = Server(database, tmp_path)
    try:
        answer = server.ask("POST", "", bundle)
        assert answer.status_code == 200, answer.text[:2000]
        counts = Counter(entry["resource"]["resourceType"] for entry in bundle["entry"])
        for name, count in counts.items():
            assert server.ask("GET", f"/{name}?_summary=count").json()["total"] == count
        person = server.search_ids("/Patient")[0]
        observations = [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Observation"]
        by_code = Counter(c["code"] for o in observations for c in o["code"]["coding"])
        for code, count in by_code.most_common(5):
            found = server.search_ids(f"/Observation?patient={person}&code={code}&_count=50")
            assert len(found) == count
        assert "urn:uuid:" not in json.dumps(
            [e["resource"].get("subject") for e in server.ask("GET", "/Observation?_count=100").json()["entry"]]
        )
    finally:
        server.close()
