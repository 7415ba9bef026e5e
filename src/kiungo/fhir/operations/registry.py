"""Operations by name: each module says what it offers, and routes and CapabilityStatement follow from that.

A module adds itself with `OPERATIONS.add(Operation(...))` and is imported by `fhir/operations/__init__.py`.
Nothing is claimed that is not added here, and nothing is added without its test.
Source: FHIR R4 3.2 (operations).
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from kiungo.fhir.definitions import resource_types
from kiungo.fhir.store import Store
from kiungo.kernel.http import Request, Response

Level = Literal["system", "type", "instance"]
Method = Literal["GET", "POST", "DELETE"]
DEFINITIONS = "http://hl7.org/fhir/OperationDefinition/"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation was called: `/fhir`, `/fhir/Type` or `/fhir/Type/id`; empty for what the path lacks."""

    type: str = ""
    id: str = ""


OperationHandler = Callable[[Store, Request, Place], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Shapes: `name` without the `$`; `types` empty means every resource type (not asked at the system level);
    `definition` is the canonical URL of its OperationDefinition, such as DEFINITIONS + "ValueSet-expand".
    `interactions` are those whose scope the caller needs on the type, such as "r" or "rs"; at the system
    level the scope is of every type ("system/*.r") unless `is_open`, when any credential will do and the
    handler decides by what it touches. One that `has_own_formats`, such as CSV, reads `_format` and Accept itself.
    """

    name: str
    definition: str
    handler: OperationHandler
    levels: frozenset[Level]
    types: tuple[str, ...] = ()
    methods: tuple[Method, ...] = ("GET", "POST")
    interactions: str = "r"
    is_open: bool = False
    body_bytes_max: int | None = None
    has_own_formats: bool = False

    def places(self) -> Iterator[tuple[str, str]]:
        """Every path below /fhir with the type in it, "" at the system level."""
        if "system" in self.levels:
            yield f"/${self.name}", ""
        for type_name in self.types or resource_types():
            if "type" in self.levels:
                yield f"/{type_name}/${self.name}", type_name
            if "instance" in self.levels:
                yield f"/{type_name}/{{id}}/${self.name}", type_name


class Operations:
    """The operations this server offers."""

    def __init__(self) -> None:
        self._known: dict[str, Operation] = {}

    def add(self, operation: Operation) -> Operation:
        """Take an operation in. Raises: ValueError when its definition is there already."""
        if operation.definition in self._known:
            raise ValueError(f"${operation.name} is added twice: {operation.definition}")
        self._known[operation.definition] = operation
        return operation

    def all(self) -> list[Operation]:
        """Every operation, by name."""
        return sorted(self._known.values(), key=lambda operation: (operation.name, operation.definition))

    def of_type(self, type_name: str) -> list[Operation]:
        """The operations on a type or its resources."""
        return [o for o in self.all() if o.levels & {"type", "instance"} and (not o.types or type_name in o.types)]

    def of_system(self) -> list[Operation]:
        """The operations on the whole server."""
        return [o for o in self.all() if "system" in o.levels]


OPERATIONS = Operations()
