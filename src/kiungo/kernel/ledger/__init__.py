"""Accounts, journals and postings: who owes whom, to the cent, for ever.

A posting moves an amount from a credit account to a debit account, so debits equal credits by construction.
Nothing is changed once written: a hold is posted or voided by a journal that names it, a mistake is reversed
by another. Every function works inside its caller's unit of work, together with whatever it belongs to.

    open_account(unit, 1, "payer:receivable", "KES", "none")
    post(unit, 1, key="claim:CLM-1", kind="claim.approved", effective=day, memo="CLM-1",
         postings=[Posting(debit="payer:receivable", credit="provider:PROV-001", amount=Money(100_000, "KES"))])

A key is kept for ever: the same key with the same body returns the first journal and writes nothing, with
another body it is a Conflict.
"""

from kiungo.kernel.ledger.model import Account, Balance, Journal, Posting, Rule
from kiungo.kernel.ledger.movements import (
    hold,
    lock_accounts,
    open_account,
    open_accounts,
    post,
    post_hold,
    reverse,
    void_hold,
)
from kiungo.kernel.ledger.reports import (
    Discrepancy,
    Statement,
    StatementLine,
    TrialBalanceLine,
    balance,
    find_journal,
    journals_about,
    statement,
    trial_balance,
    verify,
)

__all__ = [
    "Account",
    "Balance",
    "Discrepancy",
    "Journal",
    "Posting",
    "Rule",
    "Statement",
    "StatementLine",
    "TrialBalanceLine",
    "balance",
    "find_journal",
    "hold",
    "journals_about",
    "lock_accounts",
    "open_account",
    "open_accounts",
    "post",
    "post_hold",
    "reverse",
    "statement",
    "trial_balance",
    "verify",
    "void_hold",
]
