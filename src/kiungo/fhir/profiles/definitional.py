"""Definitions as instances: a StructureDefinition that can be compiled, code systems and value sets that add up.

Source: FHIR R4 StructureDefinition, CodeSystem, ValueSet, SearchParameter; canonical references.
"""

from functools import cache
from typing import Any

from kiungo.fhir import definitions
from kiungo.fhir.profiles.expressions import check_constraints, check_expression
from kiungo.fhir.profiles.filters import check_expressions, check_filters, declared_parameters
from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.items import elements_of
from kiungo.fhir.profiles.narrowing import check_narrowing
from kiungo.fhir.profiles.obligations import check_obligations
from kiungo.fhir.profiles.questionnaires.enabling import listed, objects
from kiungo.fhir.profiles.run import Run

CONCEPTS_MAX = 1_000
FHIR = "http://hl7.org/fhir/StructureDefinition/"


def check_structure(o: Json, at: At, run: Run) -> None:
    """Its type is known or has a namespace, and every path of a constraint is an element of that type."""
    name = o.get("type")
    if name.__class__ is not str:
        return
    plain = str(name).removeprefix(FHIR)
    is_known = definitions.find_type(plain) is not None
    if not is_known and ":" not in str(name):
        run.error(
            "invalid", (at, "type", -1), f"is {str(name)[:80]}, which R4 does not define; write it with a namespace"
        )
        return
    if o.get("derivation") == "specialization" and o.get("baseDefinition") == name:
        run.error("invalid", (at, "type", -1), "is the same as baseDefinition, but a specialization makes a new type")
    check_obligations(o, at, run)
    check_constraints(o, at, run)
    check_narrowing(o, at, run)
    root = plain if is_known else plain.rpartition("/")[2]
    for part in ("snapshot", "differential"):
        content = o.get(part)
        elements = content.get("element") if content.__class__ is dict else None
        for index, element in enumerate(listed(elements)):
            path = element.get("path") if element.__class__ is dict else None
            if path.__class__ is str:
                where: At = (((at, part, -1), "element", index), "path", -1)
                _check_path(str(path), root, is_known and o.get("derivation") == "constraint", where, run)


def _check_path(path: str, root: str, is_constraint: bool, at: At, run: Run) -> None:
    names = path.split(".")
    if names[0] != root:
        run.error("invalid", at, f"is {path[:100]}, but begins with {root} in this definition")
        return
    if not is_constraint:
        return
    kinds: tuple[str, ...] = (root,)
    for name in names[1:]:
        inner = [kind for one in kinds for kind in _kinds_of(one, name)]
        if not inner:
            run.error("invalid", at, f"is {path[:100]}, but {'/'.join(kinds)[:80]} has no element {name[:60]}")
            return
        kinds = tuple(dict.fromkeys(inner))
        if "Resource" in kinds:
            return  # any resource may stand here


def _kinds_of(type_name: str, name: str) -> list[str]:
    found = elements_of(type_name).get(name)
    if found is not None:
        return list(found.types)
    for element in elements_of(type_name).values():
        if element.is_choice:
            inner = [kind for written, kind in element.written() if written == name]
            if inner:
                return inner
    return []


def check_code_system(o: Json, at: At, run: Run) -> None:
    """The stated number of concepts is right; a property's code and address are there once."""
    count, content = o.get("count"), o.get("content")
    if content == "complete" and isinstance(count, int):
        actual = sum(1 for _ in _concepts(o.get("concept")))
        if actual != count:
            run.error("invalid", (at, "count", -1), f"is {count}, but the complete system has {actual} concepts")
    for member in ("code", "uri"):
        seen: set[str] = set()
        for index, one in enumerate(listed(o.get("property"))):
            value = one.get(member) if one.__class__ is dict else None
            if value.__class__ is str:
                if value in seen:
                    run.error(
                        "invalid", (at, "property", index), f"has the {member} {value[:80]}, which is there already"
                    )
                seen.add(str(value))


def _concepts(value: Any) -> Any:
    waiting = objects(value)
    while waiting:
        one = waiting.pop()
        yield one
        waiting.extend(objects(one.get("concept")))


def check_value_set(o: Json, at: At, run: Run) -> None:
    """Systems are absolute addresses, filters are written as their properties ask, their parameters are declared."""
    compose = o.get("compose")
    declared = declared_parameters(o)
    for part in ("include", "exclude"):
        for index, one in enumerate(listed(compose.get(part) if compose.__class__ is dict else None)):
            if one.__class__ is not dict:
                continue
            where: At = ((at, "compose", -1), part, index)
            system = one.get("system")
            if system.__class__ is str and ":" not in system:
                run.error("invalid", (where, "system", -1), f"is {system[:100]}, which is not absolute")
            _check_codes(one, where, run)
            check_filters(one, where, run)
            check_expressions(one, declared, where, run)


def _check_codes(rule: Json, at: At, run: Run) -> None:
    """Listed codes are codes of their system, as far as that is known here."""
    for index, concept in enumerate(listed(rule.get("concept"))[:CONCEPTS_MAX]):
        if concept.__class__ is dict:
            coding = {"system": rule.get("system"), "version": rule.get("version"), "code": concept.get("code")}
            run.library.codes.check_coding(coding, (at, "concept", index), run)


def check_parameter(o: Json, at: At, run: Run) -> None:
    """A search parameter is of the type of the one it derives from, where that is known."""
    check_expression(o.get("expression"), (at, "expression", -1), run)
    _check_kind(o.get("type"), o.get("derivedFrom"), at, run)


def check_capability(o: Json, at: At, run: Run) -> None:
    """A search parameter that a server says it has is of the type that its definition says."""
    for number, rest in enumerate(objects(o.get("rest"))):
        here: At = (at, "rest", number)
        for index, resource in enumerate(objects(rest.get("resource"))):
            for place, one in enumerate(objects(resource.get("searchParam"))):
                where: At = ((here, "resource", index), "searchParam", place)
                _check_kind(one.get("type"), one.get("definition"), where, run)


def _check_kind(kind: Any, origin: Any, at: At, run: Run) -> None:
    """A parameter's type is that of its definition, where that is known."""
    if origin.__class__ is not str or kind.__class__ is not str:
        return
    own = run.library.conformance.find("SearchParameter", str(origin))
    derived = own.get("type") if own is not None else _published_kinds().get(str(origin).partition("|")[0])
    if derived is not None and derived != kind:
        run.error("invalid", (at, "type", -1), f"is {str(kind)[:40]}, but {str(origin)[:200]} is {derived}")


@cache
def _published_kinds() -> dict[str, str]:
    return {one.url: one.kind for one in definitions.parameter_rows()}


def check_canonical(value: Any, at: At, run: Run) -> None:
    """A canonical is absolute, or names something contained."""
    if value.__class__ is str and ":" not in value and not value.startswith("#"):
        run.error("invalid", at, f"is {value[:100]}; a canonical address is absolute, or begins with # when contained")
