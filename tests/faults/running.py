"""A served platform as a subprocess, and a webhook receiver that outlives it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 60


class Platform:
    """`with Platform(url, folder) as platform:` serves until the block ends, or until it is killed."""

    def __init__(self, database_url: str, folder: Path, *, kill_at: int = 0, **settings: str) -> None:
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("KIUNGO_")} | {
            # Many short-lived servers: without compiled code each start would take seconds.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "kiungo-test-bytecode"),
            "KIUNGO_MODE": "dev",
            "KIUNGO_DATABASE_URL": database_url,
            "KIUNGO_DATA_DIR": str(folder / "data"),
            "KIUNGO_PORT": "0",
            "KIUNGO_LOG_LEVEL": "error",
            "KIUNGO_TEST_KILL_AT": str(kill_at),
            **settings,
        }
        self._log = folder / "server.log"
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.launch"],
                cwd=ROOT,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line.startswith("READY "):
            self._process.kill()
            said, _ = self._process.communicate()
            raise RuntimeError(f"the platform did not start:\n{line}{said}\n{self._log.read_text()[-5000:]}")
        self.url = f"http://127.0.0.1:{line.split()[1]}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process
        assert self._process.stdout
        try:
            self.stop()
        finally:
            self._process.stdout.close()

    def stop(self, told_by: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to stop and wait; returns the exit code."""
        assert self._process
        if self._process.poll() is None:
            self._process.send_signal(told_by)
        try:
            return self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError("the platform did not stop when told to") from None

    def arm(self) -> None:
        """Count commit points from now on."""
        assert self._process
        assert self._process.stdout
        self._process.send_signal(signal.SIGUSR1)
        assert self._process.stdout.readline() == "ARMED\n"

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._process
        return self._process.pid

    @property
    def was_killed(self) -> bool:
        """Whether the process ended by the hook's SIGKILL."""
        assert self._process
        return self._process.poll() == -signal.SIGKILL

    @property
    def errors(self) -> str:
        """What the server logged."""
        return self._log.read_text()

    def client(self, key: str | None = None, **options: Any) -> httpx.Client:
        headers = {"X-API-Key": key} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, **options)


@dataclass(frozen=True)
class Received:
    """One webhook as it came in."""

    id: str
    body: dict[str, Any]


class Receiver:
    """A webhook receiver on loopback that answers 200 and remembers everything."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.received.append(Received(self.headers["webhook-id"], json.loads(body)))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks/payor-claims"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def statuses_of(self, claim_id: str) -> list[str]:
        """The statuses told of a claim, each message once, in the order they first came."""
        first: dict[str, str] = {}
        for message in self.received:
            if message.body.get("claim_id") == claim_id:
                first.setdefault(message.id, message.body["new_status"])
        return list(first.values())


def until(condition: Callable[[], bool], *, timeout_s: float = 20, what: str = "it") -> None:
    """Wait for something that must happen."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout_s} s"
        time.sleep(0.02)
