"""Payment runs: what was approved is paid, booked in the ledger, and told to the provider.

A unit of work pays a bounded number of claims, with one payment for each provider, currency, method and day; a run is
as many units as it takes, and `remaining` says whether claims are left. Whoever goes on with a run, also beside
another, pays no more claims than it was asked for. What a provider owes back for claims that were voided after
their payment is kept back first. The money's own way to the bank is not decided here.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from kiungo.base.errors import Conflict, Incorrect
from kiungo.base.ids import uuid7
from kiungo.base.money import Money
from kiungo.base.time import day_in
from kiungo.domains.payor import access, accounts, events, voiding
from kiungo.domains.payor.book import PlanBook
from kiungo.domains.payor.errors import PAYMENT_NOTHING, VALIDATION_ERROR
from kiungo.domains.payor.mapping import terms
from kiungo.domains.payor.store import claims, members, payments
from kiungo.domains.payor.store.claims import ClaimRow
from kiungo.domains.payor.store.payments import Payment
from kiungo.fhir.pieces import identifier
from kiungo.fhir.prepare import prepare
from kiungo.kernel import audit, json, ledger
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Unit
from kiungo.kernel.http.idempotency import refuse_other

CLAIMS_A_RUN_MAX = 500
CLAIMS_A_UNIT_MAX = 50
DAYS_AHEAD_MAX = 30


@dataclass(frozen=True, slots=True)
class Run:
    """What a payment run paid. Shapes: `remaining` is true when approved claims are still unpaid."""

    run_id: str
    payments: tuple[Payment, ...]
    remaining: bool


def new_run_id(payor: voiding.Desk) -> str:
    """The id of a run that begins."""
    return f"RUN-{uuid7(payor.clock)}"


def pay(
    payor: voiding.Desk,
    unit: Unit,
    call: Call,
    *,
    payment_date: date | None = None,
    method: str | None = None,
    provider_id: str | None = None,
    claims_max: int = CLAIMS_A_UNIT_MAX,
    run_id: str | None = None,
    asked: str = "",
) -> Run:
    """Pay approved claims, oldest decision first: one unit's worth of a run.

    Shapes: `method` None pays each claim as its plan says; `run_id` begins or continues a run, which pays
    `claims_max` claims in all its units; `asked` stands for what was asked of the run, and is the same in each.
    Raises: Conflict PAYMENT_NOTHING when the run has paid nothing, either; Conflict IDEMPOTENCY_BODY_DIFFERS;
    Incorrect VALIDATION_ERROR for an impossible date; Forbidden NOT_YOURS.
    """
    access.refuse_bound(call)
    tenant = call.tenant
    run_id = run_id or new_run_id(payor)
    paid = _hold_run(unit, tenant, run_id, asked)
    left = claims_max - sum(payment.claims for payment in paid)
    take = min(left, CLAIMS_A_UNIT_MAX)
    candidates = claims.unpaid(unit, tenant, provider_id=provider_id, limit=take + 1)
    rows = _held(unit, tenant, candidates[:take])
    if not rows:
        if paid:
            return Run(run_id, (), bool(candidates))
        raise Conflict(
            PAYMENT_NOTHING,
            "No approved claim is waiting for payment",
            hint="Run again after claims were approved",
        )
    plans = payor.openings.snapshot(unit, tenant).plans
    check_day(unit, plans, rows, payment_date)
    groups: defaultdict[tuple[str, str, str, str], list[ClaimRow]] = defaultdict(list)
    for row in rows:
        plan = plans[row.plan_id].plan
        day = payment_date.isoformat() if payment_date else plan.day_of(unit.now_us)
        groups[row.provider_id, row.currency, method or plan.payment_method, day].append(row)
    made = tuple(
        _pay_group(payor, unit, call, group, key=key, run_id=run_id, number=number)
        for number, (key, group) in enumerate(sorted(groups.items()), len(paid) + 1)
    )
    audit.record(unit, call, "pay", kind="payment_run", id=run_id)
    return Run(run_id, made, len(candidates) > take)


def _hold_run(unit: Unit, tenant: int, run_id: str, asked: str) -> list[Payment]:
    """What a run has paid; nobody goes on with it or another until the unit ends. Raises: Conflict.

    Runs beside each other would choose the same claims, and the second find nothing to pay while others wait.
    """
    unit.lock(f"payor:runs:{tenant}")
    refuse_other(payments.begin_run(unit, tenant, run_id, asked), asked)
    return payments.of_run(unit, tenant, run_id)


def check_day(unit: Unit, plans: Mapping[str, PlanBook], rows: list[ClaimRow], asked: date | None) -> None:
    """Refuse a day that is before a decision it pays or far ahead, by each plan's own calendar.

    Raises: Incorrect VALIDATION_ERROR.
    """
    if asked is None or not rows:
        return
    zones = {row.plan_id: plans[row.plan_id].plan.time_zone for row in rows}
    today = max(day_in(zone, unit.now_us) for zone in zones.values())
    decided = [day_in(zones[row.plan_id], row.decided_us) for row in rows if row.decided_us is not None]
    first, last = max(decided, default=today), today + timedelta(days=DAYS_AHEAD_MAX)
    if not first <= asked <= last:
        raise Incorrect(
            VALIDATION_ERROR,
            f"payment_date must be from {first.isoformat()}, when the newest of the claims was decided,"
            f" to {last.isoformat()}",
            field="payment_date",
            hint="Leave payment_date out to pay today",
        )


def units_needed(
    payor: voiding.Desk, unit: Unit, call: Call, *, payment_date: date | None, provider_id: str | None, claims_max: int
) -> int:
    """How many units a run takes. Raises: Incorrect VALIDATION_ERROR, before any of them paid anything."""
    rows = claims.unpaid(unit, call.tenant, provider_id=provider_id, limit=claims_max)
    check_day(unit, payor.openings.snapshot(unit, call.tenant).plans, rows, payment_date)
    return max(1, -(-len(rows) // CLAIMS_A_UNIT_MAX))


def _held(unit: Unit, tenant: int, candidates: list[ClaimRow]) -> list[ClaimRow]:
    """The claims that are still to be paid once nobody else can change them; families in one order."""
    for family_id in sorted({row.family_id for row in candidates}):
        members.hold_family(unit, tenant, family_id)
    found = (claims.find(unit, tenant, row.claim_id) for row in candidates)
    return [
        row
        for row in found
        if row is not None and row.state == "approved" and row.payment_id is None and row.voided_us is None
    ]


def _pay_group(
    payor: voiding.Desk,
    unit: Unit,
    call: Call,
    group: list[ClaimRow],
    *,
    key: tuple[str, str, str, str],
    run_id: str,
    number: int,
) -> Payment:
    provider_id, currency, method, day = key
    tenant = call.tenant
    total = Money(sum(row.paid_minor for row in group), currency)
    kept = split(total, _owed_back(unit, tenant, provider_id, currency))
    payment = Payment(
        payment_id=f"PAY-{run_id[4:]}-{number}",
        run_id=run_id,
        provider_id=provider_id,
        currency=currency,
        amount_minor=(total - kept).minor,
        claims=len(group),
        method=method,
        reference=f"{run_id[-12:].upper()}-{number}",
        payment_date=day,
        created_us=unit.now_us,
        recovered_minor=kept.minor,
    )
    payments.insert(unit, tenant, payment)
    _book(unit, tenant, payment)
    for row in group:
        part = min(kept, Money(row.paid_minor, currency))
        _mark(payor, unit, call, row, payment, part)
        kept -= part
    return payment


def split(payable: Money, owed_back: Money) -> Money:
    """What is kept back of a payment: all that is owed back, and never more than the payment."""
    return max(min(payable, owed_back), Money.zero(payable.currency))


def _owed_back(unit: Unit, tenant: int, provider_id: str, currency: str) -> Money:
    """What a provider owes back now; no other run keeps it back until the unit ends."""
    unit.lock(f"payor:recoverable:{tenant}:{provider_id}:{currency}")
    account = accounts.open_recoverable(unit, tenant, provider_id, currency)
    return Money(ledger.balance(unit, tenant, account, currency).balance.net_dr, currency)


def _book(unit: Unit, tenant: int, payment: Payment) -> None:
    """What the claims cost becomes owed to the provider; what is owed is set off and paid, in one journal."""
    currency = payment.currency
    payable = accounts.open_payable(unit, tenant, payment.provider_id, currency)
    recoverable = accounts.open_recoverable(unit, tenant, payment.provider_id, currency)
    expense = accounts.open_expense(unit, tenant, currency)
    cash = accounts.open_cash(unit, tenant, currency)
    moves = (
        (expense, payable, payment.amount + payment.recovered),
        (payable, recoverable, payment.recovered),
        (payable, cash, payment.amount),
    )
    ledger.post(
        unit,
        tenant,
        key=f"payment:{payment.payment_id}",
        kind="claims.paid",
        postings=[ledger.Posting(debit=to, credit=of, amount=amount) for to, of, amount in moves if amount.minor],
        effective=date.fromisoformat(payment.payment_date),
        memo=payment.payment_id,
    )


def _mark(payor: voiding.Desk, unit: Unit, call: Call, row: ClaimRow, payment: Payment, kept: Money) -> None:
    amount = Money(row.paid_minor, row.currency) - kept
    tree = json.loads(payor.repository.read(unit, call, "ExplanationOfBenefit", row.benefit_fhir).body)
    tree["payment"] = {
        "date": payment.payment_date,
        "amount": terms.money(amount),
        "identifier": identifier("urn:kiungo:payor:payment", payment.payment_id),
    }
    if kept.minor:
        tree["payment"]["adjustment"] = terms.money(kept)
    payor.repository.update(unit, call, prepare(tree, id=row.benefit_fhir))
    changed = replace(row, payment_id=payment.payment_id, version=row.version + 1)
    changed = voiding.store_view(payor, unit, call, changed)
    audit.record(unit, call, "pay", kind="claim", id=row.claim_id, person=row.patient_fhir)
    payload = events.payment_processed(json.loads(changed.wire), at_us=unit.now_us, paid=_told(amount, kept, payment))
    payor.outbox.publish(unit, tenant=call.tenant, topic="claim.paid", aggregate=row.claim_id, payload=payload)


def _told(amount: Money, kept: Money, payment: Payment) -> Mapping[str, Any]:
    """What is said of one claim's payment: `paid_amount` and `recovered_amount` are together what it comes to."""
    told: dict[str, Any] = {
        "paid_amount": amount,
        "payment_date": payment.payment_date,
        "payment_method": payment.method,
        "payment_reference": payment.reference,
        "payment_id": payment.payment_id,
    }
    if kept.minor:
        told["recovered_amount"] = kept
    return told
