"""Take a claim out of force: its FHIR resources cancelled, its accumulators reversed, its row kept for ever."""

from dataclasses import replace
from datetime import date
from typing import Protocol

from kiungo.base.errors import Conflict
from kiungo.base.money import Money
from kiungo.base.time import Clock, day_in
from kiungo.domains.payor import accounts, events, rebuild
from kiungo.domains.payor.book import Snapshot
from kiungo.domains.payor.errors import CLAIM_STATE, claim_not_found
from kiungo.domains.payor.mapping.records import Records
from kiungo.domains.payor.model import Entry
from kiungo.domains.payor.opening import Openings
from kiungo.domains.payor.store import claims, desk, members
from kiungo.domains.payor.store.claims import ClaimRow
from kiungo.fhir.prepare import prepare
from kiungo.fhir.repository import Repository
from kiungo.kernel import audit, json, ledger
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Unit
from kiungo.kernel.outbox import Outbox
from kiungo.ports.bookings import lock_name

MESSAGE: str = "Claim voided"


class Desk(Protocol):
    """What a change of a claim on file needs."""

    clock: Clock
    repository: Repository
    outbox: Outbox
    openings: Openings
    records: Records


def hold(unit: Unit, call: Call, claim_id: str) -> ClaimRow:
    """A claim whose family nobody else changes until the unit ends.

    Raises: NotFound CLAIM_NOT_FOUND; Conflict CLAIM_STATE when it is void.
    """
    row = claims.find(unit, call.tenant, claim_id)
    if row is None:
        raise claim_not_found(claim_id)
    members.hold_family(unit, call.tenant, row.family_id)
    row = claims.find(unit, call.tenant, claim_id)
    if row is None or row.voided_us is not None:
        raise Conflict(CLAIM_STATE, f"Claim {claim_id} is void", hint="Send a new claim instead")
    return row


def hold_to_judge(unit: Unit, call: Call, claim_id: str) -> ClaimRow:
    """A claim held as by `hold`, and its booking with it: before the family, as a submission holds them.

    Raises: NotFound CLAIM_NOT_FOUND; Conflict CLAIM_STATE when it is void.
    """
    row = claims.find(unit, call.tenant, claim_id)
    if row is not None and row.booking_no is not None:
        hold_booking(unit, call.tenant, row.booking_no)
    return hold(unit, call, claim_id)


def hold_booking(unit: Unit, tenant: int, booking_no: str) -> None:
    """Nobody else claims the booking until the unit ends."""
    unit.lock(lock_name(tenant, booking_no))


def is_large_payment(snapshot: Snapshot, row: ClaimRow) -> bool:
    """Whether a claim was paid more than one person alone may take back under its plan."""
    above = snapshot.plans[row.plan_id].plan.four_eyes_above
    return row.payment_id is not None and above is not None and row.paid_minor > above.minor


def void(desk_: Desk, unit: Unit, call: Call, claim_id: str, *, reason: str, by: str | None = None) -> ClaimRow:
    """Void a claim, or replace it `by` another.

    Raises: NotFound CLAIM_NOT_FOUND; Conflict CLAIM_STATE.
    """
    row = hold(unit, call, claim_id)
    tenant = call.tenant
    on_file = rebuild.read(unit, call, desk_.repository, row)
    reverse_entries(unit, tenant, row, version=row.version + 1)
    claims.remove_services(unit, tenant, claim_id, on_file.claim)
    if by is None:
        claims.add_refused(unit, tenant, claim_id, on_file.claim)
    for kind, id in (
        ("Claim", row.claim_fhir),
        ("ClaimResponse", row.response_fhir),
        ("ExplanationOfBenefit", row.benefit_fhir),
    ):
        tree = json.loads(desk_.repository.read(unit, call, kind, id).body)
        desk_.repository.update(unit, call, prepare(tree | {"status": "cancelled"}, id=id))
    if row.payment_id is not None:
        plan = desk_.openings.snapshot(unit, tenant).plans[row.plan_id].plan
        _recover(unit, tenant, row, day_in(plan.time_zone, unit.now_us))
    action = "replaced" if by else "void"
    principal = call.principal
    desk.add(
        unit, tenant, claim_id, action=action, principal_id=principal.id, principal_name=principal.name, note=reason
    )
    changed = replace(
        row,
        version=row.version + 1,
        desk=None,
        voided_us=unit.now_us,
        replaced_by=by,
    )
    changed = store_view(desk_, unit, call, changed)
    audit.record(unit, call, action, kind="claim", id=claim_id, person=row.patient_fhir)
    payload = events.status_update(
        json.loads(changed.wire),
        at_us=unit.now_us,
        previous=row.state,
        new=events.VOID,
        message=MESSAGE if by is None else f"Claim replaced by {by}",
        processed_by=events.BY_HAND if by is None else events.AUTOMATED,
    )
    payload["body"]["void"] = True
    desk_.outbox.publish(unit, tenant=tenant, topic="claim.voided", aggregate=claim_id, payload=payload)
    return changed


def store_view(desk_: Desk, unit: Unit, call: Call, row: ClaimRow) -> ClaimRow:
    """Write a changed row with the claim object that follows from it."""
    on_file = rebuild.read(unit, call, desk_.repository, row)
    plan = desk_.openings.snapshot(unit, call.tenant).plans[row.plan_id].plan
    changed = replace(row, wire=rebuild.wire_of(on_file, plan))
    claims.update(unit, call.tenant, changed)
    return changed


def reverse_entries(unit: Unit, tenant: int, row: ClaimRow, *, version: int) -> None:
    """Give back exactly what the claim took from the accumulators."""
    standing = members.standing_entries(unit, tenant, row.claim_id)
    members.add_entries(
        unit,
        tenant,
        [Entry(entry.member_id, entry.bucket, entry.period, -entry.amount) for entry in standing],
        family_id=row.family_id,
        claim_id=row.claim_id,
        version=version,
        reversal=True,
    )


def _recover(unit: Unit, tenant: int, row: ClaimRow, today: date) -> None:
    """What was paid for a void claim is owed back by the provider."""
    amount = Money(row.paid_minor, row.currency)
    recoverable = accounts.open_recoverable(unit, tenant, row.provider_id, row.currency)
    expense = accounts.open_expense(unit, tenant, row.currency)
    ledger.post(
        unit,
        tenant,
        key=f"claim:{row.claim_id}:recover:{row.version + 1}",
        kind="claim.voided",
        postings=[ledger.Posting(debit=recoverable, credit=expense, amount=amount)],
        effective=today,
        memo=row.claim_id,
    )
