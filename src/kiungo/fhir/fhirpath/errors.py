"""What can go wrong with an expression: it cannot be read, makes no sense for its type, fails, or costs too much."""

from kiungo.base.errors import Incorrect, define

FHIRPATH_SYNTAX = define("FHIRPATH_SYNTAX", Incorrect, "The FHIRPath expression cannot be read.")
FHIRPATH_SEMANTIC = define(
    "FHIRPATH_SEMANTIC", Incorrect, "The FHIRPath expression names something its type does not have, or mixes types."
)
FHIRPATH_EXECUTION = define(
    "FHIRPATH_EXECUTION", Incorrect, "The FHIRPath expression met a value it cannot work on.", http=422
)
FHIRPATH_TOO_COSTLY = define(
    "FHIRPATH_TOO_COSTLY",
    Incorrect,
    "Evaluating the FHIRPath expression takes more steps or time than allowed.",
    http=422,
)

FIELD = "expression"
EXCERPT_MAX = 40


def unreadable(text: str, at: int, problem: str, hint: str = "See the FHIRPath grammar") -> Incorrect:
    """The text cannot be parsed; says where, by position and excerpt."""
    excerpt = text[at : at + EXCERPT_MAX]
    place = f"at position {at + 1}, before {excerpt!r}" if excerpt else "at its end"
    return Incorrect(FHIRPATH_SYNTAX, f"The expression cannot be read {place}: {problem}", field=FIELD, hint=hint)


def senseless(problem: str, hint: str | None = None) -> Incorrect:
    """The expression can never mean anything for the type it is about."""
    return Incorrect(FHIRPATH_SEMANTIC, problem, field=FIELD, hint=hint)


def failed(problem: str, hint: str | None = None) -> Incorrect:
    """The expression met a value that it cannot work on."""
    return Incorrect(FHIRPATH_EXECUTION, problem, field=FIELD, hint=hint)


def too_costly(
    problem: str, hint: str = "Narrow the path before descendants(), repeat() or nested where()"
) -> Incorrect:
    """A budget was used up."""
    return Incorrect(FHIRPATH_TOO_COSTLY, problem, field=FIELD, hint=hint)
