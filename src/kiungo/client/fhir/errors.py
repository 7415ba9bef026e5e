"""What can go wrong between the client and a FHIR server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kiungo.base.errors import Unavailable, Unsupported, define

FHIR_SERVER_AWAY = define(
    "FHIR_SERVER_AWAY", Unavailable, "The FHIR server answered that it cannot now, or not at all, every time."
)
FHIR_NOT_OFFERED = define(
    "FHIR_NOT_OFFERED", Unsupported, "The FHIR server's CapabilityStatement does not offer this call.", http=422
)


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue of an OperationOutcome."""

    severity: str
    code: str
    text: str
    expression: tuple[str, ...]


class RefusedByServer(Exception):
    """The server refused the call: sending it again as it is cannot help.

    Shapes: `status` is the HTTP status; `issues` are the OperationOutcome's, none when there was no such body.
    """

    def __init__(self, status: int, issues: tuple[Issue, ...], what: str) -> None:
        first = "; ".join(issue.text for issue in issues if issue.text)
        super().__init__(f"{what}: HTTP {status}" + (f", {first}" if first else ""))
        self.status = status
        self.issues = issues


def issues_of(outcome: object) -> tuple[Issue, ...]:
    """The issues of a body that may be an OperationOutcome."""
    if not isinstance(outcome, Mapping) or outcome.get("resourceType") != "OperationOutcome":
        return ()
    return tuple(_issue(one) for one in outcome.get("issue", ()) if isinstance(one, Mapping))


def _issue(one: Mapping[str, Any]) -> Issue:
    details = one.get("details")
    text = one.get("diagnostics") or (details.get("text") if isinstance(details, Mapping) else None) or ""
    places = one.get("expression") or one.get("location") or ()
    return Issue(
        str(one.get("severity", "")), str(one.get("code", "")), str(text), tuple(str(place) for place in places)
    )


def away(attempts: int, last: str) -> Unavailable:
    """The error when every attempt failed."""
    return Unavailable(
        FHIR_SERVER_AWAY,
        f"No answer after {attempts} attempts; the last: {last}",
        hint="Try again later; what a lost answer did is not known, so look before you create again",
    )


def not_offered(what: str, hint: str | None = None) -> Unsupported:
    """The error when the server's CapabilityStatement says no."""
    return Unsupported(FHIR_NOT_OFFERED, f"The server does not offer {what}", hint=hint)
