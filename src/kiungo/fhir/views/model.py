"""A view that was understood: its columns in order, and how each resource becomes rows.

Every part is compiled once. A row is a list with a place for each column; the parts of a select fill their own places,
and parts that each give several rows are multiplied.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from kiungo.base.errors import Incorrect, define
from kiungo.fhir.fhirpath import Expression, Node, Quantity, Run, Temporal, evaluation, resource_node
from kiungo.fhir.fhirpath.values import Collection, TypeInfo, Value, unwrap

VIEW_WRONG = define("VIEW_WRONG", Incorrect, "A ViewDefinition cannot be run.", http=422)
VIEW_ROW_WRONG = define("VIEW_ROW_WRONG", Incorrect, "A resource does not fit the columns of a view.", http=422)

ROWS_PER_RESOURCE_MAX = 100_000
REPEATED_MAX = 10_000
Row = dict[int, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Shapes: `place` is its position in a row; a collection holds a list."""

    place: int
    name: str
    path: Expression
    type: str
    is_collection: bool
    description: str = ""


@dataclass(slots=True)
class Select:
    """One select: where its rows come from (`each`, `each_or_null`, `repeat`, or the element itself), and its parts."""

    columns: tuple[Column, ...] = ()
    selects: "tuple[Select, ...]" = ()
    unions: "tuple[Select, ...]" = ()
    each: Expression | None = None
    or_null: bool = False
    repeat: tuple[Expression, ...] = ()

    def names(self) -> tuple[str, ...]:
        """The names of all columns it fills, in order."""
        union = self.unions[0].names() if self.unions else ()
        return (*(c.name for c in self.columns), *chain.from_iterable(s.names() for s in self.selects), *union)


@dataclass(slots=True)
class View:
    """A compiled ViewDefinition."""

    name: str
    resource: str
    columns: tuple[Column, ...]
    where: tuple[Expression, ...]
    root: Select
    constants: dict[str, object] = field(default_factory=dict)

    def rows(self, resource: dict[str, Any]) -> Iterator[list[Any]]:
        """The rows of one resource, a value for each column in order; none when it is of another type.

        Raises: Incorrect VIEW_ROW_WRONG (several values for one cell, a condition that is neither true nor false),
        FHIRPATH_EXECUTION.
        """
        if resource.get("resourceType") != self.resource:
            return
        environment: dict[str, object] = {**self.constants, "rowIndex": 0}
        node = resource_node(resource)
        run = evaluation(node, environment=environment)
        if not all(_is_true(condition, run, node) for condition in self.where):
            return
        width = len(self.columns)
        for row in _select_rows(self.root, run, node, environment, 0):
            yield [row.get(place) for place in range(width)]

    def dictionaries(self, resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The same rows by column name."""
        names = [column.name for column in self.columns]
        return (dict(zip(names, row, strict=True)) for row in self.rows(resource))


def _select_rows(select: Select, run: Run, node: Value | None, environment: dict[str, object], index: int) -> list[Row]:
    """The rows of a select at an element; `index` is what %rowIndex says outside its own loop."""
    if select.each is None and not select.repeat:
        return _part_rows(select, run, node, environment, index)
    found: list[Value] = []
    if node is not None:
        found = _values(select.each, run, node) if select.each is not None else _repeated(select.repeat, run, node)
    if not found and select.or_null:
        return _part_rows(select, run, None, environment, 0)
    rows: list[Row] = []
    for number, item in enumerate(found):
        rows += _part_rows(select, run, item, environment, number)
        _check_size(rows)
    return rows


def _part_rows(select: Select, run: Run, node: Value | None, environment: dict[str, object], index: int) -> list[Row]:
    environment["rowIndex"] = index
    rows: list[Row] = [{column.place: _cell(column, run, node) for column in select.columns}]
    for inner in select.selects:
        rows = _product(rows, _select_rows(inner, run, node, environment, index))
    if select.unions:
        together = [row for union in select.unions for row in _select_rows(union, run, node, environment, index)]
        rows = _product(rows, together)
    return rows


def _product(left: list[Row], right: list[Row]) -> list[Row]:
    if len(left) * len(right) > ROWS_PER_RESOURCE_MAX:
        _check_size([*left, *right], len(left) * len(right))
    if len(left) == 1 and len(right) == 1:
        left[0].update(right[0])
        return left
    return [{**one, **other} for one in left for other in right]


def _repeated(paths: tuple[Expression, ...], run: Run, node: Value) -> list[Value]:
    """Everything the paths lead to, and from there again, each before what is below it."""
    found: list[Value] = []
    waiting: list[Value] = list(reversed(_all(paths, run, node)))
    while waiting:
        item = waiting.pop()
        found.append(item)
        if len(found) > REPEATED_MAX:
            _check_size([], ROWS_PER_RESOURCE_MAX + 1)
        waiting += reversed(_all(paths, run, item))
    return found


def _all(paths: tuple[Expression, ...], run: Run, node: Value) -> list[Value]:
    return [item for path in paths for item in _values(path, run, node)]


def _values(path: Expression, run: Run, item: Value | None) -> Collection:
    """What a path gives at an element, a computed value, or (None) nothing at all."""
    run.context = item
    return path.items(run)


def _is_true(condition: Expression, run: Run, node: Node) -> bool:
    found = [unwrap(item) for item in condition.items(run, node)]
    if len(found) > 1 or (found and not isinstance(found[0], bool)):
        raise Incorrect(
            VIEW_ROW_WRONG,
            "A condition of the view is neither true nor false",
            field="where",
            hint="Write a condition, such as name.exists()",
        )
    return bool(found and found[0])


def _cell(column: Column, run: Run, node: Value | None) -> Any:
    found = _values(column.path, run, node)
    if column.is_collection:
        return [value for item in found if (value := plain(item)) is not None]
    if not found:
        return None
    if len(found) > 1:
        raise Incorrect(
            VIEW_ROW_WRONG,
            f"{column.name} has {len(found)} values in one row",
            field=column.name,
            hint="Set collection to true, or take one with first()",
        )
    return plain(found[0])


def plain(item: Value) -> Any:
    """A value as JSON has it: a number, text or truth, or the object of an element that has parts."""
    if isinstance(item, Node):
        return item.value
    if isinstance(item, Temporal):
        return item.text
    if isinstance(item, Quantity):
        return {"value": item.value, "unit": item.unit}
    return repr(item) if isinstance(item, TypeInfo) else item


def _check_size(rows: list[Row], size: int = 0) -> None:
    if max(len(rows), size) > ROWS_PER_RESOURCE_MAX:
        raise Incorrect(
            VIEW_ROW_WRONG,
            f"One resource gives more than {ROWS_PER_RESOURCE_MAX} rows",
            field="select",
            hint="Split the view: parts side by side multiply",
        )
