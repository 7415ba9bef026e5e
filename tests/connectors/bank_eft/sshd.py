"""A real OpenSSH server on loopback for the bank's folder, and a wire in front of it that can be cut."""

import getpass
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

SSHD = Path("/usr/sbin/sshd")


class Sshd:
    """One server for one folder; logs in this user, by key, to SFTP alone."""

    def __init__(self, home: Path) -> None:
        if not SSHD.exists() or shutil.which("ssh-keygen") is None:
            pytest.skip("NOTICE: no sshd here, so bank files over SFTP are not tested; install openssh-server")
        self.home, self.folder = home, home / "bank"
        for box in ("out", "in", "done"):
            (self.folder / box).mkdir(parents=True)
        for name in ("host", "ours", "other"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(home / name)]
            subprocess.run(command, check=True)
        shutil.copy(home / "ours.pub", home / "authorized")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.user = getpass.getuser()
        (home / "config").write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {home / 'host'}\nAuthorizedKeysFile {home / 'authorized'}\n"
            f"PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\n"
            f"Subsystem sftp internal-sftp -d {self.folder}\n"
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None

    def key(self, name: str) -> str:
        return (self.home / name).read_text()

    def start(self) -> Self:
        with (self.home / "log").open("ab") as log:
            command = [str(SSHD), "-D", "-e", "-f", str(self.home / "config")]
            self._process = subprocess.Popen(command, stderr=log)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                assert time.monotonic() < deadline, (self.home / "log").read_text()
                time.sleep(0.02)

    def stop(self) -> None:
        """Stop listening, and end the sessions too."""
        if self._process is None:
            return
        sessions = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in (*map(int, sessions), self._process.pid):
            os.kill(pid, 15)
        self._process.wait(10)
        self._process = None


class Wire:
    """Carries bytes to the server, and cuts the connection instead of giving back an answer once `cut_when` says so."""

    def __init__(self, to_port: int) -> None:
        self.cut_when: Callable[[], bool] = lambda: False
        self.cuts = 0
        self._to_port = to_port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                ours, _ = self._listening.accept()
            except OSError:
                return
            theirs = socket.create_connection(("127.0.0.1", self._to_port))
            threading.Thread(target=self._carry, args=(ours, theirs, False), daemon=True).start()
            threading.Thread(target=self._carry, args=(theirs, ours, True), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        try:
            while data := source.recv(65_536):
                if is_answer and self.cut_when():
                    self.cuts += 1
                    break
                target.sendall(data)
        except OSError:
            pass  # the other side is gone; so is this one
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
