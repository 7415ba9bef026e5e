"""Words of new resources wait in one row for each until they are sorted into the index together."""

from kiungo.kernel.migrations.ddl import run

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Words that are in the index already stay there."""
    run("CREATE TABLE fhir_fresh_words (rid {INTEGER_KEY}, words TEXT NOT NULL)")
