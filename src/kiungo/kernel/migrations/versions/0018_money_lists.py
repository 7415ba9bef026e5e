"""Settlements, payments and messages are listed by when they were made, each list read along an index, page by page.

The indexes of one payee, state, booking or recipient get the same order: else SQLite, which avoids sorting, would
read such a list along everybody's.
"""

from kiungo.kernel.migrations.ddl import run

revision = "0018"
down_revision = "0017"

MADE = (
    "CREATE INDEX settlement_made ON settlement (tn, created_us, booking_no)",
    "CREATE INDEX settlement_leg_made ON settlement_leg (tn, created_us, reference)",
    "CREATE INDEX notification_made ON notification (tn, created_us, notification_id)",
)
ORDERED = {
    "settlement_state": "settlement (tn, state, created_us, booking_no)",
    "settlement_leg_booking": "settlement_leg (tn, booking_no, created_us, reference)",
    "settlement_leg_payee": "settlement_leg (tn, payee_id, created_us, reference)",
    "settlement_leg_open": "settlement_leg (tn, rail, state, created_us, reference)"
    " WHERE state NOT IN ('posted', 'carried', 'cancelled', 'replaced')",
    "notification_recipient": "notification (tn, recipient, channel, created_us, notification_id)",
    "notification_about": "notification (tn, about, created_us, notification_id)",
}


def upgrade() -> None:
    """What is stored stays as it is."""
    for name, columns in ORDERED.items():
        run(f"DROP INDEX {name}")
        run(f"CREATE INDEX {name} ON {columns}")
    for statement in MADE:
        run(statement)
