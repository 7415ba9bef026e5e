"""Equality, equivalence and order of items and collections.

Source: FHIRPath N1, 6.1 (equality), 6.2 (comparison).
"""

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from kiungo.fhir.fhirpath import quantity, temporal
from kiungo.fhir.fhirpath.errors import failed
from kiungo.fhir.fhirpath.quantity import Quantity
from kiungo.fhir.fhirpath.run import Run, singleton
from kiungo.fhir.fhirpath.temporal import Temporal
from kiungo.fhir.fhirpath.values import Collection, Node, Value, decimal_of, described, quantity_of, unwrap


def equal(left: Collection, right: Collection) -> bool | None:
    """`=`: None when a side is empty, or when precision leaves it open."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    if len(left) == 1:
        return items_equal(left[0], right[0])
    found: bool | None = True
    for one, other in zip(left, right, strict=True):
        same = items_equal(one, other)
        if same is False:
            return False
        if same is None:
            found = None
    return found


def items_equal(left: Value, right: Value) -> bool | None:  # noqa: PLR0911 - one for each pair of kinds
    """Whether two items are equal."""
    one, other = unwrap(left), unwrap(right)
    kind = one.__class__
    if kind is other.__class__ and kind in (str, int, bool, Decimal):
        return one == other
    if isinstance(one, bool) or isinstance(other, bool):
        return False
    if isinstance(one, int | Decimal) and isinstance(other, int | Decimal):
        return one == other
    if isinstance(one, Temporal) or isinstance(other, Temporal):
        pair = _temporals(one, other)
        return temporal.equal(*pair) if pair else False
    if isinstance(one, Quantity) or isinstance(other, Quantity):
        return _quantities_equal(one, other)
    if isinstance(one, Node) and isinstance(other, Node):
        return _nodes_equal(one, other)
    return one.__class__ is other.__class__ and one == other


def _nodes_equal(one: Node, other: Node) -> bool | None:
    if "Quantity" in one.type.ancestors and "Quantity" in other.type.ancestors:
        first, second = quantity_of(one), quantity_of(other)
        if first is not None and second is not None:
            return quantity.equal(first, second)
    if one.value is other.value and one.extra is other.extra:
        return True
    return _json_equal(one.value, other.value) and _json_equal(one.extra, other.extra)


def _json_equal(one: Any, other: Any) -> bool:
    """Deep equality of JSON, numbers by value; True is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other) and (isinstance(one, str | int | Decimal | None) or _booleans_match(one, other))


