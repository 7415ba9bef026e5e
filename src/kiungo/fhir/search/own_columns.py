"""Conditions on the resource's own row (`_id`, `_lastUpdated`), and what a type's own date says about the sort date."""

from functools import cache

from kiungo.fhir.indexing.parameters import OWN_COLUMNS, Parameter, is_single, sort_parameter
from kiungo.fhir.indexing.values import DAY_MS
from kiungo.fhir.search.asked import Condition, Predicate, Value
from kiungo.fhir.search.matching import Scope, parse_span
from kiungo.fhir.search.sql import Sql


def is_negative(predicate: Predicate) -> bool:
    """Whether a predicate is met by what does not match."""
    missing = predicate.modifier == "missing" and predicate.values[0].text == "true"
    return missing or predicate.modifier in ("not", "not-in")


def is_own_date(scope: Scope, predicate: Predicate) -> bool:
    """Whether the parameter is the one whose low end is the sort date of the type."""
    own = own_date(scope.type)
    return own is not None and predicate.parameter.key == own.key


@cache
def own_date(type_name: str) -> Parameter | None:
    """The parameter whose low end is the sort date of a type, where a resource has one value of it at most."""
    own = sort_parameter(type_name)
    return own if own is not None and is_single(own) else None


def own_date_bounds(predicate: Predicate, now_us: int, *, all_narrow: bool) -> list[tuple[str, int]]:
    """What a condition on a type's own date says about the sort date alone: comparison and milliseconds.

    `all_narrow`: no record of the type has a date wider than a day, so a lower bound on the high end is one
    on the low end too.
    """
    if len(predicate.values) != 1 or predicate.modifier:
        return []
    value = predicate.values[0]
    prefix = value.prefix or "eq"
    low, high = parse_span(value)
    if prefix == "ap":
        margin = abs(now_us // 1000 - low) // 10
        low, high = low - margin, high + margin
    bounds = {
        "eq": [(">=", low), ("<=", high)],
        "sa": [(">", high)],
        "lt": [("<", low)],
        "eb": [("<", low)],
        "le": [("<=", high)],
        "ap": [("<=", high)],
    }.get(prefix, [])
    near = {"ge": low, "gt": high, "ap": low}.get(prefix)
    if all_narrow and near is not None:
        bounds.append((">=", near - DAY_MS))
    return bounds


def own_column_test(condition: Condition) -> Sql | None:
    """The test of a condition on the resource's own row where that row is `d`; None for other conditions."""
    if not isinstance(condition, Predicate) or condition.parameter.code not in OWN_COLUMNS:
        return None
    where = own_test(condition)
    text = where.text.replace("x.", "d.")
    return Sql(f"NOT ({text})" if is_negative(condition) else text, where.parameters)


def own_test(predicate: Predicate) -> Sql:
    """A condition on the resource's own row, which always has an id and a moment."""
    if predicate.modifier == "missing":
        return Sql("(1 = 1)", ())
    if predicate.parameter.code == "_id":
        wanted = tuple(value.text for value in predicate.values)
        return Sql(f"x.fid IN ({', '.join('?' * len(wanted))})", wanted)
    parts = [_updated(value) for value in predicate.values]
    return Sql("(" + " OR ".join(p.text for p in parts) + ")", tuple(v for p in parts for v in p.parameters))


def _updated(value: Value) -> Sql:
    low, high = (edge * 1000 for edge in parse_span(value))
    high += 999
    rules = {
        "eq": ("x.updated_us BETWEEN ? AND ?", (low, high)),
        "ap": ("x.updated_us BETWEEN ? AND ?", (low, high)),
        "po": ("x.updated_us BETWEEN ? AND ?", (low, high)),
        "ne": ("NOT x.updated_us BETWEEN ? AND ?", (low, high)),
        "gt": ("x.updated_us > ?", (high,)),
        "sa": ("x.updated_us > ?", (high,)),
        "lt": ("x.updated_us < ?", (low,)),
        "eb": ("x.updated_us < ?", (low,)),
        "ge": ("x.updated_us >= ?", (low,)),
        "le": ("x.updated_us <= ?", (high,)),
    }
    return Sql(*rules[value.prefix or "eq"])
