"""Errors and remarks as OperationOutcome, the shape of every error under /fhir."""

from functools import cache
from typing import Any

from kiungo.base.errors import Detail, KiungoError, all_codes
from kiungo.fhir.http.negotiation import FHIR_JSON, written_error
from kiungo.fhir.http.unknown import unknown_path
from kiungo.kernel import json
from kiungo.kernel.http import ErrorShape, Response

__all__ = ["FHIR_JSON", "SHAPE", "all_well", "issue_of", "outcome_of", "remark", "render"]
ISSUES_MAX = 100
# FHIR's issue types; a Detail's code that is none of these is `invalid`.
_DETAIL_CODES = frozenset({"structure", "required", "value", "code-invalid", "invariant", "invalid", "business-rule"})
_BY_STATUS = {410: "deleted", 412: "conflict", 405: "not-supported", 422: "processing"}


def issue_of(error: KiungoError, detail: Detail | None = None) -> dict[str, Any]:
    """One issue: severity, FHIR code, our stable code, the sentence and the place."""
    if detail is not None:
        code = detail.code if detail.code in _DETAIL_CODES else "invalid"
        return _issue(code, error.code, detail.message, detail.field)
    code = error.fhir_issue if error.fhir_issue != "invalid" else "invalid"
    code = "too-costly" if error.code.endswith("_TOO_COSTLY") else _BY_STATUS.get(error.http_status, code)
    return _issue(code, error.code, error.told, error.field)


def _issue(code: str, own_code: str, text: str, place: str | None) -> dict[str, Any]:
    issue: dict[str, Any] = {
        "severity": "error",
        "code": code,
        "details": {"coding": [{"system": "urn:kiungo:error", "code": own_code}], "text": _summary(own_code)},
        "diagnostics": text,
    }
    if place:
        issue["expression"] = [place]
    return issue


@cache
def _summary(own_code: str) -> str:
    """What a code means wherever it appears; what happened this time stands in the diagnostics."""
    return all_codes()[own_code].summary


def outcome_of(error: KiungoError) -> dict[str, Any]:
    """An OperationOutcome with an issue for each problem."""
    details = error.details[:ISSUES_MAX]
    issues = [issue_of(error, detail) for detail in details] or [issue_of(error)]
    return {"resourceType": "OperationOutcome", "issue": issues}


def remark(severity: str, code: str, text: str) -> dict[str, Any]:
    """An OperationOutcome that is no error: one issue with one sentence."""
    issue = {"severity": severity, "code": code, "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def all_well(text: str) -> bytes:
    """The OperationOutcome of a success, for `Prefer: return=OperationOutcome`."""
    return json.dumps(remark("information", "informational", text))


def render(error: KiungoError, request_id: str) -> Response:
    """An error as the answer to a FHIR call; the request id is in the X-Request-ID header."""
    return written_error(Response(error.http_status, json.dumps(outcome_of(error)), media_type=FHIR_JSON))


SHAPE = ErrorShape("fhir", ("/fhir",), render, unknown_path)