def _booleans_match(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return all(_booleans_match(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return all(_booleans_match(value, theirs) for value, theirs in zip(one, other, strict=True))
    return isinstance(one, bool) is isinstance(other, bool)


def _temporals(one: Value, other: Value) -> tuple[Temporal, Temporal] | None:
    """Both as moments that can be compared: a date and a date-time can, a time only with a time."""
    if isinstance(one, Temporal) and isinstance(other, Temporal) and (one.kind == "Time") is (other.kind == "Time"):
        return one, other
    return None


def _quantities_equal(one: Value, other: Value) -> bool | None:
    first, second = _as_quantity(one), _as_quantity(other)
    return False if first is None or second is None else quantity.equal(first, second)


def _as_quantity(item: Value) -> Quantity | None:
    if isinstance(item, int | Decimal) and not isinstance(item, bool):
        return Quantity(decimal_of(item))
    return quantity_of(item)


def equivalent(left: Collection, right: Collection) -> bool:
    """`~`: order does not matter, nor case and spacing of text, nor precision beyond the less precise side."""
    if len(left) != len(right):
        return False
    rest = list(right)
    for one in left:
        match = next((position for position, other in enumerate(rest) if items_equivalent(one, other)), None)
        if match is None:
            return False
        del rest[match]
    return True


def items_equivalent(left: Value, right: Value) -> bool:  # noqa: PLR0911 - one for each pair of kinds
    """Whether two items are equivalent."""
    one, other = unwrap(left), unwrap(right)
    if isinstance(one, str) and isinstance(other, str):
        return _loose(one) == _loose(other)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | Decimal) and isinstance(other, int | Decimal):
        places = min(_places(one), _places(other))
        return _rounded(one, places) == _rounded(other, places)
    if isinstance(one, Temporal) or isinstance(other, Temporal):
        pair = _temporals(one, other)
        return pair is not None and temporal.equivalent(*pair)
    first, second = _as_quantity(one), _as_quantity(other)
    if first is not None and second is not None:
        return quantity.equivalent(first, second)
    if isinstance(one, Node) and isinstance(other, Node):
        return _json_equivalent(one.value, other.value)
    return one == other


def _json_equivalent(one: Any, other: Any) -> bool:
    """Deep equivalence of JSON: ids do not matter, order in lists does not matter."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = one.keys() - {"id"}
        return names == other.keys() - {"id"} and all(_json_equivalent(one[name], other[name]) for name in names)
    if isinstance(one, list) and isinstance(other, list):
        rest = list(other)
        for item in one:
            match = next((n for n, theirs in enumerate(rest) if _json_equivalent(item, theirs)), None)
            if match is None:
                return False
            del rest[match]
        return not rest
    if isinstance(one, dict | list) or isinstance(other, dict | list) or one is None or other is None:
        return one is other
    return items_equivalent(one, other)


def compare(left: Value, right: Value) -> int | None:
    """-1, 0 or 1; None when precision or units leave it open. Raises: Incorrect for things without an order."""
    one, other = unwrap(left), unwrap(right)
    if isinstance(one, str) and isinstance(other, str):
        return (one > other) - (one < other)
    if _is_number(one) and _is_number(other):
        return (one > other) - (one < other)  # type: ignore[operator]
    if isinstance(one, Temporal) or isinstance(other, Temporal):
        pair = _temporals(one, other)
        if pair is not None:
            return temporal.compare(*pair)
    first, second = _as_quantity(one), _as_quantity(other)
    if first is not None and second is not None:
        return quantity.compare(first, second)
    raise failed(
        f"{described(left)} and {described(right)} have no order between them",
        hint="Compare numbers, texts, dates, times or quantities with their like",
    )


def _is_number(item: Value) -> bool:
    return isinstance(item, int | Decimal) and not isinstance(item, bool)


def _loose(text: str) -> str:
    """Case does not matter, nor which kind of space stands somewhere; how many does."""
    return "".join(" " if character.isspace() else character for character in text.casefold())


def _places(value: int | Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent if isinstance(value, Decimal) else 0
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _rounded(value: int | Decimal, places: int) -> Decimal:
    return Decimal(value).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def key_of(item: Value) -> object | None:
    """A key that equal items share, so that sets can be built of it; None where only comparing tells."""
    value = unwrap(item)
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, str):
        return value
    if isinstance(value, int | Decimal):
        return ("number", value)  # equal numbers have equal hashes, whole or decimal
    return None


def find_item(item: Value, items: Collection) -> bool:
    """Whether an equal item is in a collection."""
    return any(items_equal(item, other) is True for other in items)


def distinct(run: Run, items: Collection) -> Collection:
    """The items without repetitions, in the order they first appear."""
    if len(items) < 2:
        return items
    seen: set[object] = set()
    others: Collection = []
    found: Collection = []
    for item in items:
        key = key_of(item)
        if key is not None:
            if key in seen:
                continue
            seen.add(key)
        else:
            run.spend(len(others))
            if find_item(item, others):
                continue
            others.append(item)
        found.append(item)
    return found


def union(run: Run, left: Collection, right: Collection) -> Collection:
    """`|`: what is in either, each once."""
    return distinct(run, left + right)


def contains(items: Collection, wanted: Collection) -> bool | None:
    """`contains`, and `in` the other way round: None when nothing is looked for.

    Raises: Incorrect FHIRPATH_EXECUTION.
    """
    if not wanted:
        return None
    if len(wanted) > 1:
        raise failed(f"One item can be looked for in a collection, not {len(wanted)}", hint="Use subsetOf()")
    return find_item(wanted[0], items)


def _ordered(left: Collection, right: Collection) -> int | None:
    one, other = singleton(left, "A comparison"), singleton(right, "A comparison")
    return None if one is None or other is None else compare(one, other)


def _less(left: Collection, right: Collection) -> bool | None:
    order = _ordered(left, right)
    return None if order is None else order < 0


def _less_or_equal(left: Collection, right: Collection) -> bool | None:
    order = _ordered(left, right)
    return None if order is None else order <= 0


def _not_equal(left: Collection, right: Collection) -> bool | None:
    same = equal(left, right)
    return None if same is None else not same


TESTS: dict[str, Callable[[Collection, Collection], bool | None]] = {
    "=": equal,
    "!=": _not_equal,
    "~": equivalent,
    "!~": lambda left, right: not equivalent(left, right),
    "<": _less,
    "<=": _less_or_equal,
    ">": lambda left, right: _less(right, left),
    ">=": lambda left, right: _less_or_equal(right, left),
    "in": lambda left, right: contains(right, left),
    "contains": contains,
}
