"""What a SearchParameter resource asks for, read into definitions.

Source: FHIR R4 SearchParameter.
"""

from dataclasses import dataclass
from typing import Any

from kiungo.base.errors import Incorrect, KiungoError, define
from kiungo.fhir.definitions import resource_types, type_ids
from kiungo.fhir.fhirpath import compile
from kiungo.fhir.indexing.parameters import OWN_KEYS_FROM, Parameter, Source, parameters_of

SEARCH_PARAMETER_WRONG = define(
    "SEARCH_PARAMETER_WRONG",
    Incorrect,
    "An active SearchParameter has an expression or a type that cannot be indexed.",
    http=422,
)
KINDS = frozenset({"token", "reference", "date", "quantity", "number", "string", "uri"})
EXPRESSION_LENGTH_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Definition:
    """One own parameter of one type."""

    type: str
    code: str
    kind: str
    expression: str
    targets: tuple[str, ...]
    url: str

    def parameter(self, number: int) -> Parameter:
        """The search parameter it makes, under the number of its row."""
        key = OWN_KEYS_FROM + number
        return Parameter(
            self.type, self.code, self.kind, key, self.expression, self.targets, self.url, (), (Source(key),)
        )


def definitions_of(resource: dict[str, Any]) -> list[Definition]:
    """What an active SearchParameter asks for, one for each type; nothing for R4's own and for others.

    Raises: Incorrect SEARCH_PARAMETER_WRONG for one that could never find anything.
    """
    if resource.get("status") != "active" or resource.get("type") not in KINDS:
        return []
    code, expression = resource["code"], resource.get("expression", "")
    bases = [t for t in resource.get("base", []) if t in type_ids()]
    if "Resource" in resource.get("base", []) or "DomainResource" in resource.get("base", []):
        bases = list(resource_types())
    wanted = [name for name in bases if code not in parameters_of(name)]
    if wanted:
        _check(expression)
    targets = tuple(t for t in resource.get("target", []) if t in type_ids())
    return [Definition(name, code, resource["type"], expression, targets, resource.get("url", "")) for name in wanted]


def _check(expression: str) -> None:
    if not expression or len(expression) > EXPRESSION_LENGTH_MAX:
        raise Incorrect(
            SEARCH_PARAMETER_WRONG,
            f"An active SearchParameter needs an expression of at most {EXPRESSION_LENGTH_MAX} characters",
            field="SearchParameter.expression",
            hint="Write a FHIRPath such as Patient.extension('http://example.org/rank').value",
        )
    try:
        compile(expression)
    except KiungoError as error:
        raise Incorrect(
            SEARCH_PARAMETER_WRONG,
            f"The expression cannot be used: {error.message}",
            field="SearchParameter.expression",
            hint="Try it with POST /fhir/$fhirpath",
        ) from error
