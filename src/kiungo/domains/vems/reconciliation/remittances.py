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
from kiungo.domains.vems.settlement import excess, funding, store
from kiungo.domains.vems.settlement.errors import STATEMENT_WRONG
from kiungo.domains.vems.settlement.model import SettlementRow
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.domains.vems.settlement.told import give_back
from kiungo.kernel import audit
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.database import Unit
from kiungo.ports.payment import StatementLine


def remit_line(
    settlements: Settlements, unit: Unit, call: Call, rail: str, line_id: str, settlement_no: str
) -> SettlementRow:
    """Say that a line is the money of a settlement; what waited for it is paid out. A line counts once.

    Raises: NotFound STATEMENT_LINE_NOT_FOUND, SETTLEMENT_NOT_FOUND; Conflict STATEMENT_LINE_USED,
    LEDGER_BALANCE_TOO_LOW; Incorrect STATEMENT_WRONG when more left than had arrived.
    """
    line = open_line(unit, call.tenant, rail, line_id)
    row = store.get_settlement(unit, call.tenant, settlement_no)
    key = f"{settlement_no}/{rail}/{line_id}"
    if line.amount.minor < 0:
        known = _taken_back(settlements, unit, call.tenant, rail, line, row)
    else:
        told = funding.unseen(unit, call.tenant, rail, settlement_no, line.amount.currency)
        known = next((key for key, minor in told if minor == line.amount.minor), f"remit/{key}")
        if known == f"remit/{key}":
            shown = funding.mark_seen(unit, call.tenant, told, line.amount.minor)
            new = line.amount - Money(shown, line.amount.currency)
            if new.minor:
                settlements.remit(unit, call.tenant, settlement_no, rail=rail, amount=new, key=key)
    use_line(unit, call.tenant, rail, line_id, "funding", known, who=call.principal.id)
    store.step(
        unit, call.tenant, settlement_no, "remittance_line", who=call.principal.id, detail=f"line {line_id} at {rail}"
    )
    audit.record(unit, call, "remit", kind="BankLine", id=line_id, detail=settlement_no[:64])
    return store.get_settlement(unit, call.tenant, settlement_no)


def _taken_back(
    settlements: Settlements, unit: Unit, tenant: int, rail: str, line: StatementLine, row: SettlementRow
) -> str:
    """A payer took money of a settlement back from our account: the payer owes it again."""
    settlements.take(unit, tenant, [row])
    row = store.get_settlement(unit, tenant, row.booking_no)
    if -line.amount.minor > row.remitted_minor + excess.spare(unit, tenant, row):
        raise Incorrect(
            STATEMENT_WRONG,
            f"Line {line.line_id} is {line.amount}: more than arrived for {row.booking_no} cannot be taken back",
            field="lineId",
            hint="Name a line of money that came in, or that the payer of this booking took back",
        )
    key = f"takeback/{row.booking_no}/{rail}/{line.line_id}"
    give_back(unit, tenant, row, -line.amount, rail=rail, key=key)
    return key
