"""Everything there is to know about a claim before judging it, read in one go."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kiungo.base.errors import Detail, Incorrect
from kiungo.domains.payor import lineage, stated
from kiungo.domains.payor.book import Snapshot
from kiungo.domains.payor.errors import VALIDATION_ERROR, insurance_not_found
from kiungo.domains.payor.model import Adjudication, Claim, Coverage, Member, Ruling
from kiungo.domains.payor.rules.case import Case
from kiungo.domains.payor.rules.duplicate import fingerprint
from kiungo.domains.payor.store import claims, members, reference
from kiungo.domains.payor.store.claims import ClaimRow
from kiungo.fhir.repository import Repository
from kiungo.kernel import json
from kiungo.kernel.database import Unit
from kiungo.ports.bookings import Bookings

REPEATED_WITHIN_US: Final = 12 * 3_600 * 1_000_000
"""A claim without a date that comes again after midnight is the same one this long; a daily visit comes later."""


class Snapshots:
    """The newest snapshot of each tenant's reference data, loaded again only when its version changed."""

    def __init__(self) -> None:
        self._loaded: dict[int, Snapshot] = {}

    def current(self, unit: Unit, tenant: int) -> Snapshot:
        """The snapshot as this unit sees it."""
        known = self._loaded.get(tenant)
        version = reference.version_of(unit, tenant)
        if known is not None and known.version == version:
            return known
        # Units that begin together each load it: a lock held while the database answers could stop the event loop.
        loaded = self._loaded[tenant] = reference.load(unit, tenant)
        return loaded


@dataclass(frozen=True, slots=True)
class Opening:
    """A case ready to be judged, and what must still be true when its decision is written.

    Shapes: `same` is the claim of the same content that stands, or whose replacement stands; `replaced` the claim
    this one takes the place of.
    """

    case: Case
    family_version: int
    fingerprint: bytes
    same: ClaimRow | None = None
    replaced: ClaimRow | None = None


class Openings:
    """Opens cases for one installation: reference data, the record, and bookings where somebody keeps them."""

    def __init__(self, snapshots: Snapshots, bookings: Bookings | None, repository: Repository) -> None:
        self._snapshots = snapshots
        self._bookings = bookings
        self._repository = repository

    def snapshot(self, unit: Unit, tenant: int) -> Snapshot:
        """The reference data as this unit sees it."""
        return self._snapshots.current(unit, tenant)

    def submitted(self, unit: Unit, tenant: int, sent: stated.Stated, *, provider_id: str, now_us: int) -> Opening:
        """Open a claim as it was sent.

        Raises: NotFound INSURANCE_NOT_FOUND; Incorrect VALIDATION_ERROR.
        """
        found = members.find(unit, tenant, sent.insurance_id)
        if found is None or not found[0].coverages:
            raise insurance_not_found(sent.insurance_id)
        member, family_version = found
        snapshot = self.snapshot(unit, tenant)
        stated_day = sent.lines[0].service_date
        cover = cover_for(member, lambda one: stated_day or snapshot.plans[one.plan_id].plan.day_of(now_us))
        today = snapshot.plans[cover.plan_id].plan.day_of(now_us)
        provider = snapshot.provider(provider_id, stated_day or today)
        claim = stated.complete(
            sent,
            currency=snapshot.plans[cover.plan_id].plan.currency,
            provider_id=provider_id,
            provider_name=provider.name if provider else None,
            today=today,
        )
        known = self._same(unit, tenant, claim, sent, now_us)
        stands = known is not None and _stands(unit, tenant, known)
        replaced = None if stands else self._replaced(unit, tenant, claim)
        voided = None if stands or known is None else known.claim_id
        case = self._case(unit, tenant, claim, member, snapshot, cover=cover, voided_same=voided)
        own_print = fingerprint(claim, dated=sent.dated)
        return Opening(case, family_version, own_print, known if stands else None, replaced)

    def on_file(
        self, unit: Unit, tenant: int, claim: Claim, *, claim_id: str, plan_id: str, ruling: Ruling | None
    ) -> Case:
        """Open a claim that is already on file, for a person's decision. The family must be held.

        Raises: NotFound INSURANCE_NOT_FOUND.
        """
        found = members.find(unit, tenant, claim.member_id)
        if found is None:
            raise insurance_not_found(claim.member_id)
        member = found[0]
        cover = next((c for c in member.coverages if c.plan_id == plan_id), None)
        cover = cover or cover_for(member, lambda _: claim.lines[0].service_date)
        known = claims.find_same(unit, tenant, claim.member_id, _fingerprints(claim), but=claim_id)
        voided = None if known is None or known.voided_us is None else known.claim_id
        return self._case(
            unit,
            tenant,
            claim,
            member,
            self.snapshot(unit, tenant),
            cover=cover,
            claim_id=claim_id,
            ruling=ruling,
            voided_same=voided,
        )

    def _case(
        self,
        unit: Unit,
        tenant: int,
        claim: Claim,
        member: Member,
        snapshot: Snapshot,
        *,
        cover: Coverage,
        claim_id: str = "",
        ruling: Ruling | None = None,
        voided_same: str | None = None,
    ) -> Case:
        authorization = None
        if claim.prior_authorization is not None:
            authorization = members.find_authorization(unit, tenant, claim.prior_authorization)
        booking, used_by = None, None
        if claim.booking_no is not None:
            if self._bookings is not None:
                booking = self._bookings.find(unit, tenant, claim.booking_no)
            used_by = claims.claim_of_booking(unit, tenant, claim.booking_no)
        return Case(
            claim=claim,
            member=member,
            coverage=cover,
            book=snapshot.plans[cover.plan_id],
            snapshot=snapshot,
            used=_used_without_replaced(unit, tenant, member.family_id, claim),
            neighbours=claims.neighbours(unit, tenant, claim, but=claim_id),
            authorization=authorization,
            booking=booking,
            booking_used_by=used_by if used_by not in (claim_id, claim.replaces) else None,
            ruling=ruling,
            voided_same=voided_same,
            same_number=claims.of_own_number(unit, tenant, claim, but=claim_id),
            carried=lineage.carried(unit, tenant, self._repository, claim.replaces),
        )

    @staticmethod
    def _same(unit: Unit, tenant: int, claim: Claim, sent: stated.Stated, now_us: int) -> ClaimRow | None:
        """The claim of the same content, also that of the evening before when a date was left to us."""
        but = claim.replaces or ""
        known = claims.find_same(unit, tenant, claim.member_id, _fingerprints(claim), but=but)
        if known is not None or sent.dated:
            return known
        before = fingerprint(stated.as_of_the_day_before(claim, sent), dated=False)
        known = claims.find_same(unit, tenant, claim.member_id, (before,), but=but)
        return known if known is not None and known.submitted_us >= now_us - REPEATED_WITHIN_US else None

    def _replaced(self, unit: Unit, tenant: int, claim: Claim) -> ClaimRow | None:
        if claim.replaces is None:
            return None
        row = claims.find(unit, tenant, claim.replaces)
        problem = None
        if row is None or row.provider_id != claim.provider_id:
            problem = f"{claim.replaces} is not a claim of this provider"
        elif row.member_id != claim.member_id:
            problem = f"{claim.replaces} is a claim for another member"
        elif row.voided_us is not None:
            problem = f"{claim.replaces} is void already"
        elif (earlier := self._still_standing(unit, tenant, row)) is not None:
            problem = f"{claim.replaces} has not taken the place of {earlier}, which still stands"
        if problem is not None:
            raise Incorrect(
                VALIDATION_ERROR,
                f"replaces {problem}",
                field="replaces",
                hint="Name a claim of this member and provider that still stands",
            )
        return row

    @staticmethod
    def _still_standing(unit: Unit, tenant: int, row: ClaimRow) -> str | None:
        """The claim that a claim waits to replace, or was not let replace: replacing the latter would keep both."""
        earlier: str | None = json.loads(row.wire)["replaces"]
        found = claims.find(unit, tenant, earlier) if earlier is not None else None
        return earlier if found is not None and found.voided_us is None else None


