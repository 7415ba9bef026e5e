"""A statement line that is a booking's money: what a facility, a patient or a payer sent us for it.

| money came for                    | a person says which booking a line is for       | the line then is       |
| --------------------------------- | ----------------------------------------------- | ---------------------- |
| cash, mpesa, capitated services   | nobody told us before: it is booked now         | the remittance         |
| sha, other_insurances             | the payer said it paid: it was booked then      | what the payer meant   |

A bank may cut what a payer told of otherwise, into two lines or with other money: a line first shows what was told and
no statement has shown, and only what is beyond that is new.
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
    told = _told_before(unit, call.tenant, rail, settlement_no, line.amount.currency)
    known = next((key for key, minor in told if minor == line.amount.minor), None)
    if known is None:
        key = f"{settlement_no}/{rail}/{line_id}"
        new = line.amount - _show(unit, call.tenant, told, line.amount)
        if new.minor:
            row = settlements.remit(unit, call.tenant, settlement_no, rail=rail, amount=new, key=key)
        known = f"remit/{key}"
    use_line(unit, call.tenant, rail, line_id, "funding", known, who=call.principal.id)
    store.step(
        unit, call.tenant, settlement_no, "remittance_line", who=call.principal.id, detail=f"line {line_id} at {rail}"
    )
    audit.record(unit, call, "remit", kind="BankLine", id=line_id, detail=settlement_no[:64])
    return row


def _told_before(unit: Unit, tenant: int, rail: str, settlement_no: str, currency: str) -> list[tuple[str, int]]:
    """What was booked when the payer said it paid, and is on no statement yet: key and rest of each. Units: minor."""
    first, beyond = f"remit/{settlement_no}/", f"remit/{settlement_no}0"  # "0" is what follows "/"
    found = unit.rows(
        "SELECT f.key, f.amount_minor - f.seen_minor FROM settlement_funding AS f WHERE f.tn = ? AND f.rail = ?"
        " AND f.currency = ? AND f.key >= ? AND f.key < ? AND f.seen_minor < f.amount_minor AND NOT EXISTS"
        " (SELECT 1 FROM bank_line AS b WHERE b.tn = f.tn AND b.used_as = 'funding' AND b.used_for = f.key)"
        " ORDER BY f.at_us, f.key",
        (tenant, rail, currency, first, beyond),
    )
    # A part of the same booking has a number that begins like this one's; its keys go on with another slash.
    return [(str(key), int(rest)) for key, rest in found if "/" not in key.removeprefix(first)]


def _show(unit: Unit, tenant: int, told: list[tuple[str, int]], amount: Money) -> Money:
    """Let a line show what was told, oldest first; returns how much of the line that was."""
    left = amount.minor
    for key, rest in told:
        part = min(left, rest)
        left -= part
        unit.execute(
            "UPDATE settlement_funding SET seen_minor = seen_minor + ? WHERE tn = ? AND key = ?", (part, tenant, key)
        )
    return Money(amount.minor - left, amount.currency)
