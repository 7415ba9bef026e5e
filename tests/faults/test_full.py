"""The disk is full: a clear 503 and nothing half done, reads go on, and writes too once there is room."""

import resource
import sqlite3
from pathlib import Path

import pytest

from .conftest import CLAIM, Installed
from .running import Platform

CLAIMS_MAX = 400
ROOM_BYTES = 400_000


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_full_disk_refuses_writes_in_words_and_loses_nothing(installed: Installed) -> None:
    """The limit on file size stands for the full disk: the same refusal, and only for this process."""
    database = Path(installed.url.removeprefix("sqlite:///"))

    def claim(number: int) -> dict[str, object]:
        return CLAIM | {"provider_claim_id": f"N-{number}", "amount": f"{100 + number}.00"}

    with Platform(installed.url, installed.folder) as platform, platform.client(installed.provider_key) as client:
        first = client.post("/api/claims/", json=claim(0))
        assert first.status_code == 201, first.text
        _, hard = resource.prlimit(platform.pid, resource.RLIMIT_FSIZE)
        log = database.with_name(database.name + "-wal")
        largest = max(database.stat().st_size, log.stat().st_size) + ROOM_BYTES
        resource.prlimit(platform.pid, resource.RLIMIT_FSIZE, (largest, hard))
        accepted = 1
        for number in range(1, CLAIMS_MAX):
            answer = client.post("/api/claims/", json=claim(number))
            if answer.status_code != 201:
                break
            accepted += 1
        assert answer.status_code == 503, answer.text
        assert answer.json()["error_code"] == "DATABASE_UNAVAILABLE"
        assert int(answer.headers["retry-after"]) >= 1
        assert client.get(f"/api/claims/{first.json()['claim']['claim_id']}/").status_code == 200

        resource.prlimit(platform.pid, resource.RLIMIT_FSIZE, (hard, hard))
        again = client.post("/api/claims/", json=claim(number))
        assert again.status_code == 201, again.text
        assert client.post("/api/claims/", json=claim(number)).status_code == 200
    with sqlite3.connect(database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM payor_claim").fetchone() == (accepted + 1,)
        submitted = "SELECT count(*) FROM outbox WHERE topic = 'claim.submitted'"
        assert connection.execute(submitted).fetchone() == (accepted + 1,)
