"""Expressions in definitions can be read: invariants of a StructureDefinition, what a SearchParameter looks at.

Only how they are written is judged; an element or function that is not known here may be known elsewhere.
Source: FHIR R4 ElementDefinition.constraint.expression, SearchParameter.expression.
"""

from typing import Any

from kiungo.base.errors import Incorrect
from kiungo.fhir.fhirpath import compile
from kiungo.fhir.fhirpath.errors import FHIRPATH_SYNTAX
from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.questionnaires.enabling import listed
from kiungo.fhir.profiles.run import Run

EXPRESSIONS_MAX = 500


def check_constraints(structure: Json, at: At, run: Run) -> None:
    """Note invariants of a differential that cannot be read."""
    content = structure.get("differential")
    elements = listed(content.get("element") if content.__class__ is dict else None)
    judged = 0
    for index, element in enumerate(elements):
        for number, one in enumerate(listed(element.get("constraint")) if element.__class__ is dict else ()):
            judged += 1
            if one.__class__ is dict and judged <= EXPRESSIONS_MAX:
                where: At = ((((at, "differential", -1), "element", index), "constraint", number), "expression", -1)
                check_expression(one.get("expression"), where, run)


def check_expression(text: Any, at: At, run: Run) -> None:
    """Note an expression that cannot be read."""
    if text.__class__ is not str:
        return
    try:
        compile(text)
    except Incorrect as error:
        if error.code == FHIRPATH_SYNTAX:
            run.error("invalid", at, f"is not written as FHIRPath: {error.message[:200]}")
