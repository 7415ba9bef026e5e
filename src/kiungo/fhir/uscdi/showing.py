"""An assessment as data for a page, a table or JSON, and as FHIR Parameters."""

from itertools import groupby
from typing import Any

from kiungo.fhir.uscdi.assessing import HAS, LACKS, NOT_EXPECTED, WRONG, Assessment, Finding

Json = dict[str, Any]


def page(assessment: Assessment) -> Json:
    """What a page shows: totals, then the elements by data class."""
    groups = groupby(assessment.findings, key=lambda one: one.element.group)
    return {
        "patient": assessment.patient,
        "version": "USCDI v3 (US Core 6.1.0)",
        "has": assessment.count(HAS),
        "lacks": assessment.count(LACKS),
        "wrong": assessment.count(WRONG),
        "not_expected": assessment.count(NOT_EXPECTED),
        "is_cut": assessment.is_cut,
        "classes": [{"name": name, "elements": [_row(one) for one in found]} for name, found in groups],
    }


def _row(one: Finding) -> Json:
    return {
        "name": one.element.name,
        "status": one.status,
        "resources": one.resources,
        "with_value": one.with_value,
        "type": one.element.type,
        "profile": one.element.profile_url,
        "path": one.element.path,
        "examples": list(one.examples),
        "problems": list(one.problems),
    }


def parameters(assessment: Assessment) -> Json:
    """The same as a Parameters resource, for the operation."""
    counts = [
        {"name": name, "valueInteger": assessment.count(status)}
        for name, status in (("has", HAS), ("lacks", LACKS), ("wrong", WRONG), ("notExpected", NOT_EXPECTED))
    ]
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "patient", "valueReference": {"reference": assessment.patient}},
            *counts,
            {"name": "complete", "valueBoolean": not assessment.is_cut},
            *({"name": "element", "part": _parts(one)} for one in assessment.findings),
        ],
    }


def _parts(one: Finding) -> list[Json]:
    return [
        {"name": "class", "valueString": one.element.group},
        {"name": "name", "valueString": one.element.name},
        {"name": "status", "valueCode": one.status.replace(" ", "-")},
        {"name": "profile", "valueCanonical": one.element.profile_url},
        {"name": "path", "valueString": f"{one.element.type}: {one.element.path}"},
        {"name": "withValue", "valueInteger": one.with_value},
        *({"name": "example", "valueReference": {"reference": name}} for name in one.examples),
        *({"name": "problem", "valueString": text} for text in one.problems),
    ]
