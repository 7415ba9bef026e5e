"""The bank's folder over SFTP: the same whole files, the server known by its pinned key.

A file is written as `name.part`, its size is compared, and it is renamed: what fails before the rename did not happen,
a connection lost over the rename leaves nobody knowing. One connection is kept; one that was found dead is made anew,
before anything was asked of the bank.
"""

import base64
import io
import threading
from collections.abc import Callable
from itertools import pairwise
from types import TracebackType
from typing import Final, Self, TypeVar

import paramiko

from kiungo.base.errors import Incorrect, KiungoError, Unavailable, define
from kiungo.connectors.bank_eft.client import (
    FILE_BYTES_MAX,
    PARTIAL,
    PutOutcome,
    check_name,
    is_whole_name,
)
from kiungo.connectors.bank_eft.settings import BankSettings

BANK_AWAY = define("BANK_AWAY", Unavailable, "The bank's file server is away, or is not the one whose key is pinned.")
BANK_KEY_WRONG = define("BANK_KEY_WRONG", Incorrect, "A key for the bank's file server cannot be read.")

RETRY_AFTER_S: Final = 60.0
_PRIVATE_KEYS: Final = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
_LOST: Final = (EOFError, paramiko.SSHException, TimeoutError, ConnectionError)
T = TypeVar("T")


class SftpFolder:
    """The bank's server as a folder, for any thread; see `client.Folder`."""

    def __init__(self, settings: BankSettings) -> None:
        self._settings = settings
        self._host_key = read_host_key(settings.sftp_host_key)
        self._private_key = read_private_key(settings.sftp_private_key.get_secret_value())
        self._boxes = {"out": settings.sftp_out, "in": settings.sftp_in}
        self._lock = threading.Lock()
        self._ssh: paramiko.SSHClient | None = None
        self._sftp: paramiko.SFTPClient | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the server."""
        with self._lock:
            self._leave()

    def put(self, box: str, name: str, body: bytes) -> PutOutcome:
        """Put a file there, whole or not at all; a name that is there is refused."""
        target = self._path(box, name)
        partial = target + PARTIAL
        with self._lock:
            try:
                if self._ask(lambda sftp: _exists(sftp, target)):
                    return "exists"
                self._ask(lambda sftp: _write(sftp, partial, body))
            except (Unavailable, OSError):
                return "not_put"
            assert self._sftp is not None, "the file was just written over it"
            try:
                self._sftp.rename(partial, target)
            except (*_LOST, OSError) as error:
                if self._is_lost(error):
                    self._leave()
                    return "unknown"
                return "not_put"  # the server said no
            return "put"

    def names(self, box: str) -> list[str]:
        """The whole files of a box, by name. Raises: Unavailable BANK_AWAY."""
        with self._lock:
            found = self._ask(lambda sftp: sftp.listdir(self._boxes[box]))
        return sorted(name for name in found if is_whole_name(name))

    def read(self, box: str, name: str) -> bytes:
        """A file's bytes, at most `FILE_BYTES_MAX`. Raises: Unavailable BANK_AWAY."""
        path = self._path(box, name)
        with self._lock:
            return self._ask(lambda sftp: _read(sftp, path))

    def archive(self, box: str, name: str) -> None:
        """Remove a file that is stored with us, or move it to the folder for used ones. Raises: Unavailable."""
        path, done = self._path(box, name), self._settings.sftp_done
        with self._lock:
            if done:
                self._ask(lambda sftp: _move(sftp, path, f"{done}/{name}"))
            else:
                self._ask(lambda sftp: sftp.remove(path))

    def _path(self, box: str, name: str) -> str:
        check_name(box, name)
        return f"{self._boxes[box]}/{name}"

    def _ask(self, question: Callable[[paramiko.SFTPClient], T]) -> T:
        """Ask over the kept connection, or over a new one when that is dead. Only for what may be asked twice."""
        if self._sftp is not None:
            try:
                return question(self._sftp)
            except (*_LOST, OSError) as error:
                if not self._is_lost(error):
                    raise
                self._leave()
        sftp = self._enter()
        try:
            return question(sftp)
        except (*_LOST, OSError) as error:
            if not self._is_lost(error):
                raise
            self._leave()
            raise _away(f"hung up ({type(error).__name__})") from error

    def _is_lost(self, error: Exception) -> bool:
        """Whether the connection broke; else the error is the server's own answer to what was asked."""
        transport = self._ssh.get_transport() if self._ssh is not None else None
        return isinstance(error, _LOST) or transport is None or not transport.is_active()

    def _enter(self) -> paramiko.SFTPClient:
        settings, ssh = self._settings, paramiko.SSHClient()
        port = settings.sftp_port
        known_as = settings.sftp_host if port == paramiko.config.SSH_PORT else f"[{settings.sftp_host}]:{port}"
        ssh.get_host_keys().add(known_as, self._host_key.get_name(), self._host_key)
        ssh.set_missing_host_key_policy(paramiko.RejectPolicy())
        password = settings.sftp_password.get_secret_value()
        try:
            ssh.connect(
                settings.sftp_host, port, settings.sftp_user, password or None, self._private_key,
                timeout=settings.sftp_timeout_s, banner_timeout=settings.sftp_timeout_s,
                auth_timeout=settings.sftp_timeout_s, channel_timeout=settings.sftp_timeout_s,
                allow_agent=False, look_for_keys=False,
            )  # fmt: skip
            sftp = ssh.open_sftp()
            channel = sftp.get_channel()
            assert channel is not None, "an open session has its channel"
            channel.settimeout(settings.sftp_timeout_s)
        except paramiko.BadHostKeyException as error:
            ssh.close()
            raise _away("shows another host key than the pinned one") from error
        except (*_LOST, OSError) as error:
            ssh.close()
            raise _away(f"cannot be entered ({type(error).__name__})") from error
        self._ssh, self._sftp = ssh, sftp
        return sftp

    def _leave(self) -> None:
        if self._ssh is not None:
            self._ssh.close()
        self._ssh = self._sftp = None


