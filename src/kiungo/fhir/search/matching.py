"""Predicates as conditions on one index table each: which rows, and whether they carry the sort date.

Shapes: a Match is "the rows of `table` where `where`"; a predicate is met by the rows of any of its matches.
"""

import math
from dataclasses import dataclass
from typing import Any

from kiungo.base.errors import Incorrect
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.indexing import values
from kiungo.fhir.indexing.index_rows import key_base
from kiungo.fhir.indexing.parameters import Parameter, Source
from kiungo.fhir.indexing.values import DAY_MS
from kiungo.fhir.search import units
from kiungo.fhir.search.asked import SEARCH_NOT_SUPPORTED, SEARCH_VALUE_WRONG, Predicate, Value
from kiungo.fhir.search.counts import Counts
from kiungo.fhir.search.lookups import Lookups

# A text that sorts after every text with the same beginning.
LAST = "\U0010ffff"
SORTED_TABLES = frozenset({"fhir_token", "fhir_reference", "fhir_compartment"})
Where = tuple[str, tuple[Any, ...]]
Number = tuple[float, float, float, str, tuple[Any, ...]]
# So many values are looked up one by one, each in the order of the answer; more are found together and sorted.
SINGLES_MAX = 12


@dataclass(frozen=True, slots=True)
class Match:
    """Rows of one index table.

    `keyed`: by equality of all columns before the sort date, so one row is one seek; `ordered`: of one such
    value only, so the rows come in sort-date order; `singles` is the same as one match for each of its values.
    """

    table: str
    where: str
    parameters: tuple[Any, ...]
    ordered: bool = False
    keyed: bool = False
    singles: "tuple[Match, ...]" = ()

    @property
    def has_sort(self) -> bool:
        """Whether the rows carry the sort date."""
        return self.table in SORTED_TABLES


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a search looks, and whom it asks. Units: `now_us` for `ap` on dates."""

    tenant: int
    type: str
    engine: str
    now_us: int
    lookups: Lookups | None = None
    counts: Counts | None = None

    def key(self, source: Source) -> int:
        """The key of a source's rows in this tenant."""
        return key_base(self.tenant) + source.key

    def within(self, type_name: str) -> "Scope":
        """The same, for another type."""
        return Scope(self.tenant, type_name, self.engine, self.now_us, self.lookups, self.counts)

    def asking(self) -> Lookups:
        """Whom conditions ask that need more than the index. Raises: Incorrect where nobody is to be asked."""
        if self.lookups is None:
            raise Incorrect(SEARCH_NOT_SUPPORTED, "This search cannot look up codes or hierarchies")
        return self.lookups


def matches(scope: Scope, predicate: Predicate) -> list[Match]:
    """What meets a predicate (its negation is the caller's); empty when nothing can."""
    parameter = predicate.parameter
    made: list[Match] = []
    for source in parameter.sources:
        if predicate.modifier == "missing":
            made.append(_present(scope, parameter, source))
            continue
        if parameter.kind == "token" or predicate.modifier == "identifier":
            made += _tokens(scope, source, predicate.values)
        elif parameter.kind == "reference":
            made += _references(scope, parameter, source, predicate.values)
        else:
            made += [m for value in predicate.values for m in _BY_KIND[parameter.kind](scope, source, predicate, value)]
    return made


def _present(scope: Scope, parameter: Parameter, source: Source) -> Match:
    """Every row of the parameter."""
    key = scope.key(source)
    if parameter.kind in ("date", "number", "quantity"):
        table = "fhir_date" if parameter.kind == "date" else "fhir_number"
        return Match(table, "x.k IN (?, ?)", (key * 2, key * 2 + 1))
    if parameter.kind == "special":
        return Match("fhir_position", "x.k = ?", (key,))
    if parameter.kind == "reference" and source.target_type is not None:
        return Match("fhir_reference", "x.k = ? AND x.target & 255 = ?", (key, source.target_type))
    if parameter.kind == "token" and source.system is not None:
        return Match("fhir_token", "x.k = ? AND x.system = ?", (key, source.system))
    return Match(f"fhir_{parameter.kind}", "x.k = ?", (key,))


