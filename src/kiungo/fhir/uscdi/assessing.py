"""The table asked of a record: for each data element what is there, what is lacking, what does not meet its profile."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from kiungo.base.errors import KiungoError
from kiungo.fhir import fhirpath
from kiungo.fhir.profiles.library import Library
from kiungo.fhir.profiles.validator import Report, Validator
from kiungo.fhir.uscdi.elements import DataElement
from kiungo.fhir.uscdi.record import Record, Resolver
from kiungo.fhir.uscdi.table import TABLE

HAS, LACKS, WRONG, NOT_EXPECTED = "has", "lacks", "wrong", "not expected"
SHOWN_MAX = 5
JUDGED_MAX = 500
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """One data element of a record.

    Shapes: `status` is has, lacks, wrong or "not expected"; `resources` the number that speak of it, `with_value`
    of these with a value; `examples` references to some; `problems` sentences of the validation.
    """

    element: DataElement
    status: str
    resources: int = 0
    with_value: int = 0
    examples: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assessment:
    """A whole record. `is_cut` says that not every resource was read or judged."""

    patient: str
    findings: tuple[Finding, ...]
    is_cut: bool

    def count(self, status: str) -> int:
        """How many elements have a status."""
        return sum(one.status == status for one in self.findings)


def assess(record: Record, library: Library, today: date) -> Assessment:
    """Ask every element of the table of a record. Pure but for what the library looks up."""
    asking = _Asking(record, library)
    age = _age_months(record.patient, today)
    findings = tuple(asking.finding(element, age) for element in TABLE)
    name = f"Patient/{record.patient.get('id')}"
    return Assessment(name, findings, record.is_cut or asking.is_cut)


class _Asking:
    def __init__(self, record: Record, library: Library) -> None:
        self._record = record
        self._host = Resolver(record)
        self._validator = Validator(library, record.resolve)
        self._reports: dict[tuple[int, str], Report] = {}
        self.is_cut = False

    def finding(self, element: DataElement, age_months: int | None) -> Finding:
        """One element's status."""
        found = [one for one in self._record.by_type.get(element.type, ()) if self._holds(element.where, one)]
        full = [one for one in found if self._has_value(element.path, one)]
        if not full:
            expected = element.ages_months is None or age_months is None or _is_within(age_months, element.ages_months)
            return Finding(element, LACKS if expected else NOT_EXPECTED, len(found), examples=_names(found))
        wrong = [(one, report) for one in full if (report := self._judged(one, element)) and not report.is_valid]
        problems = [f"{_name(one)}: {report.errors[0].message}" for one, report in wrong]
        return Finding(
            element,
            WRONG if wrong else HAS,
            len(found),
            len(full),
            _names([one for one, _ in wrong] or full),
            tuple(problems[:SHOWN_MAX]),
        )

    def _holds(self, where: str, resource: Json) -> bool:
        return not where or self._items(where, resource) == [True]

    def _has_value(self, path: str, resource: Json) -> bool:
        return bool(self._items(path, resource))

    def _items(self, expression: str, resource: Json) -> list[Any]:
        try:
            return fhirpath.compile(expression)(resource, host=self._host)
        except KiungoError:
            return []  # a resource so malformed that it cannot be asked has nothing to say

    def _judged(self, resource: Json, element: DataElement) -> Report | None:
        key = (id(resource), element.profile)
        if key not in self._reports:
            if len(self._reports) >= JUDGED_MAX:
                self.is_cut = True
                return None
            reports = [self._validator.check(resource, (url,)) for url in element.profile_urls]
            self._reports[key] = next((one for one in reports if one.is_valid), reports[0])
        return self._reports[key]


def _names(found: Iterable[Json]) -> tuple[str, ...]:
    return tuple(_name(one) for one in list(found)[:SHOWN_MAX])


def _name(resource: Json) -> str:
    return f"{resource.get('resourceType')}/{resource.get('id')}"


def _is_within(age: int, ages: tuple[int, int]) -> bool:
    return ages[0] <= age <= ages[1]


def _age_months(patient: Json, today: date) -> int | None:
    """The age in whole months, as far as the date of birth says it."""
    text = patient.get("birthDate")
    parts = str(text).split("-") if isinstance(text, str) else []
    if not parts or not all(part.isdecimal() for part in parts):
        return None
    year, month = int(parts[0]), int(parts[1]) if len(parts) > 1 else 1
    day = int(parts[2]) if len(parts) > 2 else 1
    return (today.year - year) * 12 + today.month - month - (today.day < day)
