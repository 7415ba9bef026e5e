"""What a payer's word needs to be told from another: its split over services, what it kept back, who decided last.

vems_booking.decided_by_hand    what is approved was set by a person, and a payer's later word does not change it
vems_claim.split                what was approved of each service: the same sum cut otherwise is another decision
vems_claim.kept_minor           what of the payment the payer kept back for earlier claims
settlement_funding.seen_minor   what of it statement lines have shown that are cut otherwise
settlement.kept_minor           what the payer kept back of this settlement's money, found again or not
settlement_offset               money of one settlement that a payer used for another one
"""

from kiungo.kernel.migrations.ddl import append_only, run

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Until now what a person decided was known by differing from what the payer said; what is so, stays so."""
    run(
        "ALTER TABLE vems_booking ADD COLUMN decided_by_hand INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE vems_claim ADD COLUMN split TEXT",
        "ALTER TABLE vems_claim ADD COLUMN kept_minor BIGINT",
        "ALTER TABLE settlement_funding ADD COLUMN seen_minor BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE settlement ADD COLUMN kept_minor BIGINT NOT NULL DEFAULT 0",
        """CREATE TABLE settlement_offset (
            seq {SERIAL},
            tn INTEGER NOT NULL,
            source_no TEXT NOT NULL,
            booking_no TEXT NOT NULL,
            amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
            at_us BIGINT NOT NULL
        )""",
        "CREATE INDEX settlement_offset_source ON settlement_offset (tn, source_no)",
        "CREATE INDEX settlement_offset_booking ON settlement_offset (tn, booking_no)",
        "CREATE INDEX settlement_kept ON settlement (tn, payer, currency) WHERE kept_minor > 0",
        "UPDATE vems_booking SET decided_by_hand = 1 WHERE overridden = 1 AND approval <> 'pending' AND approval <>"
        " coalesce((SELECT c.status FROM vems_claim AS c WHERE c.tn = vems_booking.tn"
        " AND c.booking_no = vems_booking.booking_no), '')",
    )
    append_only("settlement_offset")
