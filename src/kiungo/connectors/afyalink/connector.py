"""The registry port over AfyaLink."""

from collections.abc import Sequence

from kiungo.connectors.afyalink import mapping
from kiungo.connectors.afyalink.client import AfyaLinkClient
from kiungo.connectors.afyalink.settings import AfyaLinkSettings
from kiungo.kernel.clients import EgressPolicy, Outbound, Timeouts, make_client
from kiungo.ports.registry import Eligibility, RegisteredFacility, RegisteredPatient

TIMEOUTS = Timeouts(connect_s=3.0, read_s=6.0, total_s=8.0)


class AfyaLinkRegistry:
    """Kenya's client registry, facility registry and eligibility."""

    def __init__(self, client: AfyaLinkClient) -> None:
        self._client = client

    def close(self) -> None:
        """Let the kept connections go."""
        self._client.close()

    def find_patient(self, cr_number: str) -> RegisteredPatient | None:
        """The person of a CR number. Raises: Unavailable REGISTRY_AWAY."""
        query = {"dynamic_id_search": "1", "agent": self._client.agent, "id": cr_number}
        body = self._client.get(self._client.profile.client, query)
        return None if body is None else mapping.patient(body, cr_number)

    def find_facility(self, fr_code: str) -> RegisteredFacility | None:
        """The facility of an FR code. Raises: Unavailable REGISTRY_AWAY."""
        body = self._client.get(self._client.profile.facility, {"id": fr_code})
        return None if body is None else mapping.facility(body, fr_code)

    def vems_facilities(self) -> Sequence[RegisteredFacility]:
        """Every facility marked for equipment bookings. Raises: Unavailable REGISTRY_AWAY."""
        body = self._client.get(self._client.profile.facilities, {"vems_enabled": "1"})
        found = () if body is None else mapping.facilities(body)
        return [facility for facility in found if facility.vems_enabled]

    def eligibility(self, identification_type: str, identification_no: str) -> Eligibility:
        """Whether the national insurance covers a person. Raises: Unavailable REGISTRY_AWAY."""
        query = {"identification_type": identification_type, "identification_number": identification_no}
        return mapping.eligibility(self._client.get(self._client.profile.eligibility, query))


def open_registry(settings: AfyaLinkSettings, egress: EgressPolicy) -> AfyaLinkRegistry:
    """The registry with a client of its own."""
    http = make_client(Outbound(name="afyalink", egress=egress, timeouts=TIMEOUTS))
    return AfyaLinkRegistry(AfyaLinkClient(http, settings))
