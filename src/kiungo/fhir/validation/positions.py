"""Lines and columns of JSON elements: looked up only when there is something to say about them.

The text was parsed before, so this scanner trusts its form and only counts.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

_MARK = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')
POSITIONS_MAX = 500


class Position(NamedTuple):
    """Where a value begins. Units: both count from 1; a column counts characters."""

    line: int
    column: int


def positions(text: str, wanted: Iterable[str], root: str) -> dict[str, Position]:
    """The places of elements by JSON path, such as Patient.name[0].given; a missing one has its parent's place.

    `root` is the path of the whole text. A text that is not JSON has none.
    """
    asked = list(dict.fromkeys(wanted))[:POSITIONS_MAX]
    needed = {prefix for path in asked for prefix in _prefixes(path)}
    found = _scan(text, needed, root)
    starts = _line_starts(text)
    placed: dict[str, Position] = {}
    for path in asked:
        for prefix in _prefixes(path):
            if prefix in found:
                placed[path] = _position(found[prefix], starts)
                break
    return placed


def _prefixes(path: str) -> list[str]:
    """A path and those around it, the longest first."""
    found = [path]
    while path:
        cut = max(path.rfind("."), path.rfind("["))
        if cut <= 0:
            break
        path = path[:cut]
        found.append(path)
    return found


def _scan(text: str, needed: set[str], root: str) -> dict[str, int]:
    """Offsets of the values at the needed paths."""
    found: dict[str, int] = {}
    stack: list[list[str | int]] = []  # the path of each container, and the next index of a list
    path = root
    name: str | None = None
    is_key = False
    for match in _MARK.finditer(text):
        mark = match[0]
        if mark in "{[" or mark not in "}]:,":
            if is_key:
                name = mark[1:-1]
                is_key = False
                continue
            path = _path_of(stack, name, root)
            if path in needed:
                found.setdefault(path, match.start())
            if mark == "{":
                stack.append([path, -1])
                is_key = True
            elif mark == "[":
                stack.append([path, 0])
        elif mark in "}]":
            if stack:
                stack.pop()
            is_key = False
        elif mark == "," and stack:
            if stack[-1][1] == -1:
                is_key = True
            else:
                stack[-1][1] = int(stack[-1][1]) + 1
    return found


def _path_of(stack: list[list[str | int]], name: str | None, root: str) -> str:
    if not stack:
        return root
    path, index = stack[-1]
    return f"{path}[{index}]" if index != -1 else f"{path}.{name}"


def _line_starts(text: str) -> list[int]:
    starts = [0]
    at = text.find("\n")
    while at >= 0:
        starts.append(at + 1)
        at = text.find("\n", at + 1)
    return starts


def _position(offset: int, starts: list[int]) -> Position:
    low, high = 0, len(starts)
    while high - low > 1:
        middle = (low + high) // 2
        if starts[middle] <= offset:
            low = middle
        else:
            high = middle
    return Position(low + 1, offset - starts[low] + 1)
