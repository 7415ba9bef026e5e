"""What a person refused stays on file as such.

payor_service.refused   1 for a service on a claim that a person rejected or voided: it counts for nothing, and is
                        known when it comes again
payor_claim_provider_number   finds a provider's own number among those of all providers
"""

from kiungo.kernel.migrations.ddl import run

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Claims refused before are known by the provider's own number alone: their services were taken off the file."""
    run(
        "ALTER TABLE payor_service ADD COLUMN refused INTEGER NOT NULL DEFAULT 0",
        "DROP INDEX payor_claim_provider_number",
        "CREATE INDEX payor_claim_provider_number ON payor_claim (tn, provider_claim_id, provider_id)"
        " WHERE provider_claim_id IS NOT NULL",
    )
