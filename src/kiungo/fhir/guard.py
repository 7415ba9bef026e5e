"""What a caller may do with FHIR records: the bindings this store can guard, and the scopes behind a search.

A credential bound to a patient works within that patient's compartment. One bound to anything else is refused,
because a record here does not say whose it is in that sense.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kiungo.base.errors import Forbidden, define
from kiungo.fhir.indexing.parameters import person_parameter
from kiungo.fhir.model import Prepared, Stored
from kiungo.fhir.search.asked import AllOf, AnyOf, Chain, Condition, Has, Not, Predicate, Query, Value
from kiungo.fhir.search.grammar import get_parameter
from kiungo.kernel.auth.decision import NOT_YOURS, Thing, may, require
from kiungo.kernel.auth.principal import Call

BINDING_NOT_GUARDED = define(
    "BINDING_NOT_GUARDED", Forbidden, "The credential is bound to something by which FHIR records cannot be told apart."
)
RESOURCE_RESERVED = define(
    "RESOURCE_RESERVED",
    Forbidden,
    "The record belongs to another part of the platform and is changed through that only.",
)
PERSON = "patient"


def admit(call: Call) -> None:
    """Refuse a credential with a binding that no FHIR record speaks about. Raises: Forbidden."""
    for name in call.principal.bindings:
        if name != PERSON:
            raise Forbidden(
                BINDING_NOT_GUARDED,
                f"A credential bound to a {name} cannot use the FHIR API: its records do not say whose {name} they are",
                hint="Use the API made for it, or a credential without this binding or bound to a patient",
            )


def may_read(call: Call, stored: Stored) -> bool:
    """Whether the caller may see this record."""
    return bool(may(call.principal, f"system/{stored.type}.r", _thing(call, stored.type, stored.id, stored.person)))


def authorise(call: Call, interaction: str, stored: Stored) -> None:
    """Refuse what the caller may not do with this record. Raises: Forbidden."""
    if call.principal.bindings:
        admit(call)
        thing = _thing(call, stored.type, stored.id, stored.person)
        require(call.principal, f"system/{stored.type}.{interaction}", thing)


def authorise_content(call: Call, interaction: str, prepared: Prepared, logical_id: str) -> None:
    """Refuse content that would stand outside the caller's own compartment. Raises: Forbidden."""
    if call.principal.bindings:
        admit(call)
        person = logical_id if prepared.type == "Patient" else prepared.rows.person
        thing = _thing(call, prepared.type, logical_id, person)
        require(call.principal, f"system/{prepared.type}.{interaction}", thing)


def allow_search(call: Call, query: Query) -> None:
    """Refuse a search through types the caller may not search; keep a bound one in its own compartment.

    A chain or `_has` answers a question about records of the other type, so it needs that type's scope. A bound
    caller may not ask through others at all: what they refer to is not its own.
    Raises: Forbidden (SCOPE_MISSING naming the scope, NOT_YOURS, BINDING_NOT_GUARDED).
    """
    for type_name in _touched(query.conditions):
        require(call.principal, f"system/{type_name}.s")
    if not call.principal.bindings:
        return
    admit(call)
    if any(isinstance(condition, Chain | Has) for condition in _flat(query.conditions)):
        raise Forbidden(
            NOT_YOURS,
            "A credential bound to a patient cannot search through other records with a chain or _has",
            hint="Search each type by its own parameters",
        )
    if query.explain:
        raise Forbidden(
            NOT_YOURS,
            "_explain counts records, also those that a bound credential may not see",
            hint="Leave _explain out, or use a credential without a binding",
        )
    query.conditions.append(_within(query.type, call.principal.bindings[PERSON]))


def refuse_reserved(reserved: Mapping[str, str], resource: Mapping[str, Any]) -> None:
    """Refuse to write a record whose identifier another part of the platform owns.

    Shapes: `reserved` has, for each identifier system, the name of the API that writes its records.
    Raises: Forbidden RESOURCE_RESERVED.
    """
    given = resource.get("identifier", ())
    for item in given if isinstance(given, list) else (given,):
        owner = reserved.get(item.get("system", "")) if isinstance(item, dict) else None
        if owner is not None:
            raise Forbidden(
                RESOURCE_RESERVED,
                f"A {resource['resourceType']} with an identifier of {item['system']} is written by {owner} alone",
                field="identifier",
                hint=f"Use {owner}; over FHIR these records are read only",
            )


def _within(type_name: str, person: str) -> Predicate:
    """The condition that a record is in the person's compartment; one nothing meets for types without persons."""
    own = None if type_name == "Patient" else person_parameter(type_name)
    if own is not None:
        return Predicate(own, "", (Value("", (f"Patient/{person}",)),))
    wanted = person if type_name == "Patient" else ""
    return Predicate(get_parameter(type_name, "_id"), "", (Value("", (wanted,)),))


def _flat(conditions: Iterable[Condition]) -> Iterator[Condition]:
    """The conditions without the and, or and not around them."""
    for condition in conditions:
        if isinstance(condition, AllOf | AnyOf):
            yield from _flat(condition.conditions)
        elif isinstance(condition, Not):
            yield from _flat((condition.condition,))
        else:
            yield condition


def _touched(conditions: Iterable[Condition]) -> list[str]:
    """Every other type the conditions ask about, each once, in order."""
    found: dict[str, None] = {}
    for condition in _flat(conditions):
        if isinstance(condition, Chain):
            for type_name, inner in condition.inner:
                found.update(dict.fromkeys((type_name, *_touched((inner,)))))
        elif isinstance(condition, Has):
            found.update(dict.fromkeys((condition.parameter.type, *_touched((condition.inner,)))))
    return list(found)


def _thing(call: Call, type_name: str, logical_id: str, person: str | None) -> Thing:
    """A record of nobody's is refused to every bound caller."""
    return Thing(type_name, logical_id, call.tenant, person=person or "")
