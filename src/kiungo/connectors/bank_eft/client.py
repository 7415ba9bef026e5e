"""The folder shared with the bank: whole files only, each name once.

A file is written as `name.part`, flushed to disk, and renamed: the bank never sees half of it. What happened before the
rename did not happen at all; from the rename on, nobody knows.
"""

import os
import re
from pathlib import Path
from typing import Literal, Protocol

from kiungo.base.errors import Incorrect, define

BANK_FILE_NAME_WRONG = define("BANK_FILE_NAME_WRONG", Incorrect, "A bank file's name is not a plain file name.")

PARTIAL = ".part"
FILE_BYTES_MAX = 50_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}\Z", re.ASCII)
PutOutcome = Literal["put", "not_put", "unknown", "exists"]


class Folder(Protocol):
    """Where files are exchanged. Shapes: `box` is "out" (to the bank) or "in" (from it)."""

    def put(self, box: str, name: str, body: bytes) -> PutOutcome: ...

    def names(self, box: str) -> list[str]: ...

    def read(self, box: str, name: str) -> bytes: ...

    def archive(self, box: str, name: str) -> None: ...


class LocalFolder:
    """A folder of the file system, which the bank's host-to-host program or a mount watches."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, box: str, name: str, body: bytes) -> PutOutcome:
        """Put a file there, whole or not at all; a name that was used before is refused."""
        target = self._path(box, name)
        partial = target.with_name(name + PARTIAL)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists() or self._path(box, name, "done").exists():
                return "exists"
            with open(partial, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            return "not_put"
        try:
            partial.rename(target)
            _flush_folder(target.parent)
        except OSError:
            return "unknown"
        return "put"

    def names(self, box: str) -> list[str]:
        """The whole files of a box, by name; half-written and hidden ones are not there yet."""
        folder = self._root / box
        if not folder.is_dir():
            return []
        return sorted(path.name for path in folder.iterdir() if path.is_file() and is_whole_name(path.name))

    def read(self, box: str, name: str) -> bytes:
        """A file's bytes, at most `FILE_BYTES_MAX`; more of it would be refused by every format."""
        with open(self._path(box, name), "rb") as file:
            return file.read(FILE_BYTES_MAX)

    def archive(self, box: str, name: str) -> None:
        """Move a file that is stored elsewhere out of the way."""
        done = self._path(box, name, "done")
        done.parent.mkdir(parents=True, exist_ok=True)
        self._path(box, name).rename(done)

    def close(self) -> None:
        """Nothing is kept open."""

    def _path(self, box: str, name: str, sub: str = "") -> Path:
        check_name(box, name)
        return self._root / box / sub / name


def is_whole_name(name: str) -> bool:
    """Whether a name is that of a finished file: neither half-written nor hidden."""
    return _NAME.match(name) is not None and not name.endswith(PARTIAL)


def check_name(box: str, name: str) -> None:
    """Refuse a name that could lead out of its box. Raises: Incorrect BANK_FILE_NAME_WRONG."""
    if not _NAME.match(name) or box not in ("in", "out"):
        raise Incorrect(
            BANK_FILE_NAME_WRONG, f"{name[:40]!r} is not a plain file name", field="name", hint="Rename the file"
        )


def _flush_folder(folder: Path) -> None:
    """Make the rename itself durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
