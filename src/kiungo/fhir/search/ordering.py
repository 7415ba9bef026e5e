"""The order of a search's results, and the condition that continues after a page's last row.

Without `_sort` the newest come first: by the type's clinical date, where it has one, then by when they came.
A row without a value for a sort key comes after every row with one, whichever way they are sorted; so a page of a
sorted search is full before anything without a value has to be looked for. (Without the type's own clinical date a
record counts as the oldest, since its index rows stand there.)
"""

from dataclasses import dataclass, field
from typing import Any

from kiungo.base.errors import Incorrect
from kiungo.fhir.indexing.parameters import Parameter
from kiungo.fhir.indexing.values import NUMBER_MAX, NUMBER_MIN, TIME_MAX, TIME_MIN
from kiungo.fhir.search.asked import SEARCH_NOT_SUPPORTED, SortKey
from kiungo.fhir.search.matching import LAST, Scope
from kiungo.fhir.search.own_columns import own_date
from kiungo.fhir.search.sql import NOTHING, Sql

# Where the values of a sort key can be narrowed to rows that are known already.
WITHIN = "/* within */ "
# The table and column of a kind's values, what comes before and after all of them, and how many keys it has.
_VALUE_TABLES: dict[str, tuple[str, str, tuple[Any, Any], int]] = {
    "date": ("fhir_date", "low", (TIME_MIN - 1, TIME_MAX + 1), 2),
    "number": ("fhir_number", "low", (NUMBER_MIN * 10, NUMBER_MAX * 10), 2),
    "quantity": ("fhir_number", "low", (NUMBER_MIN * 10, NUMBER_MAX * 10), 2),
    "string": ("fhir_string", "text", ("", LAST), 1),
    "uri": ("fhir_uri", "text", ("", LAST), 1),
}


def without_value(kind: str, *, descending: bool) -> Any:
    """What a row without a value is sorted by, of a kind that the index has values of."""
    return _VALUE_TABLES[kind][2][0 if descending else 1]


@dataclass(frozen=True, slots=True)
class Values:
    """Where the values of a sort key stand: rows of `table` under one of `keys`. `missing` stands for none."""

    table: str
    column: str
    keys: tuple[int, ...]
    missing: Any


@dataclass(frozen=True, slots=True)
class Key:
    """One sort key: an expression over the row `d` and its resource `s`, perhaps from a joined table."""

    expression: str
    descending: bool
    join: Sql = NOTHING
    values: Values | None = None

    @property
    def direction(self) -> str:
        """As SQL writes it."""
        return "DESC" if self.descending else "ASC"


@dataclass(frozen=True, slots=True)
class Ordering:
    """The keys, the row id last. `natural`: the order index rows already have, forwards or backwards.

    Shapes: `columns` selects the keys as `names`, `by_name` orders by those.
    """

    keys: tuple[Key, ...]
    natural: bool
    columns: str = field(init=False)
    names: tuple[str, ...] = field(init=False)
    by_name: str = field(init=False)

    def __post_init__(self) -> None:
        names = tuple(f"v{n}" for n in range(len(self.keys)))
        put = object.__setattr__
        put(self, "names", names)
        put(self, "columns", ", ".join(f"{k.expression} AS {n}" for k, n in zip(self.keys, names, strict=True)))
        put(self, "by_name", ", ".join(f"{n} {k.direction}" for k, n in zip(self.keys, names, strict=True)))

    @property
    def needs_resource(self) -> bool:
        """Whether a key stands in the resource's own row."""
        return not self.natural and any(key.expression.startswith("s.") for key in self.keys)

    @property
    def is_by_update(self) -> bool:
        """Whether `_lastUpdated` alone decides the order."""
        return len(self.keys) == 2 and self.keys[0].expression == "s.updated_us"

    def joins(self, rows: Sql | None) -> Sql:
        """The joined tables of the keys, with the values of these rows only: others are not worth grouping."""
        if self.natural:
            return NOTHING
        narrowed = f"AND rid IN (SELECT w.rid FROM ({rows.text}) w) " if rows is not None else ""
        also = rows.parameters if rows is not None else ()
        made = [key.join for key in self.keys if key.join.text]
        text = "".join(join.text.replace(WITHIN, narrowed) for join in made)
        return Sql(text, tuple(value for join in made for value in (*join.parameters, *also)))

    def order_by(self) -> str:
        """The ORDER BY list."""
        return ", ".join(f"{key.expression} {key.direction}" for key in self.keys)

    def after(self, last: list[Any]) -> Sql:
        """The rows after this one. Raises: Incorrect when the page link does not fit the order."""
        if len(last) != len(self.keys):
            raise Incorrect(SEARCH_NOT_SUPPORTED, "The page link does not fit this search", hint="Search again")
        if self.natural:
            mark = "<" if self.keys[0].descending else ">"
            return Sql(f"({self.keys[0].expression}, {self.keys[1].expression}) {mark} (?, ?)", tuple(last))
        parts, parameters = [], []
        for position, key in enumerate(self.keys):
            equal = [f"{k.expression} = ?" for k in self.keys[:position]]
            parts.append(" AND ".join([*equal, f"{key.expression} {'<' if key.descending else '>'} ?"]))
            parameters += [*last[:position], last[position]]
        return Sql("(" + " OR ".join(f"({part})" for part in parts) + ")", tuple(parameters))


def _natural(*, descending: bool) -> Ordering:
    return Ordering((Key("d.sort_ms", descending), Key("d.rid", descending)), natural=True)


NEWEST_FIRST = _natural(descending=True)
OLDEST_FIRST = _natural(descending=False)


def ordering(scope: Scope, sort: list[SortKey]) -> Ordering:
    """The order a query asks for. Raises: Incorrect SEARCH_NOT_SUPPORTED for keys that have no order."""
    own = own_date(scope.type)
    if not sort or (len(sort) == 1 and own is not None and sort[0].parameter.key == own.key):
        return NEWEST_FIRST if not sort or sort[0].descending else OLDEST_FIRST
    keys = [_key(scope, key.parameter, key.descending, f"o{n}") for n, key in enumerate(sort)]
    return Ordering((*keys, Key("d.rid", sort[-1].descending)), natural=False)


def _key(scope: Scope, parameter: Parameter, descending: bool, alias: str) -> Key:
    if parameter.code == "_id":
        return Key("s.fid", descending)
    if parameter.code == "_lastUpdated":
        return Key("s.updated_us", descending)
    if parameter.kind not in _VALUE_TABLES:
        raise Incorrect(
            SEARCH_NOT_SUPPORTED,
            f"Sorting by {parameter.code} is not offered: a {parameter.kind} has no order",
            field="_sort",
            hint="Sort by a date, number, quantity, string or uri parameter, _id or _lastUpdated",
        )
    table, column, _, factor = _VALUE_TABLES[parameter.kind]
    keys = [scope.key(source) * factor + wide for source in parameter.sources for wide in range(factor)]
    pick = "MAX" if descending else "MIN"
    text = (
        f" LEFT JOIN (SELECT rid, {pick}({column}) AS v FROM {table} WHERE k IN ({', '.join('?' * len(keys))}) "
        f"{WITHIN}GROUP BY rid) {alias} ON {alias}.rid = d.rid"
    )
    missing = without_value(parameter.kind, descending=descending)
    literal = f"'{missing}'" if isinstance(missing, str) else repr(missing)
    values = Values(table, column, tuple(keys), missing)
    return Key(f"COALESCE({alias}.v, {literal})", descending, Sql(text, tuple(keys)), values)
