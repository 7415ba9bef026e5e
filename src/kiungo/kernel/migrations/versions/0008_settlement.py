"""Payees, settlements and their legs, bank statements, notifications, and tokens shared between processes."""

from kiungo.kernel.migrations.ddl import append_only, run

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run(*TOKENS, *PAYEES, *SETTLEMENTS, *STATEMENTS, *NOTIFICATIONS)
    append_only("settlement_step")


TOKENS = (
    """CREATE TABLE shared_token (
        tn INTEGER NOT NULL,
        name TEXT NOT NULL,
        envelope TEXT NOT NULL,
        generation BIGINT NOT NULL,
        expires_us BIGINT NOT NULL,
        renewing_until_us BIGINT NOT NULL,
        PRIMARY KEY (tn, name)
    )""",
)

PAYEES = (
    """CREATE TABLE settlement_payee (
        tn INTEGER NOT NULL,
        payee_id TEXT NOT NULL,
        name TEXT NOT NULL,
        language TEXT NOT NULL,
        phone TEXT NOT NULL,
        email TEXT NOT NULL,
        updated_us BIGINT NOT NULL,
        PRIMARY KEY (tn, payee_id)
    )""",
    """CREATE TABLE settlement_payee_details (
        tn INTEGER NOT NULL,
        payee_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('proposed', 'active', 'refused', 'retired')),
        body {BYTES} NOT NULL,
        proposed_by TEXT NOT NULL,
        proposed_us BIGINT NOT NULL,
        decided_by TEXT,
        decided_us BIGINT,
        usable_from_us BIGINT,
        PRIMARY KEY (tn, payee_id, version),
        CHECK (decided_by IS NULL OR decided_by <> proposed_by)
    )""",
    """CREATE TABLE settlement_carry (
        tn INTEGER NOT NULL,
        payee_id TEXT NOT NULL,
        currency TEXT NOT NULL,
        carry_minor BIGINT NOT NULL CHECK (carry_minor >= 0),
        PRIMARY KEY (tn, payee_id, currency)
    )""",
    """CREATE TABLE settlement_rail (
        tn INTEGER NOT NULL,
        rail TEXT NOT NULL,
        paused_reason TEXT NOT NULL,
        paused_us BIGINT NOT NULL,
        PRIMARY KEY (tn, rail)
    )""",
)

SETTLEMENTS = (
    """CREATE TABLE settlement (
        tn INTEGER NOT NULL,
        booking_no TEXT NOT NULL,
        claim_ref TEXT NOT NULL,
        payer TEXT NOT NULL,
        mode TEXT NOT NULL,
        currency TEXT NOT NULL,
        pays_on TEXT NOT NULL CHECK (pays_on IN ('approval', 'remittance')),
        total_minor BIGINT NOT NULL CHECK (total_minor > 0),
        approved_minor BIGINT NOT NULL CHECK (approved_minor >= 0 AND approved_minor <= total_minor),
        remitted_minor BIGINT NOT NULL CHECK (remitted_minor >= 0),
        version INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'paying', 'attention', 'settled')),
        reason TEXT NOT NULL,
        created_us BIGINT NOT NULL,
        updated_us BIGINT NOT NULL,
        PRIMARY KEY (tn, booking_no)
    )""",
    "CREATE INDEX settlement_state ON settlement (tn, state, updated_us)",
    """CREATE TABLE settlement_share (
        tn INTEGER NOT NULL,
        booking_no TEXT NOT NULL,
        payee_id TEXT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('vendor', 'facility', 'fee')),
        seq INTEGER NOT NULL,
        contract_minor BIGINT NOT NULL CHECK (contract_minor >= 0),
        accrued_minor BIGINT NOT NULL,
        committed_minor BIGINT NOT NULL,
        PRIMARY KEY (tn, booking_no, payee_id, role)
    )""",
    """CREATE TABLE settlement_leg (
        tn INTEGER NOT NULL,
        reference TEXT NOT NULL,
        booking_no TEXT NOT NULL,
        payee_id TEXT NOT NULL,
        currency TEXT NOT NULL,
        due_minor BIGINT NOT NULL CHECK (due_minor > 0),
        amount_minor BIGINT NOT NULL CHECK (amount_minor >= 0),
        state TEXT NOT NULL CHECK (state IN ('waiting', 'held', 'submitting', 'submitted', 'unknown', 'posted',
            'failed', 'returned', 'carried', 'cancelled', 'replaced')),
        reason TEXT NOT NULL CHECK (state NOT IN ('waiting', 'unknown', 'failed', 'returned') OR reason <> ''),
        cause TEXT NOT NULL,
        rail TEXT NOT NULL,
        destination {BYTES} NOT NULL,
        hold_journal BIGINT,
        paid_journal BIGINT,
        return_journal BIGINT,
        submit_job BIGINT,
        attempt INTEGER NOT NULL,
        rail_ids {BYTES} NOT NULL,
        receipt TEXT NOT NULL,
        replaced_by TEXT,
        proposed_outcome TEXT,
        proposed_by TEXT,
        created_us BIGINT NOT NULL,
        submitted_us BIGINT,
        updated_us BIGINT NOT NULL,
        PRIMARY KEY (tn, reference)
    )""",
    "CREATE INDEX settlement_leg_booking ON settlement_leg (tn, booking_no)",
    "CREATE INDEX settlement_leg_open ON settlement_leg (tn, rail, state, created_us)"
    " WHERE state NOT IN ('posted', 'carried', 'cancelled', 'replaced')",
    "CREATE INDEX settlement_leg_payee ON settlement_leg (tn, payee_id, created_us)",
    """CREATE TABLE settlement_clawback (
        id {SERIAL},
        tn INTEGER NOT NULL,
        booking_no TEXT NOT NULL,
        payee_id TEXT NOT NULL,
        currency TEXT NOT NULL,
        amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
        recovered_minor BIGINT NOT NULL CHECK (recovered_minor >= 0 AND recovered_minor <= amount_minor),
        reason TEXT NOT NULL,
        created_us BIGINT NOT NULL
    )""",
    "CREATE INDEX settlement_clawback_open ON settlement_clawback (tn, payee_id, id)"
    " WHERE recovered_minor < amount_minor",
    """CREATE TABLE settlement_step (
        seq {SERIAL},
        tn INTEGER NOT NULL,
        booking_no TEXT NOT NULL,
        reference TEXT NOT NULL,
        at_us BIGINT NOT NULL,
        what TEXT NOT NULL,
        who TEXT NOT NULL,
        detail TEXT NOT NULL
    )""",
    "CREATE INDEX settlement_step_booking ON settlement_step (tn, booking_no, seq)",
    """CREATE TABLE settlement_funding (
        tn INTEGER NOT NULL,
        key TEXT NOT NULL,
        rail TEXT NOT NULL,
        currency TEXT NOT NULL,
        amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
        at_us BIGINT NOT NULL,
        PRIMARY KEY (tn, key)
    )""",
)

