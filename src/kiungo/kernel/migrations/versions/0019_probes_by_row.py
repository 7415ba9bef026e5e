"""What a record has of a text, number or date is one seek by its row id, so that a page can end early."""

from kiungo.kernel.migrations.ddl import run

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Row ids only grow, so a new record's rows go to the end of each index."""
    run(*(f"CREATE INDEX fhir_{name}_row ON fhir_{name} (rid, k)" for name in ("string", "number", "date")))
