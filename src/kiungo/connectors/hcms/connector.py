"""The payer port over the HCMS claims API."""

from collections.abc import Mapping, Sequence

from kiungo.connectors.hcms import mapping, webhook
from kiungo.connectors.hcms.client import HcmsClient
from kiungo.connectors.hcms.settings import HcmsSettings
from kiungo.kernel.clients import EgressPolicy, Outbound, make_client
from kiungo.ports.payer import Capabilities, Claim, Query, Report

REPLACED_MAX = 20


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
        one_by_one = self._settings.batch_max == 1  # such a payer may not list claims by booking
        listed = [query.booking_no for query in queries if not (one_by_one and query.reference)]
        reports: dict[str, Report] = {}
        for start in range(0, len(listed), self._settings.batch_max):
            reports |= self._listed(listed[start : start + self._settings.batch_max])
        for query in queries:
            if query.reference and query.booking_no not in reports:
                found = self._current(query.reference, query.booking_no)
                if found is not None:
                    reports[query.booking_no] = found
        return reports

    def check_notice(self, headers: Mapping[str, str], body: bytes) -> None:
        """Is it from this payer? Raises: Unauthenticated NOTICE_FORGED."""
        webhook.check(self._settings, headers, body)

    def read_notice(self, body: bytes) -> Sequence[Report]:
        """Read the claim a webhook is about, or what replaced it. Raises: Unavailable PAYER_AWAY."""
        about = mapping.subject(body)
        found = self._current(about.claim_id, about.booking_no) if about is not None else None
        return (found,) if found is not None else ()

    def _current(self, reference: str, booking_no: str) -> Report | None:
        """A claim by its number, or the one that replaced it; one of another booking says nothing about this."""
        for _ in range(REPLACED_MAX):
            answer = self._client.claim(reference)
            claim = answer.get("claim") if answer else None
            if not isinstance(claim, dict) or claim.get("booking_no", booking_no) not in (booking_no, None, ""):
                return None
            following = claim.get("replaced_by")
            if claim.get("void") is not True or not isinstance(following, str) or not following:
                return mapping.report(claim, booking_no)
            reference = following
        return None

    def _listed(self, numbers: Sequence[str]) -> dict[str, Report]:
        """The claim that decides each booking: an approved one, else the newest, and a void one only when alone.

        The payer refuses a second claim of a booking, which takes nothing from the first. The list is newest first.
        """
        found = self._client.claims_of(",".join(numbers)).get("claims")
        chosen: dict[str, Report] = {}
        for claim in found if isinstance(found, list) else ():
            number = str(claim.get("booking_no")) if isinstance(claim, dict) else ""
            if number not in numbers:
                continue
            report = mapping.report(claim, number)
            if number not in chosen or _rank(report) > _rank(chosen[number]):
                chosen[number] = report
        return chosen


def _rank(report: Report) -> int:
    return 0 if report.said == "void" else 2 if report.status == "approved" else 1


def open_payer(settings: HcmsSettings, egress: EgressPolicy) -> HcmsPayer:
    """The payer with a client of its own."""
    return HcmsPayer(HcmsClient(make_client(Outbound(name="hcms", egress=egress)), settings), settings)
