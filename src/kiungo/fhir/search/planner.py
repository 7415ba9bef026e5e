"""Which condition a search begins with: ours to decide, from counts sampled in the index, not the database's.

One condition drives, the others test its rows. A patient and a code together are one compartment lookup.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kiungo.fhir.definitions import type_ids
from kiungo.fhir.indexing.counting import count_of, counted_keys, type_key
from kiungo.fhir.indexing.parameters import Parameter, compartment_keys, person_parameter
from kiungo.fhir.search.asked import Condition, Has, Predicate
from kiungo.fhir.search.conditions import Driver, driver, is_drivable, is_probed, match_driver, test
from kiungo.fhir.search.matching import Match, Scope, reference_targets, token_condition
from kiungo.fhir.search.own_columns import is_own_date, own_column_test, own_date_bounds
from kiungo.fhir.search.sql import Sql, shallow

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

SAMPLE_MAX = 1000
# What stands for more rows than the sample's limit; any number that is known is less.
NOT_KNOWN = 1 << 62
# So few rows that looking for a better driver costs more than it saves.
FEW = 40
# So many that a page of them is likely among the first resources in the order of the answer.
MANY = 250

NO_BOUNDS = Sql("")


@dataclass(frozen=True, slots=True)
class Plan:
    """A driver (None: all resources of the type), the conditions its rows are tested for, and what those
    say about the sort date alone, so that a scan in its order can begin and end there. `is_dense`: the driver
    has to find very many rows before the first one in order is known, and testing any row is a few seeks; `rows`
    is how many, or NOT_KNOWN."""

    driver: Driver | None
    tests: tuple[Condition, ...]
    bounds: Sql = NO_BOUNDS
    is_dense: bool = False
    rows: int = NOT_KNOWN


def plan(
    unit: "Unit", scope: Scope, conditions: list[Condition], *, by_update: bool = False, natural: bool = True
) -> Plan:
    """Choose the driver with the fewest rows; among many-rowed ones, one that comes in order.

    `by_update`: the answer is ordered by `_lastUpdated`, for which the resource rows have an index; `natural`: it
    is in the order that index rows have.
    """
    chosen = _chosen(unit, scope, conditions, by_update=by_update, natural=natural)
    own = [c for c in chosen.tests if isinstance(c, Predicate) and is_own_date(scope, c)]
    if not own:
        return chosen
    wide = scope.key(own[0].parameter.sources[0]) * 2 + 1
    # In the key's order, or PostgreSQL would read the whole table rather than ask the index for one row.
    all_narrow = unit.value("SELECT 1 FROM fhir_date WHERE k = ? ORDER BY low LIMIT 1", (wide,)) is None
    found = [bound for c in own for bound in own_date_bounds(c, scope.now_us, all_narrow=all_narrow)]
    text = "".join(f" AND d.sort_ms {comparison} ?" for comparison, _ in found)
    return replace(chosen, bounds=Sql(text, tuple(edge for _, edge in found)))


def _chosen(unit: "Unit", scope: Scope, conditions: list[Condition], *, by_update: bool, natural: bool) -> Plan:
    combined = _compartment(scope, conditions)
    if combined is not None:
        return combined
    drivable = [c for c in conditions if is_drivable(c)]
    if not drivable or (by_update and all(own_column_test(c) for c in drivable)):
        return Plan(None, tuple(conditions))
    if len(drivable) == 1:
        rest = tuple(c for c in conditions if c is not drivable[0])
        only = driver(scope, drivable[0])
        in_order = natural and (only.ordered or bool(only.parts))
        if in_order or not _probed(scope, conditions):
            return Plan(only, rest)
        rows = _rows(unit, scope, drivable[0], only)
        return Plan(only, rest, is_dense=rows >= MANY, rows=rows)
    best, best_driver, fewest = drivable[0], driver(scope, drivable[0]), NOT_KNOWN + 1
    for condition in drivable:
        candidate = driver(scope, condition)
        found = _sampled(unit, scope, condition, candidate)
        if found < fewest or (found == fewest and candidate.ordered and not best_driver.ordered):
            best, best_driver, fewest = condition, candidate, found
        if fewest <= FEW:
            break
    in_order = natural and best_driver.ordered
    # Of several conditions in the index's own order, few of the type's first resources may meet all.
    is_dense = fewest >= MANY * (4 if natural else 1) and not in_order and _probed(scope, conditions)
    return Plan(best_driver, tuple(c for c in conditions if c is not best), is_dense=is_dense, rows=fewest)


def _probed(scope: Scope, conditions: list[Condition]) -> bool:
    return all(is_probed(scope, condition) for condition in conditions)


def _rows(unit: "Unit", scope: Scope, condition: Condition, candidate: Driver) -> int:
    """How many rows a driver has to find; of references to what a condition finds, how many that finds."""
    if not isinstance(condition, Has):
        return _sampled(unit, scope, condition, candidate)
    if not is_drivable(condition.inner):
        return 0
    other = scope.within(condition.parameter.type)
    return _sampled(unit, other, condition.inner, driver(other, condition.inner))


def _sampled(unit: "Unit", scope: Scope, condition: Condition, candidate: Driver) -> int:
    """The same as `sample`, or what it said a moment ago: it decides where to begin, not what is found."""
    if scope.counts is None:
        return _estimated(unit, scope, condition, candidate)
    key = (scope.tenant, scope.type, condition)
    known = scope.counts.find(key)
    if known is None:
        known = _estimated(unit, scope, condition, candidate)
        scope.counts.keep(key, known)
    return known


def _estimated(unit: "Unit", scope: Scope, condition: Condition, candidate: Driver) -> int:
    """The sample, and beyond its limit what the counters say: of two wide codes the rarer begins."""
    found = sample(unit, candidate)
    if found < SAMPLE_MAX:
        return found
    known = counted(unit, scope, condition)
    return NOT_KNOWN if known is None else max(found, known)


def stored(unit: "Unit", scope: Scope) -> int | None:
    """How many resources of the type there are, or were a moment ago; None where the counters do not say."""
    key = (scope.tenant, scope.type)
    known = scope.counts.find(key) if scope.counts is not None else None
    if known is None:
        known = count_of(unit, type_key(scope.tenant, type_ids()[scope.type]))
        if scope.counts is not None and known is not None:
            scope.counts.keep(key, known)
    return known


def counted(unit: "Unit", scope: Scope, condition: Condition) -> int | None:
    """How many resources meet a condition on one code, exactly; None where the counters do not say."""
    if not isinstance(condition, Predicate) or condition.modifier or condition.parameter.kind != "token":
        return None
    if len(condition.values) != 1 or len(condition.parameter.sources) != 1 or condition.parameter.is_own:
        return None
    source = condition.parameter.sources[0]
    code, system = token_condition(condition.values[0], source)
    if code is None or source.key not in counted_keys():
        return None
    return count_of(unit, scope.key(source), code, system)


def sample(unit: "Unit", candidate: Driver) -> int:
    """How many rows a driver has, counted up to the sample's limit."""
    rows = candidate.counted or candidate.sql
    text = f"SELECT count(*) FROM (SELECT 1 FROM ({rows.text}) q LIMIT {SAMPLE_MAX}) w"
    asked = shallow(Sql(text, rows.parameters))
    return int(unit.value(asked.text, asked.parameters))


