"""What stands where no national registry is connected: it knows nobody, and says which settings would change that."""

from collections.abc import Sequence
from typing import Never

from kiungo.base.errors import Unavailable
from kiungo.ports.registry import (
    REGISTRY_AWAY,
    Eligibility,
    RegisteredFacility,
    RegisteredPatient,
)

RETRY_AFTER_S = 3_600.0


class NoRegistry:
    """Every question is answered with 503: that nobody was found would be a lie."""

    def find_patient(self, cr_number: str) -> RegisteredPatient | None:
        """Raises: Unavailable REGISTRY_AWAY."""
        self._refuse()

    def find_facility(self, fr_code: str) -> RegisteredFacility | None:
        """Raises: Unavailable REGISTRY_AWAY."""
        self._refuse()

    def vems_facilities(self) -> Sequence[RegisteredFacility]:
        """Raises: Unavailable REGISTRY_AWAY."""
        self._refuse()

    def eligibility(self, identification_type: str, identification_no: str) -> Eligibility:
        """Raises: Unavailable REGISTRY_AWAY."""
        self._refuse()

    def _refuse(self) -> Never:
        raise Unavailable(
            REGISTRY_AWAY,
            "No national registry is connected; only patients known already can be booked",
            hint="Set the KIUNGO_AFYALINK_ variables, or register the patient first",
            retry_after_s=RETRY_AFTER_S,
        )
