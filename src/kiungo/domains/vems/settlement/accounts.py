"""The accounts money passes through, and the few movements between them.

| account             | what it is                                            | may not                    |
| ------------------- | ----------------------------------------------------- | -------------------------- |
| receivable:{payer}  | what a payer owes us                                  |                            |
| payable:{payee}     | what we owe a payee                                   | be overpaid                |
| cash:{rail}         | our money at the rail: the float                      | go negative                |
| owed:{payee}        | what a payee owes us back (clawback, paid twice)      | be recovered twice         |
| fee:revenue         | our fee                                               |                            |
| funding             | own money put in                                      |                            |
| suspense            | money received that nobody expects                    |                            |

decision    receivable -> payable, fee          leg     payable -> cash (held, then posted)
remittance  cash -> receivable (excess: suspense)   return  cash -> payable        set-off  payable -> owed
a higher approval   suspense -> receivable
"""

from kiungo.base.errors import NotFound
from kiungo.base.money import Money
from kiungo.domains.vems.model import contract_date
from kiungo.kernel import ledger
from kiungo.kernel.database import Unit
from kiungo.kernel.ledger import Journal, Posting, Rule
from kiungo.kernel.ledger.model import LEDGER_ACCOUNT_NOT_FOUND

FEE = "fee:revenue"
FUNDING = "funding"
SUSPENSE = "suspense"
REMITTANCE = "settlement.remittance"
DRAWN = "settlement.suspense_drawn"


def receivable(payer: str) -> str:
    """The account of what a payer owes us."""
    return f"receivable:{payer}"


def payable(payee_id: str) -> str:
    """The account of what we owe a payee."""
    return f"payable:{payee_id}"


def cash(rail: str) -> str:
    """The account of our money at a rail."""
    return f"cash:{rail}"


def owed(payee_id: str) -> str:
    """The account of what a payee owes us back."""
    return f"owed:{payee_id}"


def float_of(unit: Unit, tenant: int, rail: str, currency: str) -> Money:
    """What can be paid from a rail now: our money there, less what is held."""
    try:
        return ledger.balance(unit, tenant, cash(rail), currency).available()
    except NotFound as missing:
        if missing.code != LEDGER_ACCOUNT_NOT_FOUND:
            raise
        return Money.zero(currency)


def suspense_of(unit: Unit, tenant: int, booking_no: str, currency: str) -> int:
    """What was received for a booking beyond its approval, and not drawn since. Units: minor."""
    # By kind too: the memo of a statement line that a person explained is free text.
    found = unit.value(
        "SELECT COALESCE(SUM(CASE WHEN p.credit = ? THEN p.amount_minor ELSE -p.amount_minor END), 0)"
        " FROM ledger_journal AS j JOIN ledger_posting AS p ON p.tn = j.tn AND p.journal = j.id"
        " WHERE j.tn = ? AND j.memo = ? AND j.memo <> '' AND j.kind IN (?, ?) AND p.currency = ?"
        " AND (p.debit = ? OR p.credit = ?)",
        (SUSPENSE, tenant, booking_no, REMITTANCE, DRAWN, currency, SUSPENSE, SUSPENSE),
    )
    return int(found)


def rule_of(account: str) -> Rule:
    """The rule an account is opened with."""
    kind = account.partition(":")[0]
    if kind == "payable":
        return "dr_le_cr"
    return "cr_le_dr" if kind in ("cash", "owed") else "none"


def open_for(unit: Unit, tenant: int, currency: str, *accounts: str) -> None:
    """Open the accounts that are not open yet."""
    ledger.open_accounts(unit, tenant, currency, {account: rule_of(account) for account in accounts})


def move(
    unit: Unit, tenant: int, *, key: str, kind: str, memo: str, moves: list[tuple[str, str, Money]]
) -> Journal | None:
    """Post (debit, credit, amount) moves, those of nothing left out; None when nothing moves."""
    postings = [Posting(debit, credit, amount) for debit, credit, amount in moves if amount.minor > 0]
    if not postings:
        return None
    accounts = {account for posting in postings for account in (posting.debit, posting.credit)}
    open_for(unit, tenant, postings[0].amount.currency, *accounts)
    today = contract_date(unit.now_us)
    return ledger.post(unit, tenant, key=key, kind=kind, postings=postings, effective=today, memo=memo)
