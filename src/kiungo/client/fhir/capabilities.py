"""What a server says it can, read from its CapabilityStatement, so that a call it cannot answer is not sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from kiungo.client.fhir.errors import not_offered

# Parameters of every search that servers need not list. Source: FHIR R4 3.1.1.5.
RESULT_PARAMETERS = frozenset(
    ("_sort", "_count", "_include", "_revinclude", "_summary", "_total", "_elements", "_contained", "_containedType")
)
ALWAYS = RESULT_PARAMETERS | {"_format", "_pretty", "_has", "_id", "_lastUpdated", "_type"}


@dataclass(frozen=True, slots=True)
class TypeCapabilities:
    """What can be done with resources of one type. Shapes: `operations` are names without the `$`."""

    interactions: frozenset[str]
    search_parameters: frozenset[str]
    operations: frozenset[str]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """A CapabilityStatement as far as the client needs it."""

    fhir_version: str
    software: str
    types: Mapping[str, TypeCapabilities]
    interactions: frozenset[str]
    operations: frozenset[str]

    def require(self, interaction: str, type_name: str | None = None) -> None:
        """Refuse what is not offered. Raises: Unsupported FHIR_NOT_OFFERED."""
        if type_name is None:
            if interaction not in self.interactions:
                raise not_offered(f"{interaction} on the whole server", _among(self.interactions))
            return
        known = self.types.get(type_name)
        if known is None:
            near = get_close_matches(type_name, self.types, 1)
            raise not_offered(f"the type {type_name}", f"Did you mean {near[0]}?" if near else _among(self.types))
        if interaction not in known.interactions:
            raise not_offered(f"{interaction} of {type_name}", _among(known.interactions))

    def require_parameters(self, type_name: str, names: Iterable[str]) -> None:
        """Refuse search parameters the server would ignore or refuse. Raises: Unsupported FHIR_NOT_OFFERED."""
        known = self.types[type_name].search_parameters
        for name in names:
            plain = name.partition(":")[0].partition(".")[0]
            if plain not in known and plain not in ALWAYS:
                near = get_close_matches(plain, known, 1)
                hint = f"Did you mean {near[0]}?" if near else None
                raise not_offered(f"searching {type_name} by {plain}", hint)

    def require_operation(self, name: str, type_name: str | None) -> None:
        """Refuse an operation that is not offered there. Raises: Unsupported FHIR_NOT_OFFERED."""
        known = self.types.get(type_name) if type_name else None
        offered = known.operations if known else self.operations
        if name not in offered:
            raise not_offered(f"${name}" + (f" on {type_name}" if type_name else ""), _among(offered))


def read_capabilities(statement: Mapping[str, Any]) -> Capabilities:
    """What a CapabilityStatement's server part says."""
    parts = [part for part in statement.get("rest", ()) if part.get("mode") == "server"]
    server: Mapping[str, Any] = parts[0] if parts else {}
    return Capabilities(
        fhir_version=str(statement.get("fhirVersion", "")),
        software=str(statement.get("software", {}).get("name", "")),
        types={one["type"]: _type(one) for one in server.get("resource", ())},
        interactions=_codes(server.get("interaction", ()), "code"),
        operations=_codes(server.get("operation", ()), "name"),
    )


def _type(one: Mapping[str, Any]) -> TypeCapabilities:
    return TypeCapabilities(
        _codes(one.get("interaction", ()), "code"),
        _codes(one.get("searchParam", ()), "name"),
        _codes(one.get("operation", ()), "name"),
    )


def _codes(rows: Iterable[Mapping[str, Any]], member: str) -> frozenset[str]:
    return frozenset(str(row.get(member, "")).lstrip("$") for row in rows)


def _among(names: Iterable[str]) -> str:
    listed = sorted(names)
    return (
        f"It offers {', '.join(listed[:12])}" + (" and more" if len(listed) > 12 else "") if listed else "It has none"
    )