STATEMENTS = (
    """CREATE TABLE bank_statement (
        seq {SERIAL},
        tn INTEGER NOT NULL,
        rail TEXT NOT NULL,
        statement_id TEXT NOT NULL,
        account TEXT NOT NULL,
        currency TEXT NOT NULL,
        opening_minor BIGINT NOT NULL,
        closing_minor BIGINT NOT NULL,
        opened_on TEXT NOT NULL,
        closed_on TEXT NOT NULL,
        received_us BIGINT NOT NULL,
        UNIQUE (tn, rail, statement_id)
    )""",
    """CREATE TABLE bank_line (
        tn INTEGER NOT NULL,
        rail TEXT NOT NULL,
        line_id TEXT NOT NULL,
        statement_id TEXT NOT NULL,
        booked_on TEXT NOT NULL,
        currency TEXT NOT NULL,
        amount_minor BIGINT NOT NULL,
        body {BYTES} NOT NULL,
        used_as TEXT CHECK (used_as IN ('payment', 'return', 'funding', 'explained')),
        used_for TEXT,
        used_by TEXT,
        used_us BIGINT,
        PRIMARY KEY (tn, rail, line_id),
        CHECK ((used_as IS NULL) = (used_for IS NULL))
    )""",
    "CREATE INDEX bank_line_open ON bank_line (tn, rail, booked_on) WHERE used_as IS NULL",
    "CREATE UNIQUE INDEX bank_line_used ON bank_line (tn, used_as, used_for)"
    " WHERE used_as IN ('payment', 'return', 'funding')",
)

NOTIFICATIONS = (
    """CREATE TABLE notification (
        tn INTEGER NOT NULL,
        notification_id TEXT NOT NULL,
        key TEXT NOT NULL,
        about TEXT NOT NULL,
        recipient TEXT NOT NULL,
        channel TEXT NOT NULL CHECK (channel IN ('sms', 'email', 'in_app')),
        address TEXT NOT NULL,
        template TEXT NOT NULL,
        language TEXT NOT NULL,
        subject TEXT NOT NULL,
        body TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'delivered', 'failed', 'unknown',
            'opted_out')),
        reason TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        provider_id TEXT NOT NULL,
        read_us BIGINT,
        created_us BIGINT NOT NULL,
        updated_us BIGINT NOT NULL,
        PRIMARY KEY (tn, notification_id),
        UNIQUE (tn, key, channel)
    )""",
    "CREATE INDEX notification_recipient ON notification (tn, recipient, channel, created_us)",
    "CREATE INDEX notification_about ON notification (tn, about, created_us)",
    "CREATE INDEX notification_provider ON notification (tn, channel, provider_id) WHERE provider_id <> ''",
    """CREATE TABLE notification_opt_out (
        tn INTEGER NOT NULL,
        channel TEXT NOT NULL,
        address TEXT NOT NULL,
        since_us BIGINT NOT NULL,
        PRIMARY KEY (tn, channel, address)
    )""",
)