def read_host_key(text: str) -> paramiko.PKey:
    """The pinned key, as `ssh-keyscan` or a .pub file has it. Raises: Incorrect BANK_KEY_WRONG."""
    parts = text.split()
    try:
        kind, encoded = next((a, b) for a, b in pairwise(parts) if b.startswith("AAAA"))
        return paramiko.PKey.from_type_string(kind, base64.b64decode(encoded))
    except (StopIteration, ValueError, paramiko.SSHException) as error:
        raise _wrong_key("KIUNGO_BANK_SFTP_HOST_KEY", 'Set it to "ssh-ed25519 AAAA...", as the bank gave it') from error


def read_private_key(text: str) -> paramiko.PKey | None:
    """Our own key in PEM or OpenSSH form, or none. Raises: Incorrect BANK_KEY_WRONG."""
    if not text:
        return None
    for kind in _PRIVATE_KEYS:
        try:
            return kind.from_private_key(io.StringIO(text))
        except (paramiko.SSHException, ValueError):
            continue  # not of this kind
    raise _wrong_key("KIUNGO_BANK_SFTP_PRIVATE_KEY", "Set it to the text of an unencrypted OpenSSH or PEM key")


def _exists(sftp: paramiko.SFTPClient, path: str) -> bool:
    try:
        sftp.stat(path)
    except FileNotFoundError:
        return False
    return True


def _write(sftp: paramiko.SFTPClient, path: str, body: bytes) -> None:
    sftp.putfo(io.BytesIO(body), path, len(body), confirm=True)


def _read(sftp: paramiko.SFTPClient, path: str) -> bytes:
    with sftp.open(path, "rb") as file:
        return file.read(FILE_BYTES_MAX)


def _move(sftp: paramiko.SFTPClient, path: str, target: str) -> None:
    """Move a file, over an older one of the same name: both are stored with us."""
    if _exists(sftp, target):
        sftp.remove(target)
    sftp.rename(path, target)


def _away(why: str) -> KiungoError:
    return Unavailable(
        BANK_AWAY, f"The bank's file server {why}", hint="It is tried again later", retry_after_s=RETRY_AFTER_S
    )


def _wrong_key(field: str, hint: str) -> Incorrect:
    return Incorrect(BANK_KEY_WRONG, f"{field} holds no key that can be read", field=field, hint=hint)
