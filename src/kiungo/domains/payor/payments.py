"""Payment runs: what was approved is paid, booked in the ledger, and told to the provider.

One payment for each provider and currency. A run is one unit of work of bounded size; `remaining` says whether
another is needed. The money's own way to the bank is not decided here.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from kiungo.base.errors import Conflict
from kiungo.base.ids import uuid7
from kiungo.base.money import Money
from kiungo.base.time import date_of
from kiungo.domains.payor import access, accounts, events, voiding
from kiungo.domains.payor.errors import PAYMENT_NOTHING
from kiungo.domains.payor.mapping import terms
from kiungo.domains.payor.store import claims, members, payments
from kiungo.domains.payor.store.claims import ClaimRow
from kiungo.domains.payor.store.payments import Payment
from kiungo.fhir.prepare import prepare
from kiungo.kernel import audit, json, ledger
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Unit

CLAIMS_A_RUN_MAX = 500


@dataclass(frozen=True, slots=True)
class Run:
    """What a payment run paid. Shapes: `remaining` is true when approved claims are still unpaid."""

    run_id: str
    payments: tuple[Payment, ...]
    remaining: bool


def pay(
    payor: voiding.Desk,
    unit: Unit,
    call: Call,
    *,
    payment_date: date | None = None,
    method: str | None = None,
    provider_id: str | None = None,
    claims_max: int = CLAIMS_A_RUN_MAX,
) -> Run:
    """Pay approved claims, oldest decision first.

    Shapes: `method` None pays each claim as its plan says. Raises: Conflict PAYMENT_NOTHING.
    """
    access.refuse_bound(call)
    tenant = call.tenant
    candidates = claims.unpaid(unit, tenant, provider_id=provider_id, limit=claims_max + 1)
    rows = _held(unit, tenant, candidates[:claims_max])
    if not rows:
        raise Conflict(
            PAYMENT_NOTHING,
            "No approved claim is waiting for payment",
            hint="Run again after claims were approved",
        )
    day = (payment_date or date_of(unit.now_us)).isoformat()
    run_id = f"RUN-{uuid7(payor.clock)}"
    plans = payor.openings.snapshot(unit, tenant).plans
    groups: defaultdict[tuple[str, str, str], list[ClaimRow]] = defaultdict(list)
    for row in rows:
        groups[row.provider_id, row.currency, method or plans[row.plan_id].plan.payment_method].append(row)
    made = tuple(
        _pay_group(payor, unit, call, group, key=key, run_id=run_id, number=number, day=day)
        for number, (key, group) in enumerate(sorted(groups.items()), 1)
    )
    audit.record(unit, call, "pay", kind="payment_run", id=run_id)
    return Run(run_id, made, len(candidates) > claims_max)


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
    key: tuple[str, str, str],
    run_id: str,
    number: int,
    day: str,
) -> Payment:
    provider_id, currency, method = key
    tenant = call.tenant
    total = Money(sum(row.paid_minor for row in group), currency)
    payment = Payment(
        payment_id=f"PAY-{run_id[4:]}-{number}",
        run_id=run_id,
        provider_id=provider_id,
        currency=currency,
        amount_minor=total.minor,
        claims=len(group),
        method=method,
        reference=f"{run_id[-12:].upper()}-{number}",
        payment_date=day,
        created_us=unit.now_us,
    )
    payments.insert(unit, tenant, payment)
    _book(unit, tenant, payment, total)
    for row in group:
        _mark(payor, unit, call, row, payment)
    return payment


def _book(unit: Unit, tenant: int, payment: Payment, total: Money) -> None:
    """What the claims cost becomes owed to the provider, and what is owed is paid."""
    payable = accounts.open_payable(unit, tenant, payment.provider_id, payment.currency)
    expense = accounts.open_expense(unit, tenant, payment.currency)
    cash = accounts.open_cash(unit, tenant, payment.currency)
    ledger.post(
        unit,
        tenant,
        key=f"payment:{payment.payment_id}",
        kind="claims.paid",
        postings=[
            ledger.Posting(debit=expense, credit=payable, amount=total),
            ledger.Posting(debit=payable, credit=cash, amount=total),
        ],
        effective=date.fromisoformat(payment.payment_date),
        memo=payment.payment_id,
    )


def _mark(payor: voiding.Desk, unit: Unit, call: Call, row: ClaimRow, payment: Payment) -> None:
    amount = Money(row.paid_minor, row.currency)
    tree = json.loads(payor.repository.read(unit, call, "ExplanationOfBenefit", row.benefit_fhir).body)
    tree["payment"] = {
        "date": payment.payment_date,
        "amount": terms.money(amount),
        "identifier": terms.identifier("urn:kiungo:payor:payment", payment.payment_id),
    }
    payor.repository.update(unit, call, prepare(tree, id=row.benefit_fhir))
    changed = replace(row, payment_id=payment.payment_id, version=row.version + 1)
    changed = voiding.store_view(payor, unit, call, changed)
    audit.record(unit, call, "pay", kind="claim", id=row.claim_id, person=row.patient_fhir)
    payload = events.payment_processed(json.loads(changed.wire), at_us=unit.now_us, paid=_told(amount, payment))
    payor.outbox.publish(unit, tenant=call.tenant, topic="claim.paid", aggregate=row.claim_id, payload=payload)


def _told(amount: Money, payment: Payment) -> Mapping[str, Any]:
    return {
        "paid_amount": amount,
        "payment_date": payment.payment_date,
        "payment_method": payment.method,
        "payment_reference": payment.reference,
        "payment_id": payment.payment_id,
    }
