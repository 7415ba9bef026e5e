"""The payor's accounts in the ledger.

payor:expense              what claims cost us
payor:payable:PROVIDER     what we owe a provider
payor:recoverable:PROVIDER what a provider owes us back, kept back from its next payments
payor:cash                 what we pay from
"""

from kiungo.kernel import ledger
from kiungo.kernel.database import Unit


def open_expense(unit: Unit, tenant: int, currency: str) -> str:
    """The account of what claims cost."""
    return _open(unit, tenant, "payor:expense", currency)


def open_payable(unit: Unit, tenant: int, provider_id: str, currency: str) -> str:
    """The account of what we owe a provider."""
    return _open(unit, tenant, f"payor:payable:{provider_id}", currency)


def open_recoverable(unit: Unit, tenant: int, provider_id: str, currency: str) -> str:
    """The account of what a provider owes us back."""
    return _open(unit, tenant, f"payor:recoverable:{provider_id}", currency)


def open_cash(unit: Unit, tenant: int, currency: str) -> str:
    """The account we pay from."""
    return _open(unit, tenant, "payor:cash", currency)


def _open(unit: Unit, tenant: int, id: str, currency: str) -> str:
    ledger.open_account(unit, tenant, id, currency)
    return id
