"""The closed list of error categories, and the register of stable short codes.

    KiungoError
      Incorrect        400 / 422   the caller sent something wrong
      Unauthenticated  401         we do not know who asks
      Forbidden        403         we know, and it is not allowed
      NotFound         404 / 410   the thing is not there, or no longer
      Conflict         409 / 412   the thing changed, or exists already
      Unsupported      501 / 422   a documented thing we do not do
      Busy             429 / 503   too much at once; later works
      Unavailable      503 / 504   something we need is away
      Fault            500         our own mistake

Each API renders these in its own documented shape; nobody adds a category without an ADR.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

Retry = Literal["no", "after re-read", "later", "yes"]


@dataclass(frozen=True, slots=True)
class Detail:
    """One problem of several found in one input: where it is, what it is, and its stable code."""

    field: str
    message: str
    code: str = "invalid"


class KiungoError(Exception):
    """An error a caller can act on: what is wrong, where, and the way out.

    Raises: Fault when `code` was not defined, or was defined for another category.
    """

    category: ClassVar[str] = "fault"
    default_http_status: ClassVar[int] = 500
    fhir_issue: ClassVar[str] = "exception"
    retry: ClassVar[Retry] = "no"
    hl7v2_acknowledgement: ClassVar[str] = "AE"

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str | None = None,
        hint: str | None = None,
        details: tuple[Detail, ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        definition = _CODES.get(code)
        if definition is None or definition.category is not type(self):
            wanted = definition.category.__name__ if definition else "no category: it is not defined"
            raise AssertionError(f"error code {code!r} raised as {type(self).__name__}, defined for {wanted}")
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.hint = hint
        self.details = details
        self.retry_after_s = retry_after_s

    @property
    def http_status(self) -> int:
        """The HTTP status every API answers with for this code."""
        return _CODES[self.code].http_status

    @property
    def told(self) -> str:
        """The message and the hint as people read them, one sentence after the other."""
        if not self.hint:
            return self.message
        end = "" if self.message.endswith((".", "?", "!")) else "."
        return f"{self.message}{end} {self.hint}"


class Incorrect(KiungoError):
    """The caller sent something wrong; the same call will fail again."""

    category = "incorrect"
    default_http_status = 400
    fhir_issue = "invalid"


class Unauthenticated(KiungoError):
    """We do not know who asks: the credential is missing, wrong, revoked or expired."""

    category = "unauthenticated"
    default_http_status = 401
    fhir_issue = "login"
    hl7v2_acknowledgement = "AR"


class Forbidden(KiungoError):
    """We know who asks, and this is not allowed."""

    category = "forbidden"
    default_http_status = 403
    fhir_issue = "forbidden"
    hl7v2_acknowledgement = "AR"


class NotFound(KiungoError):
    """The thing named is not there, or not for this caller, or no longer."""

    category = "not found"
    default_http_status = 404
    fhir_issue = "not-found"


class Conflict(KiungoError):
    """The thing changed meanwhile, or exists already; read again, then decide."""

    category = "conflict"
    default_http_status = 409
    fhir_issue = "conflict"
    retry = "after re-read"


class Unsupported(KiungoError):
    """A thing the standard or document knows and this server does not do."""

    category = "unsupported"
    default_http_status = 501
    fhir_issue = "not-supported"
    hl7v2_acknowledgement = "AR"


class Busy(KiungoError):
    """Too much at once; the same call works later."""

    category = "busy"
    default_http_status = 429
    fhir_issue = "throttled"
    retry = "later"


class Unavailable(KiungoError):
    """Something this call needs is away at the moment."""

    category = "unavailable"
    default_http_status = 503
    fhir_issue = "transient"
    retry = "yes"


class Fault(KiungoError):
    """Our own mistake; the request id finds it in the log."""


@dataclass(frozen=True, slots=True)
class CodeDefinition:
    """A stable short code: its category, its HTTP status and one plain sentence for the reference."""

    code: str
    category: type[KiungoError]
    summary: str
    http_status: int


_CODES: dict[str, CodeDefinition] = {}


def define(code: str, category: type[KiungoError], summary: str, *, http: int | None = None) -> str:
    """Register a stable code once, at import of the module that owns it; returns the code.

    Raises: AssertionError when the code is taken with another meaning.
    """
    definition = CodeDefinition(code, category, summary, http or category.default_http_status)
    if _CODES.setdefault(code, definition) != definition:
        raise AssertionError(f"error code {code!r} is already defined as {_CODES[code]}")
    return code


def all_codes() -> Mapping[str, CodeDefinition]:
    """Every defined code, for the reference documentation and its test."""
    return dict(sorted(_CODES.items()))
