"""A form with a file, as browsers send it: its text fields, and the file's bytes untouched.

Source: RFC 7578 (multipart/form-data), RFC 2046 section 5.1 (boundaries).
"""

import re
from dataclasses import dataclass
from email.message import Message
from typing import Final

from kiungo.base.errors import Incorrect
from kiungo.console.forms import FORM_UNREADABLE, VALUE_CHARACTERS_MAX

PARTS_MAX: Final = 20
HEADER_BYTES_MAX: Final = 2_000
_DISPOSITION: Final = re.compile(r"^content-disposition:\s*form-data\b(.*)$", re.IGNORECASE | re.MULTILINE)
_PARAMETER: Final = re.compile(r';\s*(name|filename)="([^"\r\n]*)"', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Upload:
    """What was sent. Shapes: `content` is empty when no file was chosen; `fields` without surrounding space."""

    fields: dict[str, str]
    file_name: str
    content: bytes


def parse_upload(content_type: str, body: bytes) -> Upload:
    """The fields of a form and its one file. Raises: Incorrect FORM_UNREADABLE."""
    fields: dict[str, str] = {}
    file_name, content = "", b""
    for name, sent_name, value in _parts(_boundary(content_type), body):
        if sent_name is not None:
            file_name, content = sent_name, value
            continue
        try:
            text = value.decode()
        except UnicodeDecodeError:
            raise _unreadable("A field is not UTF-8", name) from None
        if "\x00" in text or len(text) > VALUE_CHARACTERS_MAX:
            raise _unreadable("A field holds a NUL character or is too long", name)
        fields[name] = text.strip()
    return Upload(fields, file_name, content)


def _boundary(content_type: str) -> bytes:
    header = Message()
    header["content-type"] = content_type.replace("\r", " ").replace("\n", " ")
    boundary = header.get_boundary()
    if header.get_content_type() != "multipart/form-data" or not boundary or not boundary.isascii():
        raise _unreadable("This is not a form with a file")
    return boundary.encode()


def _parts(boundary: bytes, body: bytes) -> list[tuple[str, str | None, bytes]]:
    """Name, file name and value of each part. Shapes: the file name is None for a text field."""
    mark = b"\r\n--" + boundary
    _, *parts = (b"\r\n" + body).split(mark, PARTS_MAX + 1)
    if not parts or not parts[-1].startswith(b"--"):
        raise _unreadable(f"The form ends too early, or has more than {PARTS_MAX} fields")
    found: list[tuple[str, str | None, bytes]] = []
    for part in parts[:-1]:
        head, end, value = part.partition(b"\r\n\r\n")
        disposition = _DISPOSITION.search(head.decode("utf-8", "replace")) if len(head) <= HEADER_BYTES_MAX else None
        named = {key.lower(): text for key, text in _PARAMETER.findall(disposition[1])} if disposition else {}
        if not end or "name" not in named:
            raise _unreadable("A field of the form has no name")
        found.append((named["name"], named.get("filename"), value))
    return found


def _unreadable(problem: str, field: str | None = None) -> Incorrect:
    return Incorrect(FORM_UNREADABLE, problem, field=field, hint="Reload the page and send the form again")
