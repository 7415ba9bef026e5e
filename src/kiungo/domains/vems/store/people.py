"""Which patient record a client registry number leads to, and when the registry was last asked."""

from kiungo.kernel.database import Unit


def find(unit: Unit, tenant: int, cr_number: str) -> tuple[str, int] | None:
    """The Patient's id and when it was checked."""
    row = unit.row("SELECT fhir_id, checked_us FROM vems_patient WHERE tn = ? AND cr_number = ?", (tenant, cr_number))
    return (row[0], row[1]) if row else None


def put(unit: Unit, tenant: int, cr_number: str, fhir_id: str) -> None:
    """Remember a checked patient."""
    unit.execute(
        "INSERT INTO vems_patient (tn, cr_number, fhir_id, checked_us) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (tn, cr_number) DO UPDATE SET fhir_id = excluded.fhir_id, checked_us = excluded.checked_us",
        (tenant, cr_number, fhir_id, unit.now_us),
    )
