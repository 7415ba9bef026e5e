"""The filters of a value set: the value compared with a property is written as the property's type asks.

Source: FHIR R4 ValueSet.compose.include.filter, CodeSystem.property.type.
"""

import re
from typing import Any

from kiungo.fhir.profiles.ecl import ecl_problem
from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.questionnaires.enabling import objects
from kiungo.fhir.profiles.run import Run
from kiungo.fhir.validation.primitives import DATE_TIME

SNOMED = "http://snomed.info/sct"
_CODING = re.compile(r"([^|#\s]+)(?:\|([^#\s]+))?#(\S(?:.*\S)?)").fullmatch
# Ordered values may carry a prefix such as lt, as in a search.
_PREFIX = re.compile(r"^(?:eq|ne|lt|le|gt|ge)(?=[0-9+-])")
_WRITTEN = {
    "boolean": (re.compile(r"true|false").fullmatch, "true or false"),
    "integer": (re.compile(r"[+-]?[0-9]+", re.ASCII).fullmatch, "a whole number"),
    "decimal": (re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?", re.ASCII).fullmatch, "a number"),
    "dateTime": (DATE_TIME, "a date or a time with a zone"),
}


def check_filters(rule: Json, at: At, run: Run) -> None:
    """Judge the filters of one include or exclude; nothing is said about a code system that is not here."""
    system = rule.get("system")
    filters = rule.get("filter")
    if system.__class__ is not str or filters.__class__ is not list:
        return
    if system == SNOMED:
        _check_expressions(filters, at, run)
    found = run.library.conformance.find("CodeSystem", str(system))
    kinds = {str(p.get("code")): p.get("type") for p in objects(found.get("property"))} if found is not None else {}
    for index, one in enumerate(filters):
        if one.__class__ is dict and one.get("op") == "=" and one.get("value").__class__ is str:
            name = str(one.get("property"))
            where: At = ((at, "filter", index), "value", -1)
            _check(str(one["value"]), name, kinds.get(name), where, run)


def _check_expressions(filters: list[Any], at: At, run: Run) -> None:
    for index, one in enumerate(filters):
        if one.__class__ is dict and one.get("property") == "constraint" and one.get("value").__class__ is str:
            problem = ecl_problem(one["value"])
            if problem is not None:
                where: At = ((at, "filter", index), "value", -1)
                run.error("invalid", where, f"is no expression of SNOMED CT's constraint language: it {problem}")


def _check(value: str, name: str, kind: Any, at: At, run: Run) -> None:
    if kind == "Coding":
        written = _CODING(value)
        if written is None:
            run.error("invalid", at, f"is {value[:100]}, but {name[:60]} is a Coding: write system#code")
            return
        system, version, code = written.groups()
        run.library.codes.check_coding({"system": system, "version": version, "code": code}, at, run)
    elif kind in _WRITTEN and not _WRITTEN[kind][0](_PREFIX.sub("", value, count=1)):
        run.error("invalid", at, f"is {value[:100]}, but {name[:60]} is compared with {_WRITTEN[kind][1]}")


_PARAMETER = "http://hl7.org/fhir/tools/StructureDefinition/valueset-parameter"
_EXPRESSION = "http://hl7.org/fhir/StructureDefinition/cqf-expression"
_NAMED = re.compile(r"%([A-Za-z][A-Za-z0-9_-]*)|%`([^`]+)`")
# What FHIRPath itself defines. Source: FHIR R4 2.9.1.4 (variables).
_GIVEN = frozenset({"context", "resource", "rootResource", "ucum", "sct", "loinc", "vs-name", "ext-name"})


def declared_parameters(value_set: Json) -> frozenset[str]:
    """The names of the parameters a value set declares by extension."""
    return frozenset(
        str(part.get("valueCode") or part.get("valueString"))
        for one in objects(value_set.get("extension"))
        if one.get("url") == _PARAMETER
        for part in objects(one.get("extension"))
        if part.get("url") == "name"
    )


def check_expressions(rule: Json, declared: frozenset[str], at: At, run: Run) -> None:
    """A filter whose value is an expression uses only parameters that the value set declares."""
    for index, one in enumerate(objects(rule.get("filter"))):
        sibling = one.get("_value")
        for extension in objects(sibling.get("extension")) if sibling.__class__ is dict else ():
            said: Any = extension.get("valueExpression")
            if said.__class__ is not dict or extension.get("url") != _EXPRESSION:
                continue
            text = said.get("expression")
            if text.__class__ is not str or said.get("language") not in ("text/fhirpath", "text/fhir-path"):
                continue
            for plain, quoted in _NAMED.findall(text):
                name = plain or quoted
                if name not in declared and name not in _GIVEN:
                    where: At = ((at, "filter", index), "value", -1)
                    run.error("invalid", where, f"refers to %{name[:60]}, a parameter the value set does not declare")
