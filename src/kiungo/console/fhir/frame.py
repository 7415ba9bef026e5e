"""What every page of the browser shares: addresses, the type that was asked for, and what the visitor may do."""

from typing import Any, Final
from urllib.parse import quote, urlencode

from kiungo.base.errors import KiungoError, NotFound
from kiungo.console.visit import Visit
from kiungo.fhir.definitions import resource_types
from kiungo.fhir.model import RESOURCE_TYPE_UNKNOWN
from kiungo.kernel.auth import require

HOME: Final = "/console/fhir"
SECTION: Final = "fhir"
TAB_WORDS: Final = (("", "Record"), ("history", "History"), ("validate", "Validate"))
PATIENT_TAB_WORDS: Final = (*TAB_WORDS, ("uscdi", "USCDI"))
_TYPES: Final = frozenset(resource_types())

Json = dict[str, Any]


def asked_type(visit: Visit, interaction: str) -> str:
    """The type in the address, once the visitor may do this with it. Raises: NotFound, Forbidden."""
    name = known_type(visit.request.params["type"])
    require(visit.call.principal, f"system/{name}.{interaction}")
    return name


def known_type(name: str) -> str:
    """A type of FHIR R4. Raises: NotFound RESOURCE_TYPE_UNKNOWN."""
    if name not in _TYPES:
        raise NotFound(
            RESOURCE_TYPE_UNKNOWN, "FHIR R4 has no such resource type", field="type", hint="Choose one from the list"
        )
    return name


def address_of(type_name: str, logical_id: str, tab: str = "", **query: str) -> str:
    """The page of a resource."""
    path = f"{HOME}/{type_name}/{quote(logical_id, safe='')}" + (f"/{tab}" if tab else "")
    return path + (f"?{urlencode(query)}" if query else "")


def search_address(type_name: str, query: str = "") -> str:
    """The page of a search."""
    return f"{HOME}?{urlencode({'type': type_name, 'q': query} if query else {'type': type_name})}"


def tabs_of(type_name: str, logical_id: str, current: str) -> list[Json]:
    """The pages of one resource."""
    return [
        {"title": title, "address": address_of(type_name, logical_id, tab), "current": tab == current}
        for tab, title in (PATIENT_TAB_WORDS if type_name == "Patient" else TAB_WORDS)
    ]


def told(error: KiungoError) -> str:
    """An error in one line: its problems, or its sentence and the way out."""
    if error.details:
        return " ".join(f"{detail.field}: {detail.message.rstrip('.')}." for detail in error.details[:5])
    return error.told
