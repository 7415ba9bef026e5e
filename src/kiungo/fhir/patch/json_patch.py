"""JSON Patch: add, remove, replace, move, copy and test, all or nothing.

Source: RFC 6902 (JSON Patch), RFC 6901 (JSON Pointer).
"""

import re
from decimal import Decimal
from typing import Any

from kiungo.base.errors import Incorrect
from kiungo.fhir.patch.errors import (
    ADDED_VALUES_MAX,
    OPERATIONS_MAX,
    PATCH_TEST_FAILED,
    copied,
    malformed,
    size_of,
    unfit,
)

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_NAMES = ("add", "remove", "replace", "move", "copy", "test")


def json_patch(resource: Any, operations: Any) -> Any:
    """The resource with every operation applied in order.

    Shapes: `operations` is a list of objects with op, path and, by op, value or from; both come from a parse that
    keeps decimals.
    Raises: Incorrect (PATCH_MALFORMED, PATCH_NOT_APPLICABLE, PATCH_TEST_FAILED), naming the operation.
    """
    if not isinstance(operations, list):
        raise malformed("patch", "a JSON Patch is a list of operations", 'Send [{"op": ..., "path": ...}]')
    if len(operations) > OPERATIONS_MAX:
        raise malformed("patch", f"it has more than {OPERATIONS_MAX} operations", "Send several patches, or an update")
    work = _Work(copied(resource))
    for position, operation in enumerate(operations):
        work.apply(operation, f"operation[{position}]")
    return work.document


class _Work:
    """The document while it changes."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self._added = 0

    def apply(self, operation: Any, place: str) -> None:
        """One operation. Raises: Incorrect."""
        if not isinstance(operation, dict):
            raise malformed(place, "an operation is an object", 'Send {"op": ..., "path": ...}')
        name = operation.get("op")
        if name not in _NAMES:
            raise malformed(f"{place}.op", f"{name!r} is no operation", f"Operations are {', '.join(_NAMES)}")
        path = _pointer(operation, "path", place)
        if name == "remove":
            self._remove(path, f"{place}.path")
        elif name in ("move", "copy"):
            self._from_elsewhere(name, _pointer(operation, "from", place), path, place)
        else:
            if "value" not in operation:
                raise malformed(place, f"{name} needs a value")
            value = operation["value"]
            if name == "test":
                self._test(path, value, place)
            elif name == "add":
                self._add(path, copied(value), f"{place}.path")
            else:
                self._replace(path, copied(value), f"{place}.path")

    def _find(self, path: list[str], place: str) -> Any:
        value = self.document
        for depth, part in enumerate(path):
            value = _child(value, part, path[: depth + 1], place)
        return value

    def _add(self, path: list[str], value: Any, place: str) -> None:
        if not path:
            self.document = value
            return
        holder = self._find(path[:-1], place)
        part = path[-1]
        if isinstance(holder, dict):
            holder[part] = value
        elif isinstance(holder, list):
            index = len(holder) if part == "-" else _index(part, path, place)
            if index > len(holder):
                raise unfit(place, f"{_shown(path)} is beyond the end of the list", "Use - to append")
            holder.insert(index, value)
        else:
            raise unfit(place, f"{_shown(path[:-1])} is neither an object nor a list")

    def _remove(self, path: list[str], place: str) -> Any:
        if not path:
            raise unfit(place, "the whole resource cannot be removed", "Use DELETE")
        holder = self._find(path[:-1], place)
        found = _child(holder, path[-1], path, place)
        del holder[path[-1] if isinstance(holder, dict) else int(path[-1])]
        return found

    def _replace(self, path: list[str], value: Any, place: str) -> None:
        if not path:
            self.document = value
            return
        holder = self._find(path[:-1], place)
        _child(holder, path[-1], path, place)
        holder[path[-1] if isinstance(holder, dict) else int(path[-1])] = value

    def _from_elsewhere(self, name: str, source: list[str], path: list[str], place: str) -> None:
        if name == "copy":
            value = copied(self._find(source, f"{place}.from"))
            self._added += size_of(value)
            if self._added > ADDED_VALUES_MAX:
                raise unfit(place, f"the patch copies more than {ADDED_VALUES_MAX:,} values")
        else:
            if len(path) > len(source) and path[: len(source)] == source:
                raise unfit(place, f"{_shown(source)} cannot be moved into itself")
            self._find(source, f"{place}.from")
            if path == source:
                return
            value = self._remove(source, f"{place}.from")
        self._add(path, value, f"{place}.path")

    def _test(self, path: list[str], value: Any, place: str) -> None:
        if not _same(self._find(path, f"{place}.path"), value):
            raise Incorrect(
                PATCH_TEST_FAILED,
                f"{place}: {_shown(path)} has another value than the test expects",
                field=f"{place}.value",
                hint="Read the resource again and make the patch from what it is now",
            )


def _pointer(operation: dict[str, Any], name: str, place: str) -> list[str]:
    text = operation.get(name)
    if not isinstance(text, str):
        raise malformed(place, f"it needs {name}, a JSON Pointer", 'Such as "/name/0/family"')
    if not text:
        return []
    if text[0] != "/" or re.search(r"~(?![01])", text):
        raise malformed(f"{place}.{name}", f"{text!r} is no JSON Pointer", 'Such as "/name/0/family"; ~ is written ~0')
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _child(value: Any, part: str, path: list[str], place: str) -> Any:
    if isinstance(value, dict):
        if part not in value:
            raise unfit(place, f"{_shown(path)} is not there")
        return value[part]
    if isinstance(value, list):
        index = _index(part, path, place)
        if index >= len(value):
            raise unfit(place, f"{_shown(path)} is not there: the list has {len(value)} items")
        return value[index]
    raise unfit(place, f"{_shown(path)} is not there: what should hold it has no members")


def _index(part: str, path: list[str], place: str) -> int:
    if not _INDEX.fullmatch(part):
        raise unfit(place, f"{_shown(path)}: {part!r} is no place in a list", "Count from 0, without leading zeros")
    return int(part)


def _shown(path: list[str]) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path) or "the whole resource"


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON values: numbers by value, booleans are no numbers, the order of members does not matter."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float | Decimal) and isinstance(other, int | float | Decimal):
        return one == other
    return type(one) is type(other) and bool(one == other)
