"""A server as a subprocess: started, watched through /proc, stopped by its own id."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
        return port


class Server:
    """A Python program that serves HTTP on a port of loopback, for the length of a `with` block."""

    def __init__(self, arguments: list[str], *, port: int, ready_path: str, environment: dict[str, str], log: Path):
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._ready = self.url + ready_path
        self._arguments = [sys.executable, *arguments]
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("KIUNGO_")
        } | environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments, env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__(None, None, None)
                raise RuntimeError(f"the server did not start:\n{self._log.read_text()[-4000:]}")
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._process is not None
        return self._process.pid

    def cpu_s(self) -> float:
        """Processor time used so far, of the process and its threads. Units: seconds."""
        return cpu_s(self.pid)

    def resident_mb(self) -> float:
        """Memory it holds now. Units: MB."""
        return _status_kb(self.pid, "VmRSS") / 1024

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self._ready, timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def cpu_s(pid: int) -> float:
    """Processor time a process has used. Units: seconds. Source: proc(5), fields 14 and 15 of stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def own_pid() -> int:
    """This process, as proc(5) numbers it."""
    return int(Path("/proc/self").resolve().name)


def family_cpu_s(parent: int) -> float:
    """Processor time of a process and its living children, such as a PostgreSQL server's backends."""
    total = 0.0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended meanwhile
            if int(entry.name) == parent or int(fields[1]) == parent:
                total += (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    return total


def _status_kb(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0
