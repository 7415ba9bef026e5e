"""Reads a ViewDefinition, and refuses one that could not be run with the place and the way out.

Source: SQL on FHIR v2.0, ViewDefinition and its invariants (sql-name, sql-expressions).
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kiungo.base.errors import Incorrect
from kiungo.fhir.definitions import resource_types
from kiungo.fhir.fhirpath import Expression, Temporal, compile
from kiungo.fhir.fhirpath.checker import may_be
from kiungo.fhir.fhirpath.syntax import Variable
from kiungo.fhir.views.keys import for_views
from kiungo.fhir.views.model import VIEW_WRONG, Column, Select, View

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,254}")
DEPTH_MAX = 20
COLUMNS_MAX = 1_000
OWN_VARIABLES = frozenset({"rowIndex", "context", "resource", "rootResource", "ucum", "sct", "loinc"})
_TEMPORAL = {"valueDate": "Date", "valueDateTime": "DateTime", "valueInstant": "DateTime", "valueTime": "Time"}
_TEXTS = frozenset(
    f"value{name}"
    for name in ("Base64Binary", "Canonical", "Code", "Id", "Markdown", "Oid", "String", "Uri", "Url", "Uuid")
)
_WHOLE = frozenset({"valueInteger", "valuePositiveInt", "valueUnsignedInt", "valueInteger64"})


def read_view(definition: Any) -> View:
    """A ViewDefinition, compiled. Raises: Incorrect VIEW_WRONG, FHIRPATH_SYNTAX, FHIRPATH_SEMANTIC."""
    if not isinstance(definition, dict):
        raise _wrong("ViewDefinition", "is not an object", "Send a ViewDefinition as JSON")
    resource = definition.get("resource")
    if resource not in resource_types():
        raise _wrong("resource", "must name a resource type", "Write the type the rows come from, such as Patient")
    name = definition.get("name", "")
    if name != "" and not (isinstance(name, str) and NAME.fullmatch(name)):
        raise _wrong("name", "is not a name a database takes", "Use letters, digits and _, a letter first")
    constants = _constants(definition.get("constant", []))
    reader = _Reader(frozenset(constants))
    given = _list(definition, "select", "select")
    if not given:
        raise _wrong("select", "is missing", "Name at least one column")
    root = Select(selects=tuple(reader.select(part, f"select[{n}]", 0) for n, part in enumerate(given)))
    where = tuple(
        reader.condition(part, resource, f"where[{n}]") for n, part in enumerate(_list(definition, "where", "where"))
    )
    names = root.names()
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise _wrong("column.name", f"{sorted(repeated)[0]} is there twice", "Give every column a name of its own")
    return View(name, resource, reader.columns(), where, root, constants)


class _Reader:
    """Reads selects, and numbers the columns: those of a union share the places of its first part."""

    def __init__(self, constants: frozenset[str]) -> None:
        self._known = constants | OWN_VARIABLES
        self._columns: list[Column] = []

    def columns(self) -> tuple[Column, ...]:
        """Every column in the order of its place."""
        return tuple(self._columns)

    def select(self, part: Any, at: str, depth: int, places: dict[str, int] | None = None) -> Select:
        """One select. Shapes: `places` are those its columns must take, in a union after the first part."""
        if not isinstance(part, dict):
            raise _wrong(at, "is not an object", "Write column, select, forEach or unionAll inside it")
        if depth > DEPTH_MAX:
            raise _wrong(at, f"is nested deeper than {DEPTH_MAX}", "Split the view")
        loops = [name for name in ("forEach", "forEachOrNull", "repeat") if name in part]
        if len(loops) > 1:
            raise _wrong(at, f"has both {loops[0]} and {loops[1]}", "Use one of them")
        found = Select(or_null="forEachOrNull" in part)
        if loops and loops[0] != "repeat":
            found.each = self.path(part, loops[0], at)
        elif loops:
            listed = _list(part, "repeat", at)
            found.repeat = tuple(self.path({"repeat": text}, "repeat", at) for text in listed)
            if not found.repeat:
                raise _wrong(f"{at}.repeat", "is empty", "Name the paths to follow")
        columns = [
            self._column(c, f"{at}.column[{n}]", places) for n, c in enumerate(_list(part, "column", f"{at}.column"))
        ]
        found.columns = tuple(columns)
        found.selects = tuple(
            self.select(inner, f"{at}.select[{n}]", depth + 1, places)
            for n, inner in enumerate(_list(part, "select", f"{at}.select"))
        )
        found.unions = self._unions(_list(part, "unionAll", f"{at}.unionAll"), at, depth, places)
        if not (found.columns or found.selects or found.unions):
            raise _wrong(at, "has no columns", "Add column, select or unionAll")
        return found

    def _unions(self, parts: list[Any], at: str, depth: int, places: dict[str, int] | None) -> tuple[Select, ...]:
        found: list[Select] = []
        for number, part in enumerate(parts):
            inner = places
            if found and places is None:
                wanted = set(found[0].names())
                inner = {column.name: column.place for column in self._columns if column.name in wanted}
            made = self.select(part, f"{at}.unionAll[{number}]", depth + 1, inner)
            if found and made.names() != found[0].names():
                raise _wrong(
                    f"{at}.unionAll[{number}]",
                    f"has the columns {', '.join(made.names())}, the first part {', '.join(found[0].names())}",
                    "Give every part the same columns in the same order",
                )
            found.append(made)
        return tuple(found)

    def _column(self, given: Any, at: str, places: dict[str, int] | None) -> Column:
        if not isinstance(given, dict):
            raise _wrong(at, "is not an object", "Write a name and a path")
        name = given.get("name")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise _wrong(f"{at}.name", "is not a name a database takes", "Use letters, digits and _, a letter first")
        if len(self._columns) >= COLUMNS_MAX:
            raise _wrong("select", f"has more than {COLUMNS_MAX} columns", "Split the view")
        place = len(self._columns) if places is None else places.get(name, -1)
        column = Column(
            place,
            name,
            self.path(given, "path", at),
            str(given.get("type", "")),
            given.get("collection") is True,
            str(given.get("description", "")),
        )
        if places is None:
            self._columns.append(column)
        return column

    def condition(self, given: Any, resource: str, at: str) -> Expression:
        """A FHIRPath expression that may be true or false for resources of a type."""
        expression = self.path(given, "path", at)
        if not may_be(expression.tree, resource, "Boolean"):
            raise _wrong(f"{at}.path", "can be neither true nor false", "Write a condition, such as name.exists()")
        return expression

    def path(self, given: Any, name: str, at: str) -> Expression:
        """A FHIRPath expression of the view, its variables known."""
        text = given.get(name) if isinstance(given, dict) else None
        if not isinstance(text, str) or not text.strip():
            raise _wrong(f"{at}.{name}", "is not a FHIRPath expression", "Write a path, such as name.family")
        expression = compile(text)
        unknown = sorted(_variables(expression.tree) - self._known)
        if unknown:
            raise _wrong(f"{at}.{name}", f"uses %{unknown[0]}, which no constant defines", "Add it to constant")
        return for_views(expression)


def _variables(tree: object) -> set[str]:
    """The names of all variables in an expression's tree."""
    found: set[str] = set()
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Variable):
            if not one.name.startswith(("vs-", "ext-")):
                found.add(one.name)
        elif isinstance(one, tuple | list):
            waiting += one
        elif hasattr(one, "__dataclass_fields__"):
            waiting += [getattr(one, name) for name in one.__dataclass_fields__]
    return found


