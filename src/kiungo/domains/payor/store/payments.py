"""Payment runs, and their payments: one for each provider, currency, method and day."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from kiungo.base.money import Money
from kiungo.kernel.database import Unit


@dataclass(frozen=True, slots=True)
class Payment:
    """What was paid to a provider in a run, and by which means."""

    payment_id: str
    run_id: str
    provider_id: str
    currency: str
    amount_minor: int
    claims: int
    method: str
    reference: str
    payment_date: str
    created_us: int
    recovered_minor: int = 0

    @property
    def amount(self) -> Money:
        """The money sent: what the claims come to, less what was kept back."""
        return Money(self.amount_minor, self.currency)

    @property
    def recovered(self) -> Money:
        """What was kept back because the provider owed it."""
        return Money(self.recovered_minor, self.currency)

    def shown(self) -> Mapping[str, str]:
        """What a claim says about its payment."""
        return {
            "payment_id": self.payment_id,
            "payment_date": self.payment_date,
            "payment_method": self.method,
            "payment_reference": self.reference,
        }


_COLUMNS = ", ".join(field.name for field in fields(Payment))


def begin_run(unit: Unit, tenant: int, run_id: str, asked: str) -> str:
    """Write that a run begins; returns what was asked of it when it began, now or before."""
    unit.execute(
        "INSERT INTO payor_run (tn, run_id, asked, created_us) VALUES (?, ?, ?, ?) ON CONFLICT (tn, run_id) DO NOTHING",
        (tenant, run_id, asked, unit.now_us),
    )
    before: str = unit.value("SELECT asked FROM payor_run WHERE tn = ? AND run_id = ?", (tenant, run_id))
    return before


def insert(unit: Unit, tenant: int, payment: Payment) -> None:
    """Write a payment."""
    values = tuple(getattr(payment, field.name) for field in fields(Payment))
    unit.execute(f"INSERT INTO payor_payment (tn, {_COLUMNS}) VALUES (?{', ?' * len(values)})", (tenant, *values))


def find(unit: Unit, tenant: int, payment_id: str) -> Payment | None:
    """One payment."""
    row = unit.row(f"SELECT {_COLUMNS} FROM payor_payment WHERE tn = ? AND payment_id = ?", (tenant, payment_id))
    return Payment(*row) if row else None


def of_run(unit: Unit, tenant: int, run_id: str) -> list[Payment]:
    """The payments of a run by provider."""
    rows = unit.rows(
        f"SELECT {_COLUMNS} FROM payor_payment WHERE tn = ? AND run_id = ? ORDER BY provider_id, currency, payment_id",
        (tenant, run_id),
    )
    return [Payment(*row) for row in rows]