def token_condition(value: Value, source: Source) -> tuple[int | None, int | None]:
    """(code's hash, system's hash) a token value asks for; None where it does not care.

    Raises: Incorrect SEARCH_VALUE_WRONG.
    """
    parts = value.parts
    system: int | None = None
    if len(parts) > 2:
        raise _wrong("a token is code, |code, system| or system|code; escape a | inside as \\|")
    if len(parts) == 2:
        system = values.hash32(parts[0])
    code = parts[-1]
    if source.system is not None:
        system = source.system
    if not code and not (len(parts) == 2 and parts[0]):
        raise _wrong("a token needs a code or a system")
    return (values.hash64(code) if code else None), system


def _tokens(scope: Scope, source: Source, wanted: tuple[Value, ...]) -> list[Match]:
    key = scope.key(source)
    plain: list[int] = []
    made: list[Match] = []
    for value in wanted:
        code, system = token_condition(value, source)
        if code is None:
            made.append(Match("fhir_token", "x.k = ? AND x.system = ?", (key, system)))
        elif system is None:
            plain.append(code)
        else:
            made.append(Match("fhir_token", "x.k = ? AND x.hash = ? AND x.system = ?", (key, code, system), True, True))
    if plain:
        made.append(_one_or_many("fhir_token", "hash", key, plain))
    return made


def _one_or_many(table: str, column: str, key: int, wanted: list[int]) -> Match:
    if len(wanted) == 1:
        return Match(table, f"x.k = ? AND x.{column} = ?", (key, wanted[0]), True, True)
    marks = ", ".join("?" * len(wanted))
    singles = tuple(_one_or_many(table, column, key, [one]) for one in wanted) if len(wanted) <= SINGLES_MAX else ()
    return Match(table, f"x.k = ? AND x.{column} IN ({marks})", (key, *wanted), keyed=True, singles=singles)


def reference_targets(parameter: Parameter, source: Source, value: Value) -> list[int]:
    """The target numbers a reference value may mean: an id alone may be of any type the parameter allows.

    Raises: Incorrect SEARCH_VALUE_WRONG.
    """
    text = value.text
    parts = values.split_reference(text)
    if parts is not None and parts[0] is None:
        number = type_ids()[parts[1]]
        return [values.target_of(parts[1], parts[2])] if source.target_type in (None, number) else []
    if parts is not None or ":" in text:
        return [values.url_target(text)] if source.target_type is None else []
    if "/" in text:
        raise _wrong(f"{text[:60]!r} is not a reference: write Type/id")
    allowed = [t for t in parameter.targets if source.target_type in (None, type_ids()[t])]
    return [values.target_of(t, text) for t in allowed]


def _references(scope: Scope, parameter: Parameter, source: Source, wanted: tuple[Value, ...]) -> list[Match]:
    targets = [t for value in wanted for t in reference_targets(parameter, source, value)]
    return [_one_or_many("fhir_reference", "target", scope.key(source), targets)] if targets else []


