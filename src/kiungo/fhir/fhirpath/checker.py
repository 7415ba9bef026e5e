"""What an expression can mean for a type, found before it is evaluated."""

from kiungo.fhir.fhirpath.syntax import Expr


def check(tree: Expr, type_name: str | None) -> None:
    """Refuse what can never mean anything. Raises: Incorrect FHIRPATH_SEMANTIC."""
