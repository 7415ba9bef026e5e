"""The payor's error codes, and the shape the provider guide gives to every error."""

from kiungo.base.errors import Conflict, Forbidden, Incorrect, KiungoError, NotFound, define
from kiungo.kernel.http import ErrorShape, Response

VALIDATION_ERROR = define("VALIDATION_ERROR", Incorrect, "Fields of a claim are missing, wrong or impossible.")
INSURANCE_NOT_FOUND = define("INSURANCE_NOT_FOUND", NotFound, "Nobody is insured with this payor under that id.")
CLAIM_NOT_FOUND = define("CLAIM_NOT_FOUND", NotFound, "No claim of that id is visible to the caller.")
PROVIDER_DIFFERS = define("PROVIDER_DIFFERS", Forbidden, "The claim names another provider than the caller is.")
CLAIM_STATE = define("CLAIM_STATE", Conflict, "The claim is not in a state that allows this step.")
CLAIM_CHANGED = define("CLAIM_CHANGED", Conflict, "The claim changed since the reviewer looked at it.")
SECOND_PERSON_NEEDED = define("SECOND_PERSON_NEEDED", Forbidden, "Approving this amount needs two different people.")
PLAN_NOT_FOUND = define("PLAN_NOT_FOUND", NotFound, "No plan of that id.")
MEMBER_NOT_FOUND = define("MEMBER_NOT_FOUND", NotFound, "No member of that insurance id.")
REFERENCE_WRONG = define("REFERENCE_WRONG", Incorrect, "A row of reference data is incomplete or contradicts itself.")
PAYMENT_RUN_NOT_FOUND = define("PAYMENT_RUN_NOT_FOUND", NotFound, "No payment run of that id.")
PAYMENT_NOTHING = define("PAYMENT_NOTHING", Conflict, "No approved claim is waiting for payment.")

INSURANCE_SUGGESTIONS = (
    "Verify insurance ID format",
    "Check if patient is enrolled with this payor",
    "Contact payor customer service",
)


def insurance_not_found(insurance_id: str) -> NotFound:
    """The guide's refusal of an unknown insurance id."""
    return NotFound(
        INSURANCE_NOT_FOUND,
        f"Insurance ID {insurance_id} not found or not covered by this payor",
        field="insurance_id",
    )


def claim_not_found(claim_id: str) -> NotFound:
    """The refusal of an unknown claim, and of another provider's claim: the same words for both."""
    return NotFound(
        CLAIM_NOT_FOUND,
        f"Claim {claim_id} not found",
        field="claim_id",
        hint="Check the claim id, and that the key belongs to the provider who sent it",
    )


def suggestions_of(error: KiungoError) -> list[str]:
    """What the caller can do about an error, one line each."""
    if error.code == INSURANCE_NOT_FOUND:
        return list(INSURANCE_SUGGESTIONS)
    suggestions = [error.hint] if error.hint else []
    if len(error.details) > 1:
        suggestions += [f"{detail.field}: {detail.message}" for detail in error.details]
    return suggestions


def render(error: KiungoError, _request_id: str) -> Response:
    """{"error", "error_code", "claim_id": null, "suggestions": [...]}. Source: provider guide, error response."""
    body = {
        "error": error.message,
        "error_code": error.code,
        "claim_id": None,
        "suggestions": suggestions_of(error),
    }
    return Response.json(body, error.http_status)


SHAPE = ErrorShape("payor", ("/api/claims",), render)
