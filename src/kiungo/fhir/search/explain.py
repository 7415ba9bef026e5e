"""`_explain`: how a search is run, in sentences: what it begins with, what each row is tested for, what was rewritten.

For credentials without bindings only: row counts tell about records that a bound one may not see.
"""

from typing import TYPE_CHECKING, Any

from kiungo.fhir.indexing.parameters import Parameter, parameters_of
from kiungo.fhir.search.asked import AllOf, AnyOf, Chain, Condition, Has, Near, Not, Predicate, Query, Word
from kiungo.fhir.search.collected import MATCHES_MAX, is_collected
from kiungo.fhir.search.conditions import driver, is_drivable
from kiungo.fhir.search.glance import LOOKED_AT_MAX, is_worth_it
from kiungo.fhir.search.matching import Scope
from kiungo.fhir.search.ordering import ordering
from kiungo.fhir.search.planner import SAMPLE_MAX, Plan, plan, sample
from kiungo.fhir.search.select import keys_sql

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

_MARKS = {"plan": "plan", "rewritten": "rewritten", "advice": "advice", "sql": "sql"}


def explain(unit: "Unit", scope: Scope, query: Query) -> list[dict[str, Any]]:
    """Issues that tell the plan of one type's query."""
    collected = is_collected(query.sort)
    order = ordering(scope, [] if collected else query.sort)
    chosen = plan(unit, scope, query.conditions, by_update=order.is_by_update, natural=order.natural)
    told = [_issue("plan", _beginning(unit, scope, query, chosen))]
    for condition in chosen.tests:
        told.append(_issue("plan", f"Each row is tested for {described(condition)}{_rows(unit, scope, condition)}"))
    if collected:
        told.append(_issue("plan", f"Sorting reads every match, up to {MATCHES_MAX}"))
    elif not order.natural:
        told.append(_issue("plan", f"Rows are sorted by {', '.join(key.parameter.code for key in query.sort)}"))
    if not collected and is_worth_it(unit, scope, chosen, query.count + 1):
        told.append(_issue("plan", f"So many match that the first {LOOKED_AT_MAX} rows in order are looked at first"))
    told += [_issue("rewritten", text) for condition in query.conditions for text in _rewritten(condition)]
    if chosen.driver is None and query.conditions:
        advice = "No condition can be looked up, so every resource of the type is tested: add one that names a value"
        told.append(_issue("advice", advice))
    told.append(_issue("sql", keys_sql(scope, chosen, order, None, query.count + 1).text))
    return told


def _issue(kind: str, text: str) -> dict[str, Any]:
    coding = {"system": "urn:kiungo:search-plan", "code": _MARKS[kind]}
    return {"severity": "information", "code": "informational", "details": {"coding": [coding]}, "diagnostics": text}


def _beginning(unit: "Unit", scope: Scope, query: Query, chosen: Plan) -> str:
    if chosen.driver is None:
        return f"Every {scope.type} is looked at in order"
    used = [condition for condition in query.conditions if condition not in chosen.tests]
    rows = sample(unit, chosen.driver)
    order = ", which come in the order of the answer" if chosen.driver.ordered else ""
    together = " in one look-up of the patient's compartment" if len(used) > 1 else ""
    names = " and ".join(described(condition) for condition in used)
    return f"The search begins with {names}{together}: {_counted(rows)} rows{order}"


def _counted(rows: int) -> str:
    return f"at least {SAMPLE_MAX}" if rows >= SAMPLE_MAX else str(rows)


def _rows(unit: "Unit", scope: Scope, condition: Condition) -> str:
    if not is_drivable(condition):
        return ""
    return f" ({_counted(sample(unit, driver(scope, condition)))} rows meet it)"


def described(condition: Condition) -> str:  # noqa: PLR0911 - one sentence for each kind
    """A condition as it reads in a query."""
    if isinstance(condition, Predicate):
        modifier = f":{condition.modifier}" if condition.modifier else ""
        values = ",".join(value.prefix + value.text for value in condition.values[:5])
        return f"{condition.parameter.code}{modifier}={values}"
    if isinstance(condition, Chain):
        return f"{condition.parameter.code}.({' or '.join(f'{t}: {described(c)}' for t, c in condition.inner[:3])})"
    if isinstance(condition, Has):
        return f"_has:{condition.parameter.type}:{condition.parameter.code}:{described(condition.inner)}"
    if isinstance(condition, Word):
        return f"{condition.parameter}={condition.text}{'*' if condition.is_prefix else ''}"
    if isinstance(condition, Near):
        return f"near={condition.latitude}|{condition.longitude}|{condition.distance_km}|km"
    if isinstance(condition, Not):
        return f"not ({described(condition.condition)})"
    word = " and " if isinstance(condition, AllOf) else " or "
    return "(" + word.join(described(inner) for inner in condition.conditions) + ")"


def _rewritten(condition: Condition) -> list[str]:
    """What is answered otherwise than it was asked."""
    if isinstance(condition, AllOf | AnyOf):
        return [text for inner in condition.conditions for text in _rewritten(inner)]
    if isinstance(condition, Not):
        return _rewritten(condition.condition)
    if isinstance(condition, Chain):
        return [text for _, inner in condition.inner for text in _rewritten(inner)]
    if isinstance(condition, Has):
        return _rewritten(condition.inner)
    return _other_rows(condition.parameter) if isinstance(condition, Predicate) else []


def _other_rows(parameter: Parameter) -> list[str]:
    by_key = {other.key: other.code for other in parameters_of(parameter.type).values()}
    others = [by_key[s.key] for s in parameter.sources if s.key != parameter.key and s.key in by_key]
    return [f"{parameter.code} is answered by the rows of {', '.join(dict.fromkeys(others))}"] if others else []
