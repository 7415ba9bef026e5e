"""fixed[x] and pattern[x]: an exact copy, or at least as much.

Source: FHIR R4 ElementDefinition.fixed[x], pattern[x].
"""

from decimal import Decimal
from typing import Any

_NUMBERS = (int, Decimal, float)


def is_fixed(value: Any, wanted: Any) -> bool:
    """Whether a value is exactly the fixed one: the same members, the same lists in the same order."""
    if wanted.__class__ is dict:
        if value.__class__ is not dict or value.keys() != wanted.keys():
            return False
        return all(is_fixed(value[name], part) for name, part in wanted.items())
    if wanted.__class__ is list:
        if value.__class__ is not list or len(value) != len(wanted):
            return False
        return all(is_fixed(one, part) for one, part in zip(value, wanted, strict=True))
    return _same(value, wanted)


def matches(value: Any, pattern: Any) -> bool:
    """Whether a value holds everything the pattern holds; a list holds a match for each item of the pattern's."""
    if pattern.__class__ is dict:
        if value.__class__ is not dict:
            return False
        return all(name in value and matches(value[name], part) for name, part in pattern.items())
    if pattern.__class__ is list:
        if value.__class__ is not list:
            return False
        return all(any(matches(one, part) for one in value) for part in pattern)
    return _same(value, pattern)


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(value, bool):
        return value is wanted
    if isinstance(wanted, _NUMBERS) and isinstance(value, _NUMBERS):
        return Decimal(str(value)) == Decimal(str(wanted))
    return bool(value == wanted)


def beneath(pattern: Any, name: str) -> list[Any]:
    """What a pattern says of a child; each item of a list by itself."""
    parts = pattern if pattern.__class__ is list else [pattern]
    found: list[Any] = []
    for part in parts:
        inner = part.get(name) if part.__class__ is dict else None
        if inner.__class__ is list:
            found.extend(inner)
        elif inner is not None:
            found.append(inner)
    return found
