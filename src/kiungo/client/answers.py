"""What the claims API answers, as values; amounts are Decimals with the digits they were sent with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kiungo.base.errors import Unavailable, define

CLAIM_SERVICE_AWAY = define(
    "CLAIM_SERVICE_AWAY", Unavailable, "The claims API answered with a server error, or not at all, every time."
)
CLAIM_UNDECIDED = define("CLAIM_UNDECIDED", Unavailable, "The claim was still under review when waiting ended.")

UNDER_REVIEW = ("submitted", "under_review")


@dataclass(frozen=True, slots=True)
class Answer:
    """A claim as the API shows it. Shapes: `claim` is the document's object, whole.

    `http_status` is 201 for a new claim and 200 for one that was sent before.
    """

    claim_id: str
    status: str
    claim: Mapping[str, Any]
    http_status: int

    @property
    def is_decided(self) -> bool:
        """Whether the payor has approved or rejected it."""
        return self.status not in UNDER_REVIEW

    @property
    def expected_payment(self) -> Decimal | None:
        """What the payor will pay, when approved."""
        return _decimal(self.claim.get("expected_payment"))

    @property
    def patient_responsibility(self) -> Decimal | None:
        """What the patient pays, when approved."""
        return _decimal(self.claim.get("patient_responsibility"))


class RefusedClaim(Exception):
    """The API refused the call: retrying it as it is cannot help.

    Shapes: `status` is the HTTP status, `error_code` and `suggestions` are the API's own.
    """

    def __init__(self, status: int, error_code: str, message: str, suggestions: tuple[str, ...]) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.message = message
        self.suggestions = suggestions


def read_object(status: int, body: bytes) -> dict[str, Any]:
    """The JSON object of a 2xx answer. Raises: RefusedClaim for anything else."""
    try:
        found = json.loads(body, parse_float=Decimal)
    except ValueError:
        found = None
    members = found if isinstance(found, dict) else {}
    if not 200 <= status < 300 or not members:
        raise _refused(status, members)
    return members


def read_answer(status: int, body: bytes) -> Answer:
    """A claim from a 2xx answer. Raises: RefusedClaim."""
    members = read_object(status, body)
    claim = members.get("claim", {})
    return Answer(str(claim.get("claim_id", "")), str(claim.get("status", "")), claim, status)


def _refused(status: int, members: Mapping[str, Any]) -> RefusedClaim:
    """Both error shapes of the API: the document's flat one, and the platform's nested one."""
    nested = members.get("error")
    if isinstance(nested, Mapping):
        hint = nested.get("hint")
        return RefusedClaim(
            status, str(nested.get("code", "")), str(nested.get("message", "")), (str(hint),) if hint else ()
        )
    suggestions = tuple(str(one) for one in members.get("suggestions") or ())
    message = str(nested or f"The answer was HTTP {status} and not the documented JSON")
    return RefusedClaim(status, str(members.get("error_code", "")), message, suggestions)


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))
