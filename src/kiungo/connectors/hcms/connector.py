"""The payer port over the HCMS claims API."""

from collections.abc import Mapping, Sequence

from kiungo.connectors.hcms import mapping, webhook
from kiungo.connectors.hcms.client import HcmsClient
from kiungo.connectors.hcms.settings import HcmsSettings
from kiungo.kernel.clients import EgressPolicy, Outbound, make_client
from kiungo.ports.payer import Capabilities, Claim, Query, Report


class HcmsPayer:
    """A payer behind the HCMS claims API."""

    def __init__(self, client: HcmsClient, settings: HcmsSettings) -> None:
        self._client = client
        self._settings = settings

    def close(self) -> None:
        """Let the kept connections go."""
        self._client.close()

    @property
    def capabilities(self) -> Capabilities:
        """As the settings say."""
        return Capabilities(self._settings.batch_max, self._settings.reports_payment)

    def submit(self, claim: Claim) -> Report:
        """Hand a claim in, then read it whole: the answer to a submission leaves things out.

        Raises: Incorrect CLAIM_REFUSED; Unavailable PAYER_AWAY.
        """
        answer = self._client.submit(mapping.claim_body(claim))
        taken = answer.get("claim")
        claim_id = str(taken.get("claim_id", "")) if isinstance(taken, dict) else ""
        found = self._client.claim(claim_id) if claim_id else None
        whole = found.get("claim") if found else taken
        return mapping.report(whole if isinstance(whole, dict) else {}, claim.booking_no)

    def statuses(self, queries: Sequence[Query]) -> Mapping[str, Report]:
        """Claims by booking number. Raises: Unavailable PAYER_AWAY."""
        if self._settings.batch_max > 1:
            return self._listed([query.booking_no for query in queries])
        reports: dict[str, Report] = {}
        for query in queries:
            if query.reference:
                found = self._client.claim(query.reference)
                claim = found.get("claim") if found else None
                if isinstance(claim, dict):
                    reports[query.booking_no] = mapping.report(claim, query.booking_no)
            else:
                reports.update(self._listed([query.booking_no]))
        return reports

    def check_notice(self, headers: Mapping[str, str], body: bytes) -> None:
        """Is it from this payer? Raises: Unauthenticated NOTICE_FORGED."""
        webhook.check(self._settings, headers, body)

    def read_notice(self, body: bytes) -> Sequence[Report]:
        """Read the claim a webhook is about. Raises: Unavailable PAYER_AWAY."""
        about = mapping.subject(body)
        found = self._client.claim(about.claim_id) if about else None
        claim = found.get("claim") if found else None
        if about is None or not isinstance(claim, dict):
            return ()
        return (mapping.report(claim, about.booking_no),)

    def _listed(self, numbers: Sequence[str]) -> dict[str, Report]:
        """The newest claim of each booking that is not void, or the newest void one. The list is newest first."""
        found = self._client.claims_of(",".join(numbers)).get("claims")
        chosen: dict[str, Report] = {}
        for claim in found if isinstance(found, list) else ():
            number = str(claim.get("booking_no")) if isinstance(claim, dict) else ""
            if number not in numbers:
                continue
            report = mapping.report(claim, number)
            if number not in chosen or (chosen[number].said == "void" and report.said != "void"):
                chosen[number] = report
        return chosen


def open_payer(settings: HcmsSettings, egress: EgressPolicy) -> HcmsPayer:
    """The payer with a client of its own."""
    return HcmsPayer(HcmsClient(make_client(Outbound(name="hcms", egress=egress)), settings), settings)
