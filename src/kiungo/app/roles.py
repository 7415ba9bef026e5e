"""Every role of the platform: importing this module makes all of them known, wherever keys are made or listed."""

from kiungo.domains.payor import roles as payor
from kiungo.domains.vems import roles as vems
from kiungo.kernel.auth import roles as kernel
from kiungo.kernel.auth.roles import define_role

__all__ = ["ACCOUNTANT", "READ_LEDGER", "kernel", "payor", "vems"]

READ_LEDGER = "read:ledger"
ACCOUNTANT = define_role("accountant", (READ_LEDGER,), "Reads the ledger: balances, statements, proofs.")
