"""Sealed secrets; webhook endpoints, their deliveries and attempts."""

from kiungo.kernel.migrations.ddl import run

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run(
        """CREATE TABLE secret (
            tn INTEGER NOT NULL,
            name TEXT NOT NULL,
            envelope TEXT NOT NULL,
            key_id TEXT NOT NULL,
            updated_us BIGINT NOT NULL,
            PRIMARY KEY (tn, name)
        ) {KEYED}""",
        """CREATE TABLE webhook_endpoint (
            tn INTEGER NOT NULL,
            id TEXT NOT NULL,
            owner TEXT NOT NULL,
            url TEXT NOT NULL,
            events TEXT NOT NULL,
            active INTEGER NOT NULL CHECK (active IN (0, 1)),
            disabled_reason TEXT,
            overlap_until_us BIGINT NOT NULL DEFAULT 0,
            created_us BIGINT NOT NULL,
            updated_us BIGINT NOT NULL,
            deleted_us BIGINT,
            lease_holder TEXT,
            lease_until_us BIGINT NOT NULL DEFAULT 0,
            resume_us BIGINT NOT NULL DEFAULT 0,
            PRIMARY KEY (tn, id)
        ) {KEYED}""",
        "CREATE UNIQUE INDEX webhook_endpoint_url ON webhook_endpoint (tn, owner, url) WHERE deleted_us IS NULL",
        """CREATE TABLE webhook_delivery (
            tn INTEGER NOT NULL,
            id TEXT NOT NULL,
            endpoint TEXT NOT NULL,
            event TEXT NOT NULL,
            subject TEXT NOT NULL,
            sequence INTEGER NOT NULL,
            body {BYTES} NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('due', 'delivered', 'dead', 'held')),
            cause TEXT NOT NULL CHECK (cause IN ('event', 'ping', 'replay', 'requeue')),
            attempts INTEGER NOT NULL DEFAULT 0,
            tries INTEGER NOT NULL DEFAULT 0,
            due_us BIGINT NOT NULL,
            created_us BIGINT NOT NULL,
            settled_us BIGINT,
            last_status INTEGER,
            reason TEXT,
            PRIMARY KEY (tn, id)
        )""",
        "CREATE INDEX webhook_delivery_due ON webhook_delivery (tn, endpoint, due_us, sequence) WHERE state = 'due'",
        "CREATE INDEX webhook_delivery_first ON webhook_delivery ((endpoint || '/' || subject), sequence)"
        " WHERE state = 'due'",
        "CREATE INDEX webhook_delivery_subject ON webhook_delivery (tn, endpoint, subject, sequence)",
        "CREATE INDEX webhook_delivery_created ON webhook_delivery (tn, endpoint, created_us, id)",
        "CREATE INDEX webhook_delivery_dead ON webhook_delivery (tn, settled_us, id) WHERE state = 'dead'",
        """CREATE TABLE webhook_attempt (
            tn INTEGER NOT NULL,
            delivery TEXT NOT NULL,
            number INTEGER NOT NULL,
            cause TEXT NOT NULL,
            started_us BIGINT NOT NULL,
            duration_us BIGINT NOT NULL,
            status INTEGER,
            error TEXT,
            snippet TEXT,
            PRIMARY KEY (tn, delivery, number)
        ) {KEYED}""",
    )
