"""Tenants, jobs, outbox, inbox and schedules."""

from kiungo.kernel.migrations.ddl import run

revision = "0001"
down_revision = None


def upgrade() -> None:
    run(
        "CREATE TABLE tenant (tn INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
        "INSERT INTO tenant (tn, name) VALUES (1, 'default')",
        """CREATE TABLE job (
            id {SERIAL},
            tn INTEGER NOT NULL,
            kind TEXT NOT NULL,
            key TEXT,
            lane TEXT NOT NULL,
            args {BYTES} NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('ready', 'running', 'dead')),
            run_at_us BIGINT NOT NULL,
            created_us BIGINT NOT NULL,
            attempt INTEGER NOT NULL DEFAULT 0,
            attempts_max INTEGER NOT NULL,
            deadline_us BIGINT,
            lease_until_us BIGINT,
            fence BIGINT NOT NULL DEFAULT 0,
            reason TEXT
        )""",
        "CREATE INDEX job_due ON job (run_at_us, id) WHERE state = 'ready'",
        "CREATE INDEX job_running ON job (lease_until_us) WHERE state = 'running'",
        "CREATE INDEX job_dead ON job (tn, kind, id) WHERE state = 'dead'",
        "CREATE UNIQUE INDEX job_key ON job (tn, kind, key) WHERE key IS NOT NULL AND state = 'ready'",
        "CREATE INDEX job_key_running ON job (tn, kind, key) WHERE key IS NOT NULL AND state = 'running'",
        """CREATE TABLE outbox (
            seq {SERIAL},
            tn INTEGER NOT NULL,
            topic TEXT NOT NULL,
            aggregate TEXT NOT NULL,
            at_us BIGINT NOT NULL,
            payload {BYTES} NOT NULL
        )""",
        "CREATE INDEX outbox_aggregate ON outbox (tn, aggregate, seq)",
        """CREATE TABLE inbox (
            id {SERIAL},
            tn INTEGER NOT NULL,
            source TEXT NOT NULL,
            message_id TEXT NOT NULL,
            body_hash {BYTES} NOT NULL,
            received_us BIGINT NOT NULL,
            body {BYTES} NOT NULL,
            UNIQUE (tn, source, message_id)
        )""",
        """CREATE TABLE schedule (
            tn INTEGER NOT NULL,
            name TEXT NOT NULL,
            cron TEXT NOT NULL,
            kind TEXT NOT NULL,
            next_us BIGINT NOT NULL,
            PRIMARY KEY (tn, name)
        ) {KEYED}""",
    )
