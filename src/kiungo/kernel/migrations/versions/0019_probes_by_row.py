"""What a record has of a text, number or date is one seek by its row id, so that a page can end early."""

from kiungo.kernel.migrations.ddl import engine, run

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Row ids only grow, so a new record's rows go to the end of each index."""
    run(*(f"CREATE INDEX fhir_{name}_row ON fhir_{name} (rid, k)" for name in ("string", "number", "date")))
    if engine() == "postgresql":
        # On SQLite every index ends with the row id. Without it, resources without a date are all sorted for a page.
        run(
            "DROP INDEX fhir_resource_sorted",
            "CREATE INDEX fhir_resource_sorted ON fhir_resource (tn, type, sort_ms, rid) WHERE deleted = 0",
        )
