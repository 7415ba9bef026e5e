"""A request or an answer in one line: the first of its fields, named and in their order; `--json` shows all of them."""

import re
from collections.abc import Iterator
from typing import Any, Final

from kiungo.kernel import json

WIDTH: Final = 104
DEPTH_MAX: Final = 2
LEFT_OUT: Final = ("success", "message")
"""Fields every answer has, which say nothing about it; ids only machines read are left out too."""

_MACHINE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def brief(value: Any, width: int = WIDTH) -> str:
    """A JSON value in at most `width` characters. Shapes: a list of records is shown by its count and its first."""
    line = ""
    for part in _parts(value, DEPTH_MAX):
        grown = f"{line}, {part}" if line else part
        if len(grown) > width - 2:
            return f"{line} …" if line else part[: width - 1] + "…"
        line = grown
    return line or "nothing"


def _parts(value: Any, depth: int) -> Iterator[str]:
    if not isinstance(value, dict):
        yield _text(value)
        return
    for name, member in value.items():
        if name in LEFT_OUT or (isinstance(member, str) and _MACHINE_ID.fullmatch(member)):
            continue
        if isinstance(member, dict) and depth > 0:
            yield from _parts(member, depth - 1)
        elif isinstance(member, list) and member and isinstance(member[0], dict):
            yield f"{len(member)} {name}"
            if depth > 0:
                yield from _parts(member[0], depth - 1)
        else:
            yield f"{name} {_text(member)}"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "{…}"
    if isinstance(value, list) and value and not isinstance(value[0], dict | list):
        return "[" + ", ".join(_text(one) for one in value) + "]"
    return json.dumps(value).decode()
