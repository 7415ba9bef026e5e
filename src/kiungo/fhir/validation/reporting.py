"""A validation's report as OperationOutcome: FHIRPath, line and column of each issue."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kiungo.fhir.profiles.findings import Finding
from kiungo.fhir.validation.locations import fhirpath_of
from kiungo.fhir.validation.positions import Position, positions
from kiungo.fhir.xml import places_of

EXTENSIONS = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-"
ISSUES_MAX = 200
Places = Callable[[Iterable[str]], Mapping[str, Position]]
"""Line and column of locations, as far as they are known."""


def no_places(_wanted: Iterable[str]) -> Mapping[str, Position]:
    """For a resource that came without text."""
    return {}


def places_in(text: bytes, root: str) -> Places:
    """The places inside a JSON text whose whole is at `root`."""
    return lambda wanted: positions(text.decode("utf-8", "replace"), wanted, root)


def places_in_xml(text: bytes) -> Places:
    """The places inside an XML document."""

    def places(wanted: Iterable[str]) -> Mapping[str, Position]:
        known = places_of(text)
        found = {}
        for path in wanted:
            step = path
            while step and step not in known:
                step = step[: max(step.rfind("."), step.rfind("["), 0)]
            if step:
                found[path] = Position(known[step].line, known[step].column)
        return found

    return places


def outcome(
    findings: Iterable[Finding], resource: Any, places: Places = no_places, *, note: str = ""
) -> dict[str, Any]:
    """The OperationOutcome of a report; without findings it says that all is well."""
    shown = list(findings)[:ISSUES_MAX]
    known = places([one.location for one in shown]) if shown else {}
    issues = [_issue(one, resource, known.get(one.location)) for one in shown]
    if not issues:
        text = note or "No problem was found"
        issues = [{"severity": "information", "code": "informational", "diagnostics": text, "details": {"text": text}}]
    return {"resourceType": "OperationOutcome", "issue": issues}


def _issue(one: Finding, resource: Any, position: Position | None) -> dict[str, Any]:
    issue: dict[str, Any] = {}
    if position is not None:
        issue["extension"] = [
            {"url": EXTENSIONS + "line", "valueInteger": position.line},
            {"url": EXTENSIONS + "col", "valueInteger": position.column},
        ]
    issue["severity"] = one.severity
    issue["code"] = one.code
    issue["details"] = {"text": one.message}
    if one.rule:
        issue["details"]["coding"] = [{"system": "urn:kiungo:validation-rule", "code": one.rule}]
    where = f" (line {position.line}, column {position.column})" if position is not None else ""
    issue["diagnostics"] = one.message + where
    issue["expression"] = [fhirpath_of(one.location, resource)]
    return issue
