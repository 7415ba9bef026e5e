"""The statements of usual searches, kept by their form: of a search asked again with other values only those differ.

Usual is a search of one type by plain conditions of R4's own parameters, whose plan does not depend on its values: one
condition to begin with, or a patient with a code. Codes and references are values that may differ; every other text
belongs to the form. Whether a form is right is tried out when it is made: filled with the values it was made from, its
statement must be the one that the planner makes of them.
"""

import math
import re
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from kiungo.base.errors import Incorrect
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.indexing.parameters import OWN_COLUMNS, parameters_of
from kiungo.fhir.indexing.values import hash32, hash64, target_of
from kiungo.fhir.search.asked import Condition, Params, Predicate, Query
from kiungo.fhir.search.collected import is_collected
from kiungo.fhir.search.conditions import is_drivable
from kiungo.fhir.search.counts import KEPT_S
from kiungo.fhir.search.matching import Scope
from kiungo.fhir.search.ordering import Ordering, ordering
from kiungo.fhir.search.own_columns import is_own_date
from kiungo.fhir.search.planner import Plan, begins_with_compartment, plan
from kiungo.fhir.search.query import parse_query
from kiungo.fhir.search.select import Found, found_in, page_sql
from kiungo.fhir.search.sql import Sql

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

FORMS_MAX = 2_000
SEEN_MAX = 10_000
CONDITIONS_MAX = 8
LENGTH_MAX = 200
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")
# What a form has in the place of a value; any other text has a = before it.
_A_CODE, _A_CODED, _A_REFERENCE = "code", "system|code", "reference to "
# Kinds of parameters whose values may differ within a form.
_OF_VALUES = ("token", "reference")
Form = tuple[tuple[str, str], ...]
Key = tuple[int, str, Form]
Given = list[tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Usual:
    """One form's query and statement. Shapes: `places` are (position among the parameters, condition, its part).

    `until_s`: when it is made anew, since it finds all its matches before the first in order is known, and they may
    have become many.
    """

    query: Query
    sql: Sql
    places: tuple[tuple[int, int, int], ...]
    width: int
    until_s: float = math.inf

    def filled(self, given: Given) -> list[Any]:
        """The statement's parameters with these values."""
        parameters = list(self.sql.parameters)
        for position, condition, part in self.places:
            parameters[position] = given[condition][part]
        return parameters

    def run(self, unit: "Unit", given: Given) -> Found:
        """The first page for these values."""
        rows = unit.rows(self.sql.text, self.filled(given))
        return found_in(self.query, self.width, rows)


class Forms:
    """The forms of one database; safe from any thread."""

    def __init__(self) -> None:
        self._kept: dict[Key, Usual | None] = {}
        self._seen: set[Key] = set()

    def find(self, unit: "Unit", scope: Scope, params: Params) -> tuple[Usual, Given] | None:
        """The form of a search and its values; None for an unusual one, and for one not asked before."""
        read = form_of(scope.type, params)
        if read is None:
            return None
        form, given = read
        key = (scope.tenant, scope.type, form)
        try:
            usual = self._kept[key]
            if usual is not None and usual.until_s < time.monotonic():
                usual = self._kept[key] = make(unit, scope, params)
        except KeyError:
            usual = self._new(unit, scope, params, key)
        return None if usual is None else (usual, given)

    def has(self, tenant: int, type_name: str | None, params: Params) -> bool:
        """Whether this search has a form already, so that it is one statement."""
        if type_name is None:
            return False
        read = form_of(type_name, params)
        return read is not None and self._kept.get((tenant, type_name, read[0])) is not None

    def _new(self, unit: "Unit", scope: Scope, params: Params, key: Key) -> Usual | None:
        """Texts that are asked for once, such as names, are not worth a form."""
        if key not in self._seen:
            if len(self._seen) >= SEEN_MAX:
                self._seen = set()
            self._seen.add(key)
            return None
        if len(self._kept) >= FORMS_MAX:
            self._kept = {}
        usual = self._kept[key] = make(unit, scope, params)
        return usual


def form_of(type_name: str, params: Params) -> tuple[Form, Given] | None:
    """A search's form and the values put into it; None where a parameter is none of the usual ones."""
    if len(params) > CONDITIONS_MAX:
        return None
    kinds = _kinds(type_name)
    form: list[tuple[str, str]] = []
    given: Given = []
    for name, value in params:
        kind = kinds.get(name)
        if kind is None or len(value) > LENGTH_MAX:
            return None
        written = "=" + value
        if kind == "token":
            system, bar, code = value.partition("|")
            if "," in value or "\\" in value or "|" in code or not system:
                return None
            if bar and not code:
                return None
            written = _A_CODED if bar else _A_CODE
            given.append((hash64(code), hash32(system)) if bar else (hash64(system),))
        elif kind == "reference":
            match = _REFERENCE.fullmatch(value)
            if match is None or match[1] not in type_ids():
                return None
            written = _A_REFERENCE + match[1]
            given.append((target_of(match[1], match[2]),))
        form.append((name, written))
    return tuple(form), given


@cache
def _kinds(type_name: str) -> dict[str, str]:
    """The parameters a usual search may have: codes and references, whose values differ, and others, whose do not."""
    found = {"_count": "result", "_sort": "result"}
    for code, parameter in parameters_of(type_name).items():
        if parameter.kind in ("token", "reference") and code not in OWN_COLUMNS:
            if parameter.sources and all(source.system is None for source in parameter.sources):
                found[code] = parameter.kind
        elif parameter.kind in ("string", "uri", "number", "quantity", "date"):
            found[code] = "text"
    return found


def make(unit: "Unit", scope: Scope, params: Params) -> Usual | None:
    """The statement of a search's form, seen by where it puts values that no record has; None for an unusual one."""
    read = form_of(scope.type, params)
    if read is None:
        return None
    form, given = read
    strangers = [(name, _stranger(written, number)) for number, (name, written) in enumerate(form)]
    strange = form_of(scope.type, strangers)
    try:
        made, expected = _statement(unit, scope, strangers), _statement(unit, scope, params)
    except Incorrect:
        return None  # the long way refuses it, and says why
    if made is None or expected is None or strange is None or strange[0] != form:
        return None
    query, sql, width, until_s = made
    wanted = {value: (number, part) for number, parts in enumerate(strange[1]) for part, value in enumerate(parts)}
    places = tuple(
        (position, *wanted[value])
        for position, value in enumerate(sql.parameters)
        if isinstance(value, int) and value in wanted
    )
    usual = Usual(query, sql, places, width, until_s)
    is_right = expected[1].text == sql.text and list(expected[1].parameters) == usual.filled(given)
    return usual if is_right else None


def _stranger(written: str, number: int) -> str:
    """A value of the same form that no record has; the text itself where it belongs to the form."""
    if written == _A_CODE:
        return f"kiungo-code-{number}"
    if written == _A_CODED:
        return f"urn:kiungo:system:{number}|kiungo-code-{number}"
    if written.startswith(_A_REFERENCE):
        return f"{written.removeprefix(_A_REFERENCE)}/kiungo-id-{number}"
    return written.removeprefix("=")


def _statement(unit: "Unit", scope: Scope, params: Params) -> tuple[Query, Sql, int, float] | None:
    """The planner's own statement for a search whose plan depends on its form alone; None for any other."""
    query = parse_query(scope.type, params)
    conditions = query.conditions
    if query.summary != "false" or not conditions or is_collected(query.sort):
        return None
    if not all(_is_steady(scope, condition) for condition in conditions):
        return None
    if sum(map(is_drivable, conditions)) > 1 and not begins_with_compartment(scope, conditions):
        return None
    order = ordering(scope, query.sort)
    chosen = plan(unit, scope, conditions, by_update=order.is_by_update, natural=order.natural)
    until_s = math.inf
    if not begins_with_compartment(scope, conditions) and not _in_order(chosen, order):
        # Which way is best depends on how many match: values that may differ are counted anew each time.
        if chosen.is_dense or any(c.parameter.kind in _OF_VALUES for c in conditions if isinstance(c, Predicate)):
            return None
        until_s = time.monotonic() + KEPT_S
    return query, page_sql(scope, chosen, order, None, query.count + 1), len(order.keys), until_s


def _in_order(chosen: Plan, order: Ordering) -> bool:
    """Whether the first rows found are the first of the answer."""
    return order.natural and chosen.driver is not None and (chosen.driver.ordered or bool(chosen.driver.parts))


def _is_steady(scope: Scope, condition: Condition) -> bool:
    """Whether a condition means the same tomorrow, and bounds no scan by what is stored today."""
    if not isinstance(condition, Predicate) or is_own_date(scope, condition):
        return False
    return not any(value.prefix == "ap" for value in condition.values)
