"""Files of resources: NDJSON in parts of so many lines, Bundles whole, each also compressed with gzip."""

import gzip
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from kiungo.base.errors import Incorrect, define

LOAD_FILE_WRONG = define("LOAD_FILE_WRONG", Incorrect, "A file or folder to load has nothing that can be loaded.")

LINES = (".ndjson", ".jsonl")
WHOLE = (".json",)
LINES_IN_PART = 1_000
PART_BYTES = 8 * 1024 * 1024
LINE_BYTES_MAX = 32 * 1024 * 1024
WHOLE_BYTES_MAX = 256 * 1024 * 1024
FINGERPRINT_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """One file. Shapes: `identity` is the same for the same content under the same name."""

    path: Path
    name: str
    size: int
    is_lines: bool

    @property
    def identity(self) -> str:
        """Made of name, size and beginning: enough to know a file, and its parts, again after a stop."""
        with self.path.open("rb") as file:
            start = file.read(FINGERPRINT_BYTES)
        parts = f"{LINES_IN_PART}\0{PART_BYTES}" if self.is_lines else ""
        return hashlib.sha256(f"{self.name}\0{self.size}\0{parts}\0".encode() + start).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Part:
    """Some lines of a file, or all of it. Shapes: `first_line` counts from 1; `read_bytes` of the file for it."""

    source: Source
    number: int
    first_line: int
    texts: tuple[bytes, ...]
    read_bytes: int


def find_files(place: Path) -> list[Source]:
    """The loadable files of a folder and below it, or the one file, by name. Raises: Incorrect LOAD_FILE_WRONG."""
    root = place if place.is_dir() else place.parent
    candidates = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
    found = [_source(path, root) for path in candidates if _kind(path)]
    if not found:
        raise Incorrect(
            LOAD_FILE_WRONG,
            f"{place} has no file to load",
            hint="Name a folder or file with .ndjson or .json files, also with .gz behind",
        )
    return found


def parts(source: Source) -> Iterator[Part]:
    """The parts of a file, in order. Raises: Incorrect LOAD_FILE_WRONG (not gzip, a line or file too large)."""
    try:
        with _opened(source.path) as (raw, file):
            if source.is_lines:
                yield from _line_parts(source, raw, file)
            else:
                text = file.read(WHOLE_BYTES_MAX + 1)
                if len(text) > WHOLE_BYTES_MAX:
                    raise _wrong(source, f"is larger than {WHOLE_BYTES_MAX:,} bytes", "Split it, or write it as NDJSON")
                yield Part(source, 0, 1, (text,), source.size)
    except (gzip.BadGzipFile, EOFError) as error:
        raise _wrong(source, f"is not a whole gzip file ({error})", "Copy it again") from None


def _line_parts(source: Source, raw: BinaryIO, file: BinaryIO) -> Iterator[Part]:
    lines: list[bytes] = []
    number, first, held, before = 0, 1, 0, 0
    for line in iter(lambda: file.readline(LINE_BYTES_MAX + 1), b""):
        if len(line) > LINE_BYTES_MAX:
            raise _wrong(source, f"has a line longer than {LINE_BYTES_MAX:,} bytes", "One resource stands in one line")
        lines.append(line)
        held += len(line)
        if len(lines) == LINES_IN_PART or held > PART_BYTES:
            yield Part(source, number, first, tuple(lines), raw.tell() - before)
            number, first, lines, held, before = number + 1, first + len(lines), [], 0, raw.tell()
    if lines:
        yield Part(source, number, first, tuple(lines), source.size - before)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The file as it lies there, and what it holds."""
    with path.open("rb") as raw:
        if path.suffix == ".gz":
            with gzip.open(raw) as unpacked:
                yield raw, cast(BinaryIO, unpacked)
        else:
            yield raw, raw


def _kind(path: Path) -> str:
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    last = suffixes[-1].lower() if suffixes else ""
    return "lines" if last in LINES else "whole" if last in WHOLE else ""


def _source(path: Path, root: Path) -> Source:
    return Source(path, path.relative_to(root).as_posix(), path.stat().st_size, _kind(path) == "lines")


def _wrong(source: Source, what: str, hint: str) -> Incorrect:
    return Incorrect(LOAD_FILE_WRONG, f"{source.name} {what}", field=source.name, hint=hint)
