"""What a person refused stays on file as such.

payor_service.refused   1 for a service on a claim that a person rejected or voided: it counts for nothing, and is
                        known when it comes again
"""

from kiungo.kernel.migrations.ddl import run

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Claims refused before are known by the provider's own number alone: their services were taken off the file."""
    run("ALTER TABLE payor_service ADD COLUMN refused INTEGER NOT NULL DEFAULT 0")