def _constants(given: Any) -> dict[str, object]:
    found: dict[str, object] = {}
    for number, entry in enumerate(given if isinstance(given, list) else []):
        at = f"constant[{number}]"
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not NAME.fullmatch(name) or name in OWN_VARIABLES:
            raise _wrong(f"{at}.name", "is not a name a constant may have", "Use letters, digits and _")
        values = [(key, value) for key, value in entry.items() if key.startswith("value")]
        if len(values) != 1:
            raise _wrong(at, "needs exactly one value", "Write valueString, valueCode, valueInteger or another")
        found[name] = _constant(*values[0], at)
    return found


def _constant(kind: str, value: Any, at: str) -> object:
    if kind in _TEMPORAL and isinstance(value, str):
        parsed = Temporal.parse(value.removeprefix("T"), _TEMPORAL[kind])
        if parsed is not None:
            return parsed
    elif (
        (kind in _TEXTS and isinstance(value, str))
        or (kind == "valueBoolean" and isinstance(value, bool))
        or (kind in _WHOLE and isinstance(value, int) and not isinstance(value, bool))
    ):
        return value
    elif kind == "valueDecimal" and isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return Decimal(str(value))
    raise _wrong(f"{at}.{kind}", "is not a value of that type", "Write it as FHIR writes this type")


def _list(given: Mapping[str, Any], name: str, at: str) -> list[Any]:
    found = given.get(name, [])
    if not isinstance(found, list):
        raise _wrong(at, "must be a list", f"Write {name} as a JSON array")
    return found


def _wrong(field: str, problem: str, hint: str) -> Incorrect:
    return Incorrect(VIEW_WRONG, f"{field} {problem}", field=field, hint=hint)
