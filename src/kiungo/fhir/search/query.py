"""The search grammar: parameters as text into a query of predicates, or a refusal that says what was meant.

An unknown parameter is refused, never ignored: ignoring it would widen the answer.
Source: FHIR R4 3.1.1 (search).
"""

from functools import cache

from kiungo.base.errors import Incorrect
from kiungo.fhir import definitions
from kiungo.fhir.indexing.parameters import Parameter, parameters_of
from kiungo.fhir.search.asked import SEARCH_PARAMETER_UNKNOWN, AllOf, Condition, Include, Params, Query, SortKey
from kiungo.fhir.search.filters import parse_filter
from kiungo.fhir.search.grammar import get_parameter, not_supported, parse_condition, wrong
from kiungo.fhir.search.known import STANDARD, Known, unfinished

COUNT_MAX = 1000
PREDICATES_MAX = 30
SORT_KEYS_MAX = 4
RESULT_PARAMETERS = frozenset(
    {"_sort", "_count", "_total", "_summary", "_elements", "_include", "_revinclude", "_cursor", "_format", "_pretty"}
    | {"_explain"}
)


def parse_query(
    type_name: str, params: Params, *, lenient: bool = False, is_one: bool = True, known: Known = STANDARD
) -> Query:
    """Understand every parameter or refuse; `lenient` leaves out the unknown ones and lists them in `ignored`.

    `is_one` says that no other type is searched with it, so that an `_include` must begin at this one.

    Raises: Incorrect (SEARCH_PARAMETER_UNKNOWN, SEARCH_VALUE_WRONG, SEARCH_NOT_SUPPORTED).
    """
    query = Query(type_name)
    for name, value in params:
        if name in RESULT_PARAMETERS or name.split(":")[0] in ("_include", "_revinclude"):
            _result_parameter(query, name, value, known, is_one=is_one)
            if name != "_cursor":
                query.text.append((name, value))
        elif (name, value) == ("_contained", "false"):
            query.text.append((name, value))  # R4's default, and what is done
        else:
            try:
                query.conditions += _conditions(type_name, name, value, known)
            except Incorrect as error:
                if not lenient or error.code != SEARCH_PARAMETER_UNKNOWN:
                    raise
                query.ignored.append(name[:60])
            else:
                query.text.append((name, value))
    query.unfinished = unfinished(known, query)
    if query.count == 0:
        query.summary = "count"
    if len(query.conditions) > PREDICATES_MAX:
        raise wrong("query", f"has more than {PREDICATES_MAX} conditions", "Ask in several searches")
    return query


def _conditions(type_name: str, name: str, value: str, known: Known) -> tuple[Condition, ...]:
    """The conditions of one parameter, those side by side each on its own, so that any of them may drive."""
    if name == "_filter":
        found = parse_filter(type_name, value, known)
    else:
        found = parse_condition(type_name, name, value, 0, known)
    return found.conditions if isinstance(found, AllOf) else (found,)


def _result_parameter(query: Query, name: str, value: str, known: Known, *, is_one: bool) -> None:
    head, _, modifier = name.partition(":")
    if head == "_count":
        if not value.isdecimal() or len(value) > 9:
            raise wrong("_count", "is not a number", "Write _count=20")
        query.count = min(int(value), COUNT_MAX)
    elif head == "_total":
        query.total = _one_of(head, value, ("none", "estimate", "accurate"))
    elif head == "_summary":
        query.summary = _one_of(head, value, ("false", "count", "true", "text", "data"))
    elif head == "_sort":
        query.sort += [_sort_key(query.type, part, known) for part in value.split(",") if part]
        if len(query.sort) > SORT_KEYS_MAX:
            raise wrong("_sort", f"has more than {SORT_KEYS_MAX} keys", "Sort by fewer")
    elif head == "_cursor":
        query.cursor = value
    elif head == "_include":
        query.includes.append(_include(query.type, name, modifier, value, known, is_one=is_one))
    elif head == "_revinclude":
        query.revincludes.append(_include(None, name, modifier, value, known, is_one=is_one))
    elif head == "_explain":
        query.explain = _one_of(head, value, ("true", "false")) == "true"


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise wrong(name, "has another value than this server offers", f"Use one of {', '.join(allowed)}")
    return value


def _sort_key(type_name: str, text: str, known: Known) -> SortKey:
    descending = text.startswith("-")
    return SortKey(get_parameter(type_name, text.removeprefix("-"), known), descending)


def _include(type_name: str | None, name: str, modifier: str, value: str, known: Known, *, is_one: bool) -> Include:
    """An inclusion; `type_name` is None for `_revinclude`, which may begin anywhere."""
    if modifier not in ("", "iterate"):
        raise not_supported(name[:60], "is not offered; only :iterate is")
    iterate = modifier == "iterate"
    if value == "*":
        return _everything(type_name if is_one and not iterate else None, iterate)
    parts = value.split(":")
    source = parts[0]
    if not 2 <= len(parts) <= 3 or source not in definitions.type_ids():
        raise wrong(name[:60], "must be Type:parameter or Type:parameter:Type", "Write Observation:subject")
    if type_name is not None and source != type_name and is_one and not iterate:
        raise wrong(name[:60], f"starts at {source}, but the search is for {type_name}", "Use _include:iterate")
    target = parts[2] if len(parts) == 3 and parts[2] else None
    if target is not None and target not in definitions.type_ids():
        raise wrong(name[:60], "names no resource type as its target", "Write Observation:subject:Patient")
    if parts[1] == "*":
        return Include(source, _references(source), target, iterate)
    found = get_parameter(source, parts[1], known)
    if found.kind != "reference":
        raise wrong(name[:60], f"{source}.{parts[1]} is not a reference", "Name a reference parameter")
    return Include(source, (found,), target, iterate)


def _everything(type_name: str | None, iterate: bool) -> Include:
    """`_include=*`: by every reference of the type, or of every type."""
    names = (type_name,) if type_name is not None else definitions.resource_types()
    return Include(type_name, tuple(p for name in names for p in _references(name)), None, iterate)


@cache
def _references(type_name: str) -> tuple[Parameter, ...]:
    return tuple(p for p in parameters_of(type_name).values() if p.kind == "reference" and p.sources)