def _fingerprints(claim: Claim) -> tuple[bytes, bytes]:
    """A claim's own content, whoever said the day."""
    return fingerprint(claim), fingerprint(claim, dated=False)


def _stands(unit: Unit, tenant: int, row: ClaimRow) -> bool:
    """Whether a claim stands, or the last of those that took its place."""
    for _ in range(lineage.REPLACED_MOST):
        if row.voided_us is None:
            return True
        later = claims.find(unit, tenant, row.replaced_by) if row.replaced_by is not None else None
        if later is None:
            return False
        row = later
    return True


def _used_without_replaced(unit: Unit, tenant: int, family_id: str, claim: Claim) -> dict[tuple[str, str, str], int]:
    """What the family has used, as if the claim this one replaces were void already."""
    used = members.used(unit, tenant, family_id)
    if claim.replaces is not None:
        for entry in members.standing_entries(unit, tenant, claim.replaces):
            used[entry.member_id, entry.bucket, entry.period] -= entry.amount
    return used


def cover_for(member: Member, day_under: Callable[[Coverage], str]) -> Coverage:
    """The cover a claim is judged under: the one in force, else the one that began last before it.

    Shapes: `day_under` is the day of service; unstated, it is today, and that is each plan's own.
    """
    holding = [cover for cover in member.coverages if cover.holds_on(day_under(cover))]
    if holding:
        return min(holding, key=lambda cover: cover.order)
    begun = [cover for cover in member.coverages if cover.valid_from <= day_under(cover)]
    return max(begun or member.coverages, key=lambda cover: cover.valid_from)


def refuse_if_refused(result: Adjudication) -> None:
    """A claim with a refusal is not taken at all. Raises: Incorrect VALIDATION_ERROR naming every field."""
    refusals = [finding for finding in result.findings if finding.effect == "refuse"]
    if refusals:
        raise Incorrect(
            VALIDATION_ERROR,
            "; ".join(finding.text for finding in refusals[:5]),
            field=refusals[0].field,
            hint="Correct the named fields and send the claim again",
            details=tuple(Detail(finding.field or "", finding.text) for finding in refusals),
        )
