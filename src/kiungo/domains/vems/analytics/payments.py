"""Every payment of a period as a row, a page at a time, however many there are."""

from collections.abc import Sequence
from typing import Final

from kiungo.base.money import Money
from kiungo.base.time import iso_millis
from kiungo.domains.vems.analytics.model import Period
from kiungo.domains.vems.analytics.tables import Row
from kiungo.domains.vems.settlement.listing import NUMBER_LENGTH
from kiungo.kernel.database import Unit

PAGE: Final = 500
Place = tuple[int, str]


def page(
    unit: Unit, tenant: int, period: Period, facility: str | None, after: Place | None
) -> tuple[Sequence[Row], Place | None]:
    """Payments made in the period, oldest first, from after one; and the last one's place while there are more."""
    conditions = "l.tn = ? AND l.created_us >= ? AND l.created_us < ?"
    values: list[object] = [tenant, period.since_us, period.before_us]
    if facility is not None:
        conditions += " AND b.facility = ?"
        values.append(facility)
    if after is not None:
        conditions += " AND (l.created_us, l.reference) > (?, ?)"
        values += after
    rows = unit.rows(
        "SELECT l.created_us, l.reference, l.booking_no, b.claim_id, b.facility, s.payer, b.mode, l.payee_id, p.name,"
        " l.currency, l.due_minor, l.amount_minor, l.state, l.reason, l.rail, l.receipt, l.submitted_us, l.updated_us"
        " FROM settlement_leg AS l JOIN settlement AS s ON s.tn = l.tn AND s.booking_no = l.booking_no"
        f" LEFT JOIN vems_booking AS b ON b.tn = l.tn AND b.booking_no = substr(l.booking_no, 1, {NUMBER_LENGTH})"
        " LEFT JOIN settlement_payee AS p ON p.tn = l.tn AND p.payee_id = l.payee_id"
        f" WHERE {conditions} ORDER BY l.created_us, l.reference LIMIT {PAGE}",
        values,
    )
    found = [_row(row) for row in rows]
    return found, (rows[-1][0], rows[-1][1]) if len(rows) == PAGE else None


def _row(row: Sequence[object]) -> Row:
    (
        created_us, reference, number, claim_id, facility, payer, mode, payee_id, name, currency, due, amount, state,
        reason, rail, receipt, submitted_us, updated_us,
    ) = row  # fmt: skip
    return {
        "reference": str(reference),
        "settlementNo": str(number),
        "claimID": _text(claim_id),
        "facility": _text(facility),
        "payer": str(payer),
        "paymentMode": _text(mode),
        "payee": str(payee_id),
        "payeeName": _text(name),
        "dueAmount": Money(int(str(due)), str(currency)),
        "amount": Money(int(str(amount)), str(currency)),
        "legStatus": str(state),
        "reason": str(reason),
        "rail": str(rail),
        "receipt": str(receipt),
        "createdAt": iso_millis(int(str(created_us))),
        "submittedAt": None if submitted_us is None else iso_millis(int(str(submitted_us))),
        "updatedAt": iso_millis(int(str(updated_us))),
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)
