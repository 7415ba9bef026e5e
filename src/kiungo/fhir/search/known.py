"""The search parameters a tenant has: R4's, and those of its own SearchParameter resources."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kiungo.fhir.indexing.parameters import Parameter, parameters_of
from kiungo.fhir.search.asked import AllOf, AnyOf, Chain, Condition, Has, Not, Predicate, Query, Word

# Kinds whose rows came after the first release: records from before have them when they were indexed again.
LATER_KINDS = frozenset({"composite", "special"})


@dataclass(frozen=True, slots=True)
class Known:
    """Parameters by type and code.

    Shapes: `own` has the tenant's own; `building` the progress in per cent of each that is not indexed throughout, by
    its key, and under 0 that of the rows that came after the first release.
    """

    own: Mapping[str, Mapping[str, Parameter]] = field(default_factory=dict)
    building: Mapping[int, int] = field(default_factory=dict)

    def of(self, type_name: str) -> Mapping[str, Parameter]:
        """Every parameter of a type."""
        standard, own = parameters_of(type_name), self.own.get(type_name)
        return {**own, **standard} if own else standard


STANDARD = Known()


def unfinished(known: Known, query: Query) -> dict[str, int]:
    """The query's parameters that are still being indexed, with their progress in per cent."""
    if not known.building:
        return {}
    found: dict[str, int] = {}
    parameters = [*_parameters(query.conditions), *((key.parameter.code, key.parameter) for key in query.sort)]
    for code, parameter in parameters:
        key = 0 if parameter is None or parameter.kind in LATER_KINDS else parameter.key
        if key in known.building:
            found[code] = known.building[key]
    return found


def _parameters(conditions: Iterable[Condition]) -> Iterator[tuple[str, Parameter | None]]:
    for condition in conditions:
        if isinstance(condition, Predicate):
            yield condition.parameter.code, condition.parameter
        elif isinstance(condition, Word):
            yield condition.parameter, None
        elif isinstance(condition, AllOf | AnyOf):
            yield from _parameters(condition.conditions)
        elif isinstance(condition, Not):
            yield from _parameters((condition.condition,))
        elif isinstance(condition, Chain):
            yield condition.parameter.code, condition.parameter
            yield from _parameters(inner for _, inner in condition.inner)
        elif isinstance(condition, Has):
            yield condition.parameter.code, condition.parameter
            yield from _parameters((condition.inner,))
        else:
            yield "near", None


def is_negating(condition: Condition) -> bool:
    """Whether any part of a condition is met by what does not match."""
    if isinstance(condition, Predicate):
        return condition.modifier in ("not", "not-in", "missing")
    if isinstance(condition, AllOf | AnyOf):
        return any(is_negating(inner) for inner in condition.conditions)
    if isinstance(condition, Chain):
        return any(is_negating(inner) for _, inner in condition.inner)
    if isinstance(condition, Has):
        return is_negating(condition.inner)
    return isinstance(condition, Not)
