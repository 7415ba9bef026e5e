"""What a validation finds, and where: locations are chains that become text only when something is wrong."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
At = tuple[Any, str, int]
"""A place: (the place around it or None, the JSON name, the index or -1)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or worth a remark.

    Shapes: `severity` is "error", "warning" or "information"; `code` a FHIR issue type; `location` the place by
    JSON names, such as Patient.name[0]._given; `rule` an invariant's key or the address of a profile.
    """

    severity: str
    code: str
    location: str
    message: str
    rule: str = ""


def text_of(o: Any, name: str) -> str | None:
    """A member that is a text; None for anything else that was written there."""
    value = o.get(name) if o.__class__ is dict else None
    return value if value.__class__ is str else None


def root_at(type_name: str) -> At:
    """The place of a whole resource."""
    return (None, type_name, -1)


def place(at: At) -> str:
    """A chain as text."""
    steps: list[str] = []
    link: At | None = at
    while link is not None:
        parent, name, index = link
        steps.append(name if index < 0 else f"{name}[{index}]")
        link = parent
    return ".".join(reversed(steps))


def errors_of(findings: list[Finding]) -> list[Finding]:
    """Only the errors."""
    return [f for f in findings if f.severity == "error"]
