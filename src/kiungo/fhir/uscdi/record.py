"""A person's resources: from the store, with what they point to, or from a Bundle."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kiungo.base.errors import NotFound
from kiungo.fhir import fhirpath
from kiungo.fhir.model import RESOURCE_NOT_FOUND, Stored
from kiungo.fhir.profiles.references import type_in_text
from kiungo.fhir.repository import Repository
from kiungo.fhir.search.select import find_matches
from kiungo.fhir.uscdi.table import TYPES
from kiungo.kernel import json
from kiungo.kernel.auth.principal import Call

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

Json = dict[str, Any]
OF_ONE_TYPE_MAX = 1_000
POINTED_TO_MAX = 500
FOLLOWED = frozenset(
    {"Practitioner", "PractitionerRole", "Organization", "Location", "Specimen", "Medication", "RelatedPerson"}
)
May = Callable[[Stored], bool]


@dataclass(slots=True)
class Record:
    """The resources of one person by type, and everything at hand by reference.

    Shapes: `is_cut` says that a type has more resources than were read.
    """

    patient: Json
    by_type: dict[str, list[Json]] = field(default_factory=dict)
    by_reference: dict[str, Json] = field(default_factory=dict)
    is_cut: bool = False

    def add(self, resource: Json, *names: str) -> None:
        """One resource more; `names` are further references it goes by."""
        kind = str(resource.get("resourceType"))
        self.by_type.setdefault(kind, []).append(resource)
        for name in (f"{kind}/{resource.get('id')}", *names):
            self.by_reference[name] = resource

    def resolve(self, reference: str, at: fhirpath.Node | None = None) -> Json | None:
        """The resource a reference of the record means."""
        return self.by_reference.get(reference.partition("/_history/")[0])


class Resolver(fhirpath.Offline):
    """Answers `resolve()` from a record."""

    def __init__(self, record: Record) -> None:
        super().__init__()
        self._record = record

    def resolve(self, reference: str, at: fhirpath.Node) -> Mapping[str, Any] | fhirpath.Node | None:
        """What the record has."""
        return self._record.resolve(reference)


def from_bundle(bundle: Json) -> Record:
    """The record in a Bundle, such as a synthetic patient's file. Raises: NotFound without a Patient."""
    entries = [e for e in bundle.get("entry", []) if isinstance(e, dict) and isinstance(e.get("resource"), dict)]
    patient = next((e["resource"] for e in entries if e["resource"].get("resourceType") == "Patient"), None)
    if patient is None:
        raise NotFound(RESOURCE_NOT_FOUND, "The Bundle holds no Patient", field="entry", hint="Give a person's Bundle")
    record = Record(patient)
    for entry in entries:
        url = entry.get("fullUrl")
        record.add(entry["resource"], *([url] if isinstance(url, str) else []))
    return record


def from_store(unit: "Unit", repository: Repository, call: Call, patient_id: str, may: May) -> Record:
    """The record of a stored Patient, as far as the caller may see it. Raises: NotFound."""
    stored = repository.read(unit, call, "Patient", patient_id)
    record = Record(json.loads(stored.body))
    record.add(record.patient)
    for kind in TYPES:
        if kind == "Patient":
            continue
        found = find_matches(unit, call.tenant, kind, [("patient", f"Patient/{patient_id}")], limit=OF_ONE_TYPE_MAX)
        record.is_cut = record.is_cut or len(found) >= OF_ONE_TYPE_MAX
        for one in found:
            if may(one):
                record.add(json.loads(one.body))
    _follow(unit, repository, call, record, may)
    return record


def _follow(unit: "Unit", repository: Repository, call: Call, record: Record, may: May) -> None:
    """Read what the record points to, two steps far: a role, then its practitioner."""
    left = POINTED_TO_MAX
    waiting = [one for found in record.by_type.values() for one in found]
    for _ in range(2):
        reached: list[Json] = []
        for reference in dict.fromkeys(_references(waiting)):
            kind = type_in_text(reference)
            if kind not in FOLLOWED or reference in record.by_reference or reference.count("/") != 1 or left <= 0:
                continue
            left -= 1
            found = repository.find(unit, call, kind, reference.partition("/")[2])
            if found is not None and not found.deleted and may(found):
                resource = json.loads(found.body)
                record.by_reference[reference] = resource
                reached.append(resource)
        waiting = reached


def _references(values: Iterable[Any]) -> Iterable[str]:
    stack: list[Any] = list(values)
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            text = value.get("reference")
            if isinstance(text, str):
                yield text
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
