"""The payer port over the authority's FHIR interface."""

from collections.abc import Mapping, Sequence

from kiungo.base.errors import Unauthenticated
from kiungo.base.time import Clock
from kiungo.connectors.sha import mapping
from kiungo.connectors.sha.client import ShaClient
from kiungo.connectors.sha.settings import ShaSettings
from kiungo.kernel.clients import EgressPolicy, Outbound, make_client
from kiungo.ports.payer import NOTICE_FORGED, Capabilities, Claim, Query, Report


class ShaPayer:
    """The Social Health Authority."""

    def __init__(self, client: ShaClient, settings: ShaSettings) -> None:
        self._client = client
        self._capabilities = Capabilities(settings.batch_max, reports_payment=True)

    def close(self) -> None:
        """Let the kept connections go."""
        self._client.close()

    @property
    def capabilities(self) -> Capabilities:
        """Batches, and payment notices."""
        return self._capabilities

    def submit(self, claim: Claim) -> Report:
        """Hand a claim in; what became of it is asked later.

        Raises: Incorrect CLAIM_REFUSED; Unavailable PAYER_AWAY.
        """
        bundle = mapping.bundle(claim, self._client.profile)
        self._client.send_bundle(bundle)
        claim_id = str(bundle["entry"][-1]["resource"]["id"])
        return Report(claim.booking_no, claim_id, "pending", "queued")

    def statuses(self, queries: Sequence[Query]) -> Mapping[str, Report]:
        """Decisions and payments by booking number, in two questions. Raises: Unavailable PAYER_AWAY."""
        profile = self._client.profile
        wanted = ",".join(f"{profile.booking_system}|{query.booking_no}" for query in queries)
        asked = {"request:identifier": wanted, "_count": "200"}
        reports = mapping.responses(self._client.search(profile.responses, asked), profile, queries)
        if any(report.status == "approved" for report in reports.values()):
            reports = mapping.with_payments(reports, self._client.search(profile.payments, asked), profile)
        return reports

    def check_notice(self, headers: Mapping[str, str], body: bytes) -> None:
        """The draft guide has no messages of the authority's own, so none is believed. Raises: Unauthenticated."""
        raise Unauthenticated(NOTICE_FORGED, "The authority sends no notices", hint="Its decisions are asked for")

    def read_notice(self, body: bytes) -> Sequence[Report]:
        """Nothing: see `check_notice`."""
        return ()


def open_payer(settings: ShaSettings, egress: EgressPolicy, clock: Clock) -> ShaPayer:
    """The payer with a client of its own."""
    http = make_client(Outbound(name="sha", egress=egress))
    return ShaPayer(ShaClient(http, settings, clock), settings)
