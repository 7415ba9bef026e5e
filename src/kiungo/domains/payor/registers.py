"""Keep plans, members, providers and reference rows: FHIR first, then the row adjudication reads."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from kiungo.base.errors import Incorrect, NotFound
from kiungo.domains.payor.book import Fee, Limit, Plan, Provider
from kiungo.domains.payor.errors import MEMBER_NOT_FOUND, PLAN_NOT_FOUND, REFERENCE_WRONG
from kiungo.domains.payor.mapping import people
from kiungo.domains.payor.mapping.terms import PERSON_ID
from kiungo.domains.payor.model import Authorization, Coverage, Member
from kiungo.domains.payor.snapshot import Reference
from kiungo.domains.payor.store import members, reference
from kiungo.fhir.pieces import token
from kiungo.fhir.prepare import prepare
from kiungo.fhir.repository import Repository
from kiungo.kernel import audit, json
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Unit


class Registers:
    """Writes reference data. Every method works inside its caller's unit of work, and waits for others that write."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    @staticmethod
    def hold(unit: Unit, call: Call) -> None:
        """Nobody else writes reference data until the unit ends: what is read and written back here is not lost."""
        unit.lock(f"payor:registers:{call.tenant}")

    def put_plan(self, unit: Unit, call: Call, plan: Plan) -> Plan:
        """Insert or change a plan. Raises: Incorrect REFERENCE_WRONG when a currency differs, also that of its fees."""
        self.hold(unit, call)
        known = reference.find_plan(unit, call.tenant, plan.plan_id)
        if known is not None and known.currency != plan.currency:
            raise wrong("currency", f"of plan {plan.plan_id} is {known.currency} and cannot change")
        if known is None or known.fee_schedule != plan.fee_schedule:
            self._check_schedule(unit, call, plan)
        plan = replace(plan, fhir_id=known.fhir_id if known else self._repository.new_id())
        self._put(unit, call, people.insurance_plan(plan))
        reference.put_plan(unit, call.tenant, plan)
        reference.bump(unit, call.tenant)
        audit.record(unit, call, "put", kind="plan", id=plan.plan_id)
        return plan

    def put_items(self, unit: Unit, call: Call, rows: Iterable[Reference]) -> int:
        """Insert or change fees, codes, exclusions, limits, pairs, unit limits and providers; how many.

        Raises: Incorrect REFERENCE_WRONG for a fee in another currency than a plan of its schedule.
        """
        self.hold(unit, call)
        rows = tuple(rows)
        self._check_currencies(unit, call, rows)
        stored = [self._with_record(unit, call, row) for row in rows]
        reference.put_items(unit, call.tenant, stored)
        reference.bump(unit, call.tenant)
        audit.record(unit, call, "put", kind="reference", id=str(len(stored)))
        return len(stored)

    def remove_item(self, unit: Unit, call: Call, kind: str, owner: str, *, key: str, valid_from: str) -> bool:
        """Remove one reference row; whether there was one."""
        removed = reference.delete_item(unit, call.tenant, kind, owner, item_key=key, valid_from=valid_from)
        if removed:
            reference.bump(unit, call.tenant)
            audit.record(unit, call, "remove", kind="reference", id=f"{kind}:{owner}:{key}"[:200])
        return removed

    def put_member(self, unit: Unit, call: Call, member: Member) -> Member:
        """Insert or change a member with all covers.

        Raises: NotFound PLAN_NOT_FOUND; Incorrect REFERENCE_WRONG when the member would change family.
        """
        self.hold(unit, call)
        found = members.find(unit, call.tenant, member.member_id)
        known = found[0] if found else None
        if known is not None and known.family_id != member.family_id:
            raise wrong("family_id", f"of {member.member_id} is {known.family_id} and cannot change")
        person = self._person(unit, call, known, member)
        fhir_id = known.fhir_id if known else str(person["id"]) if person else self._repository.new_id()
        member = replace(
            member,
            fhir_id=fhir_id,
            coverages=tuple(self._with_id(cover, known) for cover in member.coverages),
        )
        self._put(unit, call, people.patient(member, person))
        for cover in member.coverages:
            plan = reference.find_plan(unit, call.tenant, cover.plan_id)
            if plan is None:
                raise NotFound(
                    PLAN_NOT_FOUND,
                    f"plan_id {cover.plan_id} is not a plan of this payor",
                    field="plan_id",
                    hint="Load the plan first",
                )
            self._put(unit, call, people.coverage(member, cover, plan))
        members.put(unit, call.tenant, member)
        audit.record(unit, call, "put", kind="member", id=member.fhir_id, person=member.fhir_id)
        return member

    def remove_cover(self, unit: Unit, call: Call, member_id: str, *, plan_id: str, valid_from: str) -> Member:
        """Take away a cover that should not have been written; claims decided under it stay as they are.

        Raises: NotFound MEMBER_NOT_FOUND when there is no such cover.
        """
        self.hold(unit, call)
        found = members.find(unit, call.tenant, member_id)
        covers = found[0].coverages if found else ()
        gone = next((cover for cover in covers if (cover.plan_id, cover.valid_from) == (plan_id, valid_from)), None)
        if found is None or gone is None:
            raise NotFound(
                MEMBER_NOT_FOUND,
                f"insurance_id {member_id} has no cover under {plan_id} from {valid_from}",
                field="valid_from",
                hint="The member's covers are at GET /api/admin/members/{insurance_id}",
            )
        member = replace(found[0], coverages=tuple(cover for cover in covers if cover is not gone))
        tree = json.loads(self._repository.read(unit, call, "Coverage", gone.fhir_id).body)
        self._put(unit, call, tree | {"status": "entered-in-error"})
        members.put(unit, call.tenant, member)
        audit.record(unit, call, "remove", kind="cover", id=gone.fhir_id, person=member.fhir_id)
        return member

    def put_authorization(self, unit: Unit, call: Call, authorization: Authorization) -> None:
        """Insert or change a prior authorization."""
        members.put_authorization(unit, call.tenant, authorization)
        audit.record(unit, call, "put", kind="authorization", id=authorization.number)

    def _person(self, unit: Unit, call: Call, known: Member | None, member: Member) -> dict[str, Any] | None:
        """The Patient a member is already, also when another part of the platform wrote it: one person, one record."""
        if not member.identifiers:
            return None
        if known is not None:
            found = self._repository.find(unit, call, "Patient", known.fhir_id)
        else:
            numbers = ",".join(token(PERSON_ID, number) for number in member.identifiers)
            found = self._repository.find_one(unit, call, "Patient", [("identifier", numbers)])
        if found is None or found.deleted:
            return None
        tree: dict[str, Any] = json.loads(found.body)
        return {name: value for name, value in tree.items() if name != "meta"}

    def _with_id(self, cover: Coverage, known: Member | None) -> Coverage:
        for old in known.coverages if known else ():
            if (old.plan_id, old.valid_from) == (cover.plan_id, cover.valid_from):
                return replace(cover, fhir_id=old.fhir_id)
        return replace(cover, fhir_id=self._repository.new_id())

    def _check_schedule(self, unit: Unit, call: Call, plan: Plan) -> None:
        if plan.fee_schedule is None:
            return
        refuse_foreign(plan, reference.fees_of(unit, call.tenant, plan.fee_schedule))

    def _check_currencies(self, unit: Unit, call: Call, rows: tuple[Reference, ...]) -> None:
        fees = {(row.owner, row.item.amount.currency) for row in rows if isinstance(row.item, Fee)}
        limits = {(row.owner, row.item.currency) for row in rows if isinstance(row.item, Limit) and row.item.currency}
        for plan in reference.plans(unit, call.tenant) if fees or limits else ():
            for schedule, currency in sorted(fees):
                if schedule == plan.fee_schedule and currency != plan.currency:
                    raise wrong("currency", f"must be {plan.currency}, as plan {plan.plan_id} of {schedule} is")
            for plan_id, currency in sorted(limits):
                if plan_id == plan.plan_id and currency != plan.currency:
                    raise wrong("currency", f"of plan {plan_id} is {plan.currency}")

    def _with_record(self, unit: Unit, call: Call, row: Reference) -> Reference:
        if not isinstance(row.item, Provider):
            return row
        known = next(
            (
                item.fhir_id
                for item in reference.of_key(unit, call.tenant, "provider", row.item.provider_id)
                if isinstance(item, Provider)
            ),
            None,
        )
        provider = replace(row.item, fhir_id=known or self._repository.new_id())
        self._put(unit, call, people.organization(provider))
        return Reference(row.owner, provider)

    def _put(self, unit: Unit, call: Call, resource: dict[str, Any]) -> None:
        self._repository.update(unit, call, prepare(resource, id=resource["id"]))


def refuse_foreign(plan: Plan, fees: Iterable[Fee]) -> None:
    """A plan pays fees in its own money only. Raises: Incorrect REFERENCE_WRONG."""
    for fee in fees:
        currency = fee.amount.currency
        if currency != plan.currency:
            raise wrong("fee_schedule", f"{plan.fee_schedule} has fees in {currency}, not in {plan.currency}")


def wrong(field: str, problem: str) -> Incorrect:
    """A row of reference data that cannot be kept."""
    return Incorrect(REFERENCE_WRONG, f"{field} {problem}", field=field, hint="Correct the row and send it again")