def date_bounds(scope: Scope, value: Value) -> tuple[int, int, int, int]:
    """(low, high, first, last) of a date value: what it covers, widened for `ap`, and its ends."""
    low, high = parse_span(value)
    if value.prefix == "ap":
        # A tenth of the distance from today on each side. Source: FHIR R4 3.1.1.4.3.
        margin = abs(scope.now_us // 1000 - low) // 10
        low, high = low - margin, high + margin
    return low, high, low, high


def _dates(scope: Scope, source: Source, _: Predicate, value: Value) -> list[Match]:
    low, high, first, last = date_bounds(scope, value)
    key = scope.key(source) * 2
    return _ranges("fhir_date", key, value.prefix or "eq", low, high, (first, last), DAY_MS, ("", ()))


def parse_span(value: Value) -> tuple[int, int]:
    """The milliseconds a date value stands for. Raises: Incorrect SEARCH_VALUE_WRONG."""
    text = value.text.replace(" ", "+")  # an unescaped + of an offset arrives as a space
    try:
        return values.date_span(text)
    except (ValueError, OverflowError):
        raise _wrong(f"{text[:40]!r} is not a date: write 2024, 2024-10, 2024-10-03 or 2024-10-03T10:30:00Z") from None


def number_bounds(kind: str, value: Value) -> Number:
    """(low, high, exact) of a number or quantity, and the test of its unit. Raises: Incorrect SEARCH_VALUE_WRONG."""
    parts = value.parts
    if len(parts) not in ((1, 3) if kind == "quantity" else (1,)):
        raise _wrong("a quantity is number or number|system|unit, a number is just that")
    try:
        low, high = values.number_span(parts[0])
        exact = float(parts[0])
    except (ArithmeticError, ValueError):
        raise _wrong(f"{parts[0][:40]!r} is not a number") from None
    if value.prefix == "ap":
        low, high = exact - abs(exact) / 10, exact + abs(exact) / 10
    elif low < high:
        high = math.nextafter(high, -math.inf)  # 100 stands for [99.5, 100.5)
    extra = ""
    parameters: tuple[Any, ...] = ()
    if len(parts) == 3 and parts[1]:
        extra, parameters = " AND x.system = ?", (values.hash32(parts[1]),)
    if len(parts) == 3 and parts[2]:
        extra, parameters = extra + " AND x.unit = ?", (*parameters, values.hash32(parts[2]))
    return low, high, exact, extra, parameters


def numbers_meant(kind: str, value: Value) -> list[Number]:
    """The same, and again in the other units that an amount may have been sent in."""
    low, high, exact, extra, parameters = number_bounds(kind, value)
    found = [(low, high, exact, extra, parameters)]
    if math.isfinite(exact) and kind == "quantity" and len(value.parts) == 3 and value.parts[1] == units.UCUM:
        for other in units.others(value.parts[2]):
            amounts = (other.of(low), other.of(high), other.of(exact))
            found.append((*amounts, extra, (*parameters[:-1], values.hash32(other.code))))
    return found


def _numbers(scope: Scope, source: Source, predicate: Predicate, value: Value) -> list[Match]:
    key, prefix = scope.key(source) * 2, value.prefix or "eq"
    meant = numbers_meant(predicate.parameter.kind, value)
    if len(meant) > 1 and prefix not in ("eq", "ap"):
        return [_compared(key + wide, prefix, meant) for wide in (0, 1)]
    made: list[Match] = []
    for low, high, exact, extra, parameters in meant:
        made += _ranges("fhir_number", key, prefix, low, high, (exact, exact), 0, (extra, parameters))
    return made


def _compared(key: int, prefix: str, meant: list[Number]) -> Match:
    """A comparison in several units as one read of the index, from the least bound or to the greatest of them.

    A range for each unit would read most of the parameter's rows once for each.
    """
    tests: list[str] = []
    parameters: list[Any] = []
    for low, high, exact, extra, also in meant:
        where, bounds = range_rule(prefix, low, high, exact, exact)
        tests.append(f"({where}{extra})")
        parameters += [*bounds, *also]
    exacts = [exact for _, _, exact, _, _ in meant]
    outer: Where = {
        "lt": (" AND x.low < ?", (max(exacts),)),
        "eb": (" AND x.low < ?", (max(exacts),)),
        "le": (" AND x.low <= ?", (max(exacts),)),
        "sa": (" AND x.low > ?", (min(exacts),)),
    }.get(prefix, ("", ()))
    if key % 2 == 0:  # narrow rows have one amount, so what is asked of the high end holds for the low one
        outer = {
            "gt": (" AND x.low > ?", (min(exacts),)),
            "ge": (" AND x.low >= ?", (min(exacts),)),
        }.get(prefix, outer)
    return Match("fhir_number", f"x.k = ?{outer[0]} AND ({' OR '.join(tests)})", (key, *outer[1], *parameters))


def range_rule(prefix: str, low: Any, high: Any, first: Any, last: Any) -> Where:
    """How a row's range meets a prefix against [low, high], whose ends as written are first and last.

    Source: FHIR R4 3.1.1.4.3 to 3.1.1.4.6 (prefixes).
    """
    rules: dict[str, Where] = {
        "eq": ("x.low >= ? AND x.low <= ? AND x.high <= ?", (low, high, high)),
        "ne": ("NOT (x.low >= ? AND x.low <= ? AND x.high <= ?)", (low, high, high)),
        "gt": ("x.high > ?", (last,)),
        "lt": ("x.low < ?", (first,)),
        # Beyond the searched range, or within it; the first bound only lets an index be used.
        "ge": ("x.high >= ? AND (x.high > ? OR x.low >= ?)", (first, last, first)),
        "le": ("x.low <= ? AND (x.low < ? OR x.high <= ?)", (last, first, last)),
        "sa": ("x.low > ?", (last,)),
        "eb": ("x.low < ? AND x.high < ?", (first, first)),
        "ap": ("x.low <= ? AND x.high >= ?", (high, low)),
        "po": ("x.low <= ? AND x.high >= ?", (last, first)),
    }
    return rules[prefix]


def _ranges(
    table: str, key: int, prefix: str, low: Any, high: Any, edges: tuple[Any, Any], narrow: int, also: Where
) -> list[Match]:
    """The rows whose range meets `prefix` against [low, high]; narrow and wide rows have a key each.

    Narrow rows are at most `narrow` wide, so a bound on `high` bounds `low` too.
    """
    extra, parameters = also
    first, last = edges
    where, bounds = range_rule(prefix, low, high, first, last)
    near: Where = {
        "gt": (" AND x.low > ?", (last - narrow,)),
        "ge": (" AND x.low >= ?", (first - narrow,)),
        "ap": (" AND x.low >= ?", (low - narrow,)),
    }.get(prefix, ("", ()))
    return [
        Match(table, f"x.k = ? AND {where}{near[0]}{extra}", (key, *bounds, *near[1], *parameters)),
        Match(table, f"x.k = ? AND {where}{extra}", (key + 1, *bounds, *parameters)),
    ]


def _strings(scope: Scope, source: Source, predicate: Predicate, value: Value) -> list[Match]:
    key, text = scope.key(source), values.normal(value.text)
    if predicate.modifier == "exact":
        spelling = values.hash32(value.text)
        return [Match("fhir_string", "x.k = ? AND x.text = ? AND x.spelling = ?", (key, text, spelling))]
    if not text:
        raise _wrong("a string to search for has at least one letter")
    if predicate.modifier == "equal":  # as a filter means it: without case and accents
        return [Match("fhir_string", "x.k = ? AND x.text = ?", (key, text))]
    if predicate.modifier == "ends":
        ending = "substr(x.text, -?)" if scope.engine == "sqlite" else "right(x.text, ?)"
        return [Match("fhir_string", f"x.k = ? AND {ending} = ?", (key, len(text), text))]
    if predicate.modifier == "contains":
        within = "instr(x.text, ?)" if scope.engine == "sqlite" else "strpos(x.text, ?)"
        return [Match("fhir_string", f"x.k = ? AND {within} > 0", (key, text))]
    return [Match("fhir_string", "x.k = ? AND x.text >= ? AND x.text < ?", (key, text, text + LAST))]


def _uris(scope: Scope, source: Source, predicate: Predicate, value: Value) -> list[Match]:
    key, text = scope.key(source), value.text
    if predicate.modifier == "below":
        start = text if text.endswith(("/", ":")) else text + "/"
        beneath = Match("fhir_uri", "x.k = ? AND x.text >= ? AND x.text < ?", (key, start, start + LAST))
        return [Match("fhir_uri", "x.k = ? AND x.text = ?", (key, text)), beneath]
    if predicate.modifier == "above":
        parts = text.split("/")
        above = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)][:100]
        wanted = [*above, *(a + "/" for a in above[:-1])]
        return [Match("fhir_uri", f"x.k = ? AND x.text IN ({', '.join('?' * len(wanted))})", (key, *wanted))]
    made = [Match("fhir_uri", "x.k = ? AND x.text = ?", (key, text))]
    if "|" not in text:
        # A canonical is found by its URL whatever its version.
        made.append(Match("fhir_uri", "x.k = ? AND x.text >= ? AND x.text < ?", (key, text + "|", text + "|" + LAST)))
    return made


_BY_KIND = {"date": _dates, "number": _numbers, "quantity": _numbers, "string": _strings, "uri": _uris}


def _wrong(message: str) -> Incorrect:
    return Incorrect(SEARCH_VALUE_WRONG, message, hint="See FHIR R4 search, or /fhir/metadata")
