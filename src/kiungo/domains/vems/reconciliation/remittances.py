"""A statement line that is a booking's money: what a facility, a patient or a payer sent us for it.

| money came for                    | a person says which booking a line is for       | the line then is       |
| --------------------------------- | ----------------------------------------------- | ---------------------- |
| cash, mpesa, capitated services   | nobody told us before: it is booked now         | the remittance         |
| sha, other_insurances             | the payer said it paid: it was booked then      | what the payer meant   |
"""

from kiungo.base.errors import Incorrect
from kiungo.base.money import Money
from kiungo.domains.vems.reconciliation.service import open_line, use_line
from kiungo.domains.vems.settlement import store
from kiungo.domains.vems.settlement.errors import STATEMENT_WRONG
from kiungo.domains.vems.settlement.model import SettlementRow
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel import audit
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.database import Unit


def remit_line(
    settlements: Settlements, unit: Unit, call: Call, rail: str, line_id: str, settlement_no: str
) -> SettlementRow:
    """Say that a line is the money of a settlement; what waited for it is paid out. A line counts once.

    Raises: NotFound STATEMENT_LINE_NOT_FOUND, SETTLEMENT_NOT_FOUND; Conflict STATEMENT_LINE_USED;
    Incorrect STATEMENT_WRONG for money that left.
    """
    line = open_line(unit, call.tenant, rail, line_id)
    row = store.get_settlement(unit, call.tenant, settlement_no)
    if line.amount.minor <= 0:
        raise Incorrect(
            STATEMENT_WRONG,
            f"Line {line_id} is {line.amount}: money that left is nobody's remittance",
            field="lineId",
            hint="Name a line of money that came in",
        )
    known = _told_before(unit, call.tenant, rail, settlement_no, line.amount)
    if known is None:
        key = f"{settlement_no}/{rail}/{line_id}"
        row = settlements.remit(unit, call.tenant, settlement_no, rail=rail, amount=line.amount, key=key)
        known = f"remit/{key}"
    use_line(unit, call.tenant, rail, line_id, "funding", known, who=call.principal.id)
    store.step(
        unit, call.tenant, settlement_no, "remittance_line", who=call.principal.id, detail=f"line {line_id} at {rail}"
    )
    audit.record(unit, call, "remit", kind="BankLine", id=line_id, detail=settlement_no[:64])
    return row


def _told_before(unit: Unit, tenant: int, rail: str, settlement_no: str, amount: Money) -> str | None:
    """The key of money booked when the payer said it paid, of this sum and on no statement yet."""
    first, beyond = f"remit/{settlement_no}/", f"remit/{settlement_no}0"  # "0" is what follows "/"
    found = unit.rows(
        "SELECT f.key FROM settlement_funding AS f WHERE f.tn = ? AND f.rail = ? AND f.currency = ?"
        " AND f.amount_minor = ? AND f.key >= ? AND f.key < ? AND NOT EXISTS (SELECT 1 FROM bank_line AS b"
        " WHERE b.tn = f.tn AND b.used_as = 'funding' AND b.used_for = f.key) ORDER BY f.key",
        (tenant, rail, amount.currency, amount.minor, first, beyond),
    )
    # A part of the same booking has a number that begins like this one's; its keys go on with another slash.
    return next((str(key) for (key,) in found if "/" not in key.removeprefix(first)), None)
