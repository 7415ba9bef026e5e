"""What the authority says, whatever its offsets and however often it says it."""

from decimal import Decimal
from typing import Any

from kiungo.connectors.sha import mapping
from kiungo.connectors.sha.profile import PROFILES
from kiungo.ports.payer import Query, Report

PROFILE = next(iter(PROFILES.values()))


def _about(number: str) -> dict[str, Any]:
    return {"identifier": {"system": PROFILE.booking_system, "value": number}}


def _decision(name: str, created: str, benefit: str, claim: str | None = None) -> dict[str, Any]:
    total = {"category": {"coding": [{"code": "benefit"}]}, "amount": {"value": Decimal(benefit), "currency": "KES"}}
    resource = {"resourceType": "ClaimResponse", "id": name, "status": "active", "outcome": "complete"}
    about = _about("VB1") | ({"reference": f"Claim/{claim}"} if claim is not None else {})
    return {"resource": {**resource, "created": created, "request": about, "total": [total]}}


def _notice(name: str, code: str, payment: str | None) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "resourceType": "PaymentNotice",
        "id": name,
        "status": "active",
        "request": _about("VB1"),
        "paymentDate": "2026-03-05",
        "amount": {"value": Decimal("10000"), "currency": "KES"},
        "paymentStatus": {"coding": [{"code": code}]},
    }
    if payment is not None:
        resource["payment"] = {"identifier": {"value": payment}}
    return {"resource": resource}


def _decided(*entries: dict[str, Any], reference: str | None = None) -> Report:
    query = Query("VB1", "C1", reference)
    return mapping.responses({"entry": list(entries)}, PROFILE, [query])["VB1"]


def test_the_newest_decision_is_the_last_in_time_and_not_in_spelling() -> None:
    early = _decision("early", "2026-03-02T09:30:00+03:00", "0")
    late = _decision("late", "2026-03-02T07:00:00Z", "31000")
    for entries in ((early, late), (late, early)):
        assert _decided(*entries).reference == "late"
    assert _decided(late, _decision("undated", "soon", "0")).reference == "late"


OURS = mapping.claim_id_of("VB1")


def test_the_refusal_of_a_second_claim_takes_nothing_from_the_first() -> None:
    """A clerk handed the booking in again by the portal; the authority refuses that one, after it approved ours."""
    approved = _decision("a", "2026-03-02", "31000", OURS)
    refused = _decision("b", "2026-03-03", "0", "of-the-clerk")
    for reference in (None, OURS, "a"):
        assert _decided(approved, refused, reference=reference).status == "approved"
    assert _decided(refused, _decision("c", "2026-03-04", "0", f"{OURS}/_history/2"), reference="a").reference == "c"
    assert mapping.responses({"entry": [refused]}, PROFILE, [Query("VB1", "C1", OURS)]) == {}, "ours still waits"


def test_what_a_facility_handed_in_itself_is_followed() -> None:
    theirs = _decision("t", "2026-03-02", "0", "theirs")
    assert _decided(theirs).status == _decided(theirs, reference="0012/24").status == "rejected"
    appealed = _decision("t2", "2026-03-09", "20000", "theirs")
    assert _decided(theirs, appealed, reference="t").reference == "t2", "another response to the same claim"


def test_the_approval_of_a_second_claim_counts_where_the_first_is_refused() -> None:
    refused, approved = _decision("a", "2026-03-02", "0", OURS), _decision("b", "2026-03-01", "31000", "second")
    assert _decided(approved, refused, reference=OURS).reference == "b"


def test_a_payment_told_as_paid_and_as_cleared_counts_once() -> None:
    reports = {"VB1": _decided(_decision("one", "2026-03-02", "31000"))}

    def paid(*notices: dict[str, Any]) -> str:
        found = mapping.with_payments(reports, {"entry": list(notices)}, PROFILE)["VB1"].paid
        return found.text() if found is not None else ""

    assert paid(_notice("1", "paid", "P-1"), _notice("2", "cleared", "P-1")) == "10000.00"
    assert paid(_notice("1", "paid", "P-1"), _notice("2", "cleared", "P-2")) == "20000.00"
    assert paid(_notice("1", "paid", None), _notice("2", "paid", None)) == "20000.00"
