"""Settlements, payments, payees, statement lines and messages as the administrators' API shows them."""

from collections.abc import Sequence
from typing import Any

from kiungo.base.money import Money
from kiungo.base.time import iso_millis
from kiungo.domains.vems.notifications.service import Notification
from kiungo.domains.vems.reconciliation.matching import Suggestion
from kiungo.domains.vems.reconciliation.proof import BalanceProof
from kiungo.domains.vems.settlement.listing import Clawback
from kiungo.domains.vems.settlement.model import Leg, Payee, PayeeDetails, Preference, SettlementRow
from kiungo.kernel.ledger import Journal
from kiungo.ports.payment import Destination, StatementLine

Body = dict[str, Any]
SHOWN_DIGITS = 4


def settlement(row: SettlementRow, created_us: int, updated_us: int) -> Body:
    """A settlement with its shares."""

    def money(minor: int) -> Money:
        return Money(minor, row.currency)

    return {
        "settlementNo": row.booking_no,
        "bookingNo": booking_of(row.booking_no),
        "claimID": row.claim_ref,
        "payer": row.payer,
        "paymentMode": row.mode,
        "paysOn": row.pays_on,
        "settlementStatus": row.state,
        "reason": row.reason,
        "currency": row.currency,
        "totalAmount": money(row.total_minor),
        "approvedAmount": money(row.approved_minor),
        "remittedAmount": money(row.remitted_minor),
        "version": row.version,
        "shares": [
            {
                "payee": share.payee_id,
                "role": share.role,
                "contractAmount": money(share.contract_minor),
                "owedAmount": money(share.accrued_minor),
                "committedAmount": money(share.committed_minor),
            }
            for share in row.shares
        ],
        "createdAt": iso_millis(created_us),
        "updatedAt": iso_millis(updated_us),
    }


def leg(found: Leg) -> Body:
    """One payment; of the account it goes to only the end is shown."""
    return {
        "reference": found.reference,
        "settlementNo": found.booking_no,
        "bookingNo": booking_of(found.booking_no),
        "payee": found.payee_id,
        "payeeName": found.payee_name,
        "legStatus": found.state,
        "reason": found.reason,
        "cause": found.cause,
        "dueAmount": found.due,
        "amount": found.amount,
        "rail": found.rail or None,
        "destination": masked(found.destination) if found.destination.number else None,
        "receipt": found.receipt or None,
        "attempt": found.attempt,
        "railIds": dict(found.rail_ids),
        "proposedOutcome": found.proposed_outcome,
        "proposedBy": found.proposed_by,
        "submittedAt": moment(found.submitted_us),
        "updatedAt": iso_millis(found.updated_us),
    }


def journal(found: Journal) -> Body:
    """One journal of the ledger with its postings."""
    return {
        "journal": found.id,
        "kind": found.kind,
        "phase": found.phase,
        "postedAt": iso_millis(found.posted_us),
        "postings": [{"debit": p.debit, "credit": p.credit, "amount": p.amount} for p in found.postings],
    }


def clawback(found: Clawback) -> Body:
    """What a payee owes us back."""
    return {
        "settlementNo": found.number,
        "payee": found.payee_id,
        "amount": found.amount,
        "recoveredAmount": found.recovered,
        "openAmount": found.amount - found.recovered,
        "reason": found.reason,
        "createdAt": iso_millis(found.created_us),
    }


def payee(found: Payee) -> Body:
    """Who is paid, and how they are told."""
    return {
        "payee": found.payee_id,
        "name": found.name,
        "language": found.language,
        "phone": found.phone,
        "email": found.email,
    }


def details(found: PayeeDetails) -> Body:
    """A version of payment details, in full: who approves them has to read them."""
    return {
        "version": found.version,
        "detailsStatus": found.state,
        "preferences": [preference(one) for one in found.preferences],
        "proposedBy": found.proposed_by,
        "proposedAt": iso_millis(found.proposed_us),
        "decidedBy": found.decided_by,
        "usableFrom": moment(found.usable_from_us),
    }


def preference(found: Preference) -> Body:
    """One destination on one rail."""
    to = found.destination
    shown = {"rail": found.rail, "kind": to.kind, "number": to.number}
    return shown | ({"bankCode": to.bank_code, "branchCode": to.branch_code} if to.kind == "bank_account" else {})


def masked(to: Destination) -> Body:
    """A destination for those who need to recognize it, not to use it."""
    return {"kind": to.kind, "number": "*" * max(len(to.number) - SHOWN_DIGITS, 0) + to.number[-SHOWN_DIGITS:]}


def line(found: StatementLine, suggested: Sequence[Suggestion]) -> Body:
    """A statement line nobody placed yet, with the payments it might be."""
    return {
        "lineId": found.line_id,
        "bookedOn": found.booked_on.isoformat(),
        "amount": found.amount,
        "party": found.party,
        "text": found.text,
        "references": list(found.references),
        "suggestions": [{"reference": s.reference, "score": s.score, "why": s.why} for s in suggested],
    }


def proof(found: BalanceProof) -> Body:
    """Both balances and every reason for their difference."""
    return {
        "rail": found.rail,
        "currency": found.books.currency,
        "books": found.books,
        "statement": found.statement,
        "items": [{"what": item.what, "reference": item.reference, "amount": item.amount} for item in found.items],
        "unexplained": found.unexplained,
        "isProven": found.unexplained.minor == 0,
    }


def notification(found: Notification) -> Body:
    """One message and how its delivery stands."""
    return {
        "notificationId": found.notification_id,
        "about": found.about,
        "recipient": found.recipient,
        "channel": found.channel,
        "address": found.address,
        "template": found.template,
        "language": found.language,
        "subject": found.subject,
        "text": found.body,
        "deliveryStatus": found.state,
        "reason": found.reason or None,
        "attempts": found.attempt,
        "readAt": moment(found.read_us),
        "createdAt": iso_millis(found.created_us),
    }


def booking_of(number: str) -> str:
    """The booking a settlement belongs to: its number up to the slash of its part."""
    return number.partition("/")[0]


def moment(at_us: int | None) -> str | None:
    """A moment, or nothing."""
    return None if at_us is None else iso_millis(at_us)
