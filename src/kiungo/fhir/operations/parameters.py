"""The parameters of an operation: from the address or from a Parameters body, and back into an answer.

Source: FHIR R4 3.2.0.4 (executing an operation), Parameters.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from kiungo.base.errors import Incorrect, define
from kiungo.fhir.http.negotiation import FHIR_JSON, received
from kiungo.kernel import json
from kiungo.kernel.http import Request, Response

OPERATION_PARAMETER_WRONG = define(
    "OPERATION_PARAMETER_WRONG", Incorrect, "A parameter of an operation is missing, unknown or malformed."
)
RESULT_FORMS = frozenset({"_format", "_pretty", "_summary", "_elements"})


class Arguments:
    """What an operation was asked with, by name. `body` is the resource that was sent in place of Parameters."""

    def __init__(self, values: list[tuple[str, Any]], body: dict[str, Any] | None = None) -> None:
        self._values = values
        self.body = body

    def all(self, name: str) -> list[Any]:
        """Every value of a parameter, in order."""
        return [value for known, value in self._values if known == name]

    def names(self) -> set[str]:
        """The names that were given."""
        return {name for name, _ in self._values}

    def find(self, name: str) -> Any:
        """The first value, or None."""
        return next((value for known, value in self._values if known == name), None)

    def text(self, name: str) -> str | None:
        """The value as text. Raises: Incorrect when it is something else."""
        value = self.find(name)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return str(value)
        raise wrong(name, "must be a text", f"Write {name}=...")

    def need(self, name: str) -> str:
        """The value as text. Raises: Incorrect when it is missing."""
        value = self.text(name)
        if not value:
            raise wrong(name, "is missing", f"Add {name}")
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """The value as yes or no. Raises: Incorrect."""
        value = self.find(name)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        if value not in ("true", "false"):
            raise wrong(name, "must be true or false", f"Write {name}=true")
        return bool(value == "true")

    def number(self, name: str) -> int | None:
        """The value as a whole number of zero or more. Raises: Incorrect."""
        value = self.find(name)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9:
            return value
        if isinstance(value, str) and value.isdecimal() and len(value) < 10:
            return int(value)
        raise wrong(name, "must be a whole number", f"Write {name}=20")

    def thing(self, name: str) -> dict[str, Any] | None:
        """The value as a datatype or resource, which only a body can carry. Raises: Incorrect."""
        value = self.find(name)
        if value is None or isinstance(value, dict):
            return value
        raise wrong(name, "is not of the type the operation takes", "Send it in a Parameters body")


def arguments(request: Request, allowed: Iterable[str]) -> Arguments:
    """Understand a request's parameters; one the operation does not know is refused, never ignored.

    Raises: Incorrect OPERATION_PARAMETER_WRONG.
    """
    values: list[tuple[str, Any]] = [(n, v) for n, v in request.query if n not in RESULT_FORMS]
    body: dict[str, Any] | None = None
    if request.method == "POST" and request.body:
        sent = json.loads(received(request))
        if not isinstance(sent, dict) or not isinstance(sent.get("resourceType"), str):
            raise wrong("body", "is not a resource", "Send a Parameters resource")
        if sent["resourceType"] == "Parameters":
            values += given(sent)
        else:
            body = sent
    known = set(allowed)
    for name, _ in values:
        if name not in known:
            raise wrong(name[:60], "is not a parameter of this operation", f"It takes {', '.join(sorted(known))}")
    return Arguments(values, body)


def given(parameters: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The names and values of a Parameters resource. Shapes: a part is a list of pairs. Raises: Incorrect."""
    found: list[tuple[str, Any]] = []
    listed = parameters.get("parameter", [])
    for entry in listed if isinstance(listed, list) else []:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise wrong("parameter", "has an entry without a name", "Name every parameter")
        name = entry["name"]
        if "resource" in entry:
            found.append((name, entry["resource"]))
        elif "part" in entry:
            found.append((name, given({"parameter": entry["part"]})))
        else:
            found.append((name, next((v for key, v in entry.items() if key.startswith("value")), None)))
    return found


def answer(parameters: list[dict[str, Any]], status: int = 200) -> Response:
    """A Parameters resource as the answer."""
    return resource({"resourceType": "Parameters", "parameter": parameters}, status)


def resource(content: dict[str, Any], status: int = 200) -> Response:
    """A resource as the answer."""
    return Response(status, json.dumps(content), media_type=FHIR_JSON)


def wrong(name: str, problem: str, hint: str) -> Incorrect:
    """The refusal of a parameter."""
    return Incorrect(OPERATION_PARAMETER_WRONG, f"{name} {problem}", field=name, hint=hint)