def begins_with_compartment(scope: Scope, conditions: list[Condition]) -> bool:
    """Whether a patient and a code are looked up together, whatever they are."""
    return _compartment(scope, conditions) is not None


def _compartment(scope: Scope, conditions: list[Condition]) -> Plan | None:
    """One seek for "this patient and this code", where the type has compartment rows for the code."""
    person = person_parameter(scope.type)
    keys = compartment_keys(scope.type)
    if person is None or not keys or len(conditions) < 2:
        return None
    simple = [c for c in conditions if isinstance(c, Predicate) and not c.modifier]
    people = [c for c in simple if c.parameter.kind == "reference" and _names_the_person(scope.type, c.parameter)]
    tokens = [c for c in simple if len(c.parameter.sources) == 1 and c.parameter.sources[0].key in keys]
    if len(people) != 1 or len(people[0].values) != 1 or not tokens:
        return None
    source = person.sources[0]
    targets = reference_targets(person, source, people[0].values[0])
    patient = people[0].values[0].text
    if len(targets) != 1 or ("/" in patient and not patient.startswith("Patient/")):
        return None
    matches = [m for value in tokens[0].values for m in _matches(scope, tokens[0], targets[0], value)]
    if not matches:
        return None
    used = (people[0], tokens[0])
    return Plan(match_driver(scope, matches), tuple(c for c in conditions if c not in used))


def _names_the_person(type_name: str, parameter: Parameter) -> bool:
    person = person_parameter(type_name)
    return person is not None and (
        parameter is person or {s.key for s in parameter.sources} == {s.key for s in person.sources}
    )


def _matches(scope: Scope, token: Predicate, target: int, value: object) -> list[Match]:
    source = token.parameter.sources[0]
    code, system = token_condition(value, source)  # type: ignore[arg-type]
    if code is None:
        where = "x.k = ? AND x.target = ? AND x.system = ?"
        return [Match("fhir_compartment", where, (scope.key(source), target, system))]
    where, parameters = "x.k = ? AND x.target = ? AND x.hash = ?", (scope.key(source), target, code)
    if system is None:
        return [Match("fhir_compartment", where, parameters, True, True)]
    return [Match("fhir_compartment", where + " AND x.system = ?", (*parameters, system), True, True)]


def tests_sql(scope: Scope, chosen: Plan) -> Sql:
    """All tests and bounds of a plan's rows `d`, each with AND before it; empty when there are none."""
    found = [_test(scope, chosen, condition) for condition in chosen.tests]
    return Sql(
        chosen.bounds.text + "".join(f" AND {t.text}" for t in found),
        (*chosen.bounds.parameters, *(parameter for t in found for parameter in t.parameters)),
    )


def _test(scope: Scope, chosen: Plan, condition: Condition) -> Sql:
    own = own_column_test(condition) if chosen.driver is None else None
    return own or test(scope, condition, "d.sort_ms", "d.rid")
