"""The port's values as the authority's FHIR, and back. Pure; an outcome that is not a decision is pending.

Source: draft Kenya eClaims guide 0.1.0 (R4): Bundle with Organization, Coverage, Patient, Claim; ClaimResponse says
what was approved, PaymentNotice that money was sent.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from kiungo.base.errors import KiungoError
from kiungo.base.money import Money
from kiungo.connectors.sha.profile import Profile
from kiungo.fhir.indexing.values import TIME_MIN, date_span
from kiungo.ports.payer import ApprovedService, Claim, ClaimStatus, Query, Report

Resource = dict[str, Any]
# One claim of a booking has one bundle and one claim id for ever, so that a repeat is the same claim.
NAMES = uuid.UUID("5f6b1c1e-8f0a-5d1f-9c55-6b0d6f3c7a11")
DECIDED = ("complete", "partial")
PAID = ("paid", "cleared")


def bundle(claim: Claim, profile: Profile) -> Resource:
    """The bundle of a claim."""
    facility, patient = f"Organization/{claim.facility}", f"Patient/{claim.patient}"
    coverage, claim_id = f"Coverage/{claim.patient}-sha", claim_id_of(claim.booking_no)
    entries: Iterable[tuple[str, Resource]] = (
        (facility, _organization(claim, profile)),
        (coverage, _coverage(claim, patient)),
        (patient, _patient(claim, profile)),
        (f"Claim/{claim_id}", _claim(claim, profile, claim_id, facility=facility, patient=patient, coverage=coverage)),
    )
    return {
        "resourceType": "Bundle",
        "id": str(uuid.uuid5(NAMES, f"bundle:{claim.booking_no}")),
        "type": profile.bundle_type,
        "entry": [{"fullUrl": url, "resource": resource} for url, resource in entries],
    }


def claim_id_of(booking_no: str) -> str:
    """The id under which we hand in a booking's claim."""
    return str(uuid.uuid5(NAMES, f"claim:{booking_no}"))


def responses(found: Mapping[str, Any], profile: Profile, queries: Iterable[Query]) -> dict[str, Report]:
    """Reports by booking number: of several responses to the claim that is followed, the newest counts.

    A booking may have a second claim, which somebody else handed in. Its refusal says nothing of ours; its approval
    counts where ours is not approved.
    """
    by_booking: dict[str, list[Mapping[str, Any]]] = {}
    for resource in _resources(found, "ClaimResponse"):
        booking_no = _identified(_request(resource), profile.booking_system)
        if booking_no is not None:
            by_booking.setdefault(booking_no, []).append(resource)
    reports = {}
    for query in queries:
        given = sorted(by_booking.get(query.booking_no, ()), key=lambda one: _moment(one.get("created")))
        report = _of_followed([(_answered(one), _report(one, query.booking_no)) for one in given], query)
        if report is not None:
            reports[query.booking_no] = report
    return reports


def _of_followed(given: Sequence[tuple[str | None, Report]], query: Query) -> Report | None:
    """What is said of the claim we follow. Shapes: `given` is oldest first, each with the claim it answers."""
    handed_in = claim_id_of(query.booking_no)
    named = {answered for answered, report in given if query.reference in (answered, report.reference)}
    followed = {None, *named}
    if not named or query.reference is None:
        followed.add(handed_in)
    ours = [report for answered, report in given if answered in followed]
    others = [report for answered, report in given if answered not in followed]
    newest = ours[-1] if ours else None
    if newest is None or newest.status != "approved":
        newest = next((report for report in reversed(others) if report.status == "approved"), newest)
    if newest is None and others and query.reference != handed_in:
        return others[-1]
    return newest


def _answered(resource: Mapping[str, Any]) -> str | None:
    """The id of the claim that a response answers, where it is named."""
    reference = _request(resource).get("reference")
    return str(reference).partition("/_history/")[0].rpartition("/")[2] if reference else None


def with_payments(reports: Mapping[str, Report], found: Mapping[str, Any], profile: Profile) -> dict[str, Report]:
    """The reports with what was paid: the sum of a claim's payments, on the day of the last notice.

    A payment that is told as paid and then as cleared has two notices, and counts once.
    """
    paid = dict(reports)
    counted: set[tuple[str, str]] = set()
    for resource in _resources(found, "PaymentNotice"):
        booking_no = _identified(_request(resource), profile.booking_system)
        status = resource.get("paymentStatus", {}).get("coding", [{}])[0].get("code")
        amount = _money(resource.get("amount"))
        if booking_no not in paid or status not in PAID or amount is None or resource.get("status") != "active":
            continue
        before = paid[booking_no]
        payment = (booking_no, _payment(resource))
        is_new = payment not in counted
        counted.add(payment)
        together = before.paid if not is_new else amount if before.paid is None else before.paid + amount
        day = max(str(resource.get("paymentDate", ""))[:10], before.payment_date or "")
        paid[booking_no] = replace(before, paid=together, payment_date=day or None)
    return paid


