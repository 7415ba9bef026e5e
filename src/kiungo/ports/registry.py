"""What we need from a national registry: who a patient is, what a facility is, and whether somebody is insured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kiungo.base.errors import Unavailable, define

REGISTRY_AWAY = define("REGISTRY_AWAY", Unavailable, "The national registry is away or refuses our credentials.")

RETRY_AFTER_S = 30.0


@dataclass(frozen=True, slots=True)
class RegisteredPatient:
    """A person in the client registry.

    Shapes: `gender` is a FHIR administrative gender or empty; `birth_date` YYYY-MM-DD or empty.
    """

    cr_number: str
    name: str
    phone: str = ""
    birth_date: str = ""
    gender: str = ""
    identification_type: str = ""
    identification_no: str = ""


@dataclass(frozen=True, slots=True)
class RegisteredFacility:
    """A place in the facility registry."""

    fr_code: str
    name: str
    county: str = ""
    level: str = ""
    kind: str = ""
    phone: str = ""
    operational: bool = True
    vems_enabled: bool = False


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Whether a person is covered. Shapes: `funds` names what covers; `solution` says what a person can do if not."""

    eligible: bool
    funds: tuple[str, ...] = ()
    solution: str = ""


class Registry(Protocol):
    """A national registry. Every method blocks: call it outside units of work and off the event loop.

    Raises: Unavailable REGISTRY_AWAY, with the time after which to ask again.
    """

    def find_patient(self, cr_number: str) -> RegisteredPatient | None:
        """The person of a client registry number, or None when there is none."""
        ...

    def find_facility(self, fr_code: str) -> RegisteredFacility | None:
        """The facility of a facility registry code, or None when there is none."""
        ...

    def vems_facilities(self) -> Sequence[RegisteredFacility]:
        """Every facility that may have equipment bookings."""
        ...

    def eligibility(self, identification_type: str, identification_no: str) -> Eligibility:
        """Whether the national insurance covers a person."""
        ...