def _moment(value: Any) -> int:
    """When something was created, whatever its offset; what is no date is older than everything. Units: ms."""
    try:
        return date_span(str(value))[0]
    except (ValueError, OverflowError):
        return TIME_MIN


def _payment(notice: Mapping[str, Any]) -> str:
    """What tells one payment from another: the payment a notice names, else the notice itself."""
    payment = notice.get("payment")
    payment = payment if isinstance(payment, dict) else {}
    identifier = payment.get("identifier")
    named = identifier.get("value") if isinstance(identifier, dict) else None
    return str(named or payment.get("reference") or f"notice {notice.get('id')}")


def _organization(claim: Claim, profile: Profile) -> Resource:
    return {
        "resourceType": "Organization",
        "id": claim.facility,
        "identifier": [{"system": profile.facility_system, "value": claim.facility}],
        "name": claim.facility_name,
    }


def _coverage(claim: Claim, patient: str) -> Resource:
    return {
        "resourceType": "Coverage",
        "id": f"{claim.patient}-sha",
        "status": "active",
        "beneficiary": {"reference": patient},
        "payor": [{"display": "Social Health Authority"}],
    }


def _patient(claim: Claim, profile: Profile) -> Resource:
    resource: Resource = {
        "resourceType": "Patient",
        "id": claim.patient,
        "identifier": [{"system": profile.patient_system, "value": claim.patient}],
        "name": [{"text": claim.patient_name}],
    }
    if claim.gender:
        resource["gender"] = claim.gender
    if claim.birth_date:
        resource["birthDate"] = claim.birth_date
    return resource


def _claim(claim: Claim, profile: Profile, claim_id: str, *, facility: str, patient: str, coverage: str) -> Resource:
    days = sorted(service.day for service in claim.services)
    return {
        "resourceType": "Claim",
        "id": claim_id,
        "identifier": [
            {"system": profile.claim_system, "value": claim.claim_id},
            {"system": profile.booking_system, "value": claim.booking_no},
        ],
        "status": "active",
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/claim-type", "code": "institutional"}]},
        "use": "claim",
        "patient": {"reference": patient},
        "billablePeriod": {"start": days[0], "end": days[-1]},
        "created": days[-1],
        "provider": {"reference": facility},
        "priority": {"coding": [{"code": "normal"}]},
        "diagnosis": [
            {
                "sequence": 1,
                "diagnosisCodeableConcept": {"coding": [{"system": profile.diagnosis_system, "code": claim.diagnosis}]},
            }
        ],
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"reference": coverage}}],
        "item": [
            {
                "sequence": service.number,
                "productOrService": {
                    "coding": [{"system": profile.intervention_system, "code": service.code, "display": service.name}]
                },
                "servicedDate": service.day,
                "net": _fhir_money(service.amount),
            }
            for service in claim.services
        ],
        "total": _fhir_money(claim.total),
    }


def _report(resource: Mapping[str, Any], booking_no: str) -> Report:
    outcome = str(resource.get("outcome", ""))
    approved = _benefit(resource.get("total"))
    items = resource.get("item")
    parts = [
        ApprovedService("", part, number=item.get("itemSequence"))
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, dict) and (part := _benefit(item.get("adjudication"))) is not None
    ]
    status: ClaimStatus = "pending"
    if outcome in DECIDED and resource.get("status") == "active" and approved is not None:
        status = "approved" if approved.minor > 0 else "rejected"
    return Report(
        booking_no=booking_no,
        reference=str(resource.get("id", "")),
        status=status,
        said=outcome,
        approved=approved if status != "pending" else None,
        decided_on=str(resource.get("created", ""))[:10] or None,
        reason=str(resource["disposition"]) if resource.get("disposition") and status == "rejected" else None,
        services=tuple(parts) if status != "pending" else (),
    )


def _benefit(entries: Any) -> Money | None:
    """The amount of the category benefit."""
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict):
            continue
        codes = [coding.get("code") for coding in entry.get("category", {}).get("coding", ())]
        if "benefit" in codes:
            return _money(entry.get("amount"))
    return None


def _resources(found: Mapping[str, Any], kind: str) -> Iterable[Mapping[str, Any]]:
    entries = found.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and resource.get("resourceType") == kind:
            yield resource


def _request(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    request = resource.get("request")
    return request if isinstance(request, dict) else {}


def _identified(reference: Mapping[str, Any], system: str) -> str | None:
    """The booking number a reference to the claim carries."""
    identifier = reference.get("identifier")
    if isinstance(identifier, dict) and identifier.get("system") == system:
        return str(identifier.get("value"))
    return None


def _fhir_money(amount: Money) -> Resource:
    return {"value": amount.decimal(), "currency": amount.currency}


def _money(value: Any) -> Money | None:
    number = value.get("value") if isinstance(value, dict) else None
    if isinstance(number, bool) or not isinstance(number, str | int | Decimal):
        return None
    try:
        return Money.parse(number, str(value.get("currency", "KES")))
    except KiungoError:
        return None
