"""Who may ask and who asked: keys, clients, sessions, audit, repeated writes."""

from kiungo.kernel.migrations.ddl import append_only, engine, run

revision = "0003"
down_revision = "0002"

TABLES = (
    """
    CREATE TABLE api_key (
        tn INTEGER NOT NULL,
        id TEXT NOT NULL,
        name TEXT NOT NULL,
        prefix TEXT NOT NULL,
        hash TEXT NOT NULL UNIQUE,
        roles TEXT NOT NULL,
        scopes TEXT NOT NULL,
        bindings TEXT NOT NULL,
        rate_per_minute INTEGER,
        created_us BIGINT NOT NULL,
        created_by TEXT NOT NULL,
        expires_us BIGINT,
        revoked_us BIGINT,
        replaces TEXT,
        last_used_us BIGINT,
        PRIMARY KEY (tn, id)
    )
    """,
    """
    CREATE TABLE oauth_client (
        tn INTEGER NOT NULL,
        id TEXT NOT NULL,
        name TEXT NOT NULL,
        secret_hash TEXT,
        previous_secret_hash TEXT,
        previous_secret_until_us BIGINT,
        jwks TEXT,
        roles TEXT NOT NULL,
        scopes TEXT NOT NULL,
        bindings TEXT NOT NULL,
        rate_per_minute INTEGER,
        created_us BIGINT NOT NULL,
        created_by TEXT NOT NULL,
        tokens_from_us BIGINT NOT NULL,
        revoked_us BIGINT,
        PRIMARY KEY (tn, id),
        UNIQUE (id)
    )
    """,
    """
    CREATE TABLE oauth_assertion (
        tn INTEGER NOT NULL,
        client_id TEXT NOT NULL,
        jti TEXT NOT NULL,
        expires_us BIGINT NOT NULL,
        PRIMARY KEY (tn, client_id, jti)
    ) {KEYED}
    """,
    """
    CREATE TABLE web_session (
        tn INTEGER NOT NULL,
        id TEXT NOT NULL,
        hash TEXT NOT NULL UNIQUE,
        key_id TEXT NOT NULL,
        created_us BIGINT NOT NULL,
        expires_us BIGINT NOT NULL,
        PRIMARY KEY (tn, id)
    )
    """,
    """
    CREATE TABLE idempotency (
        tn INTEGER NOT NULL,
        owner TEXT NOT NULL,
        route TEXT NOT NULL,
        key TEXT NOT NULL,
        body_hash TEXT NOT NULL,
        status INTEGER,
        media_type TEXT,
        headers TEXT,
        body {BYTES},
        sealed INTEGER NOT NULL DEFAULT 0,
        at_us BIGINT NOT NULL,
        PRIMARY KEY (tn, owner, route, key)
    )
    """,
    "CREATE INDEX idempotency_age ON idempotency (at_us)",
    """
    CREATE TABLE audit (
        seq {SERIAL},
        at_us BIGINT NOT NULL,
        tn INTEGER NOT NULL,
        principal_id TEXT NOT NULL,
        principal_kind TEXT NOT NULL,
        action TEXT NOT NULL,
        kind TEXT NOT NULL,
        record_id TEXT NOT NULL,
        person TEXT,
        request_id TEXT NOT NULL,
        origin TEXT NOT NULL,
        outcome TEXT NOT NULL,
        detail TEXT
    )
    """,
    "CREATE INDEX oauth_assertion_age ON oauth_assertion (expires_us)",
    "CREATE INDEX audit_person ON audit (tn, person, seq) WHERE person IS NOT NULL",
    """
    CREATE TABLE audit_seal (
        block BIGINT PRIMARY KEY,
        first_seq BIGINT NOT NULL,
        last_seq BIGINT NOT NULL,
        rows_sealed BIGINT NOT NULL,
        absent TEXT NOT NULL,
        late TEXT NOT NULL,
        at_us BIGINT NOT NULL,
        keyed INTEGER NOT NULL,
        rows_hash TEXT NOT NULL,
        digests {BYTES} NOT NULL,
        previous_hash TEXT NOT NULL,
        hash TEXT NOT NULL
    )
    """,
    "CREATE INDEX audit_seal_gaps ON audit_seal (at_us) WHERE absent <> '' OR late <> ''",
)

NO_TRUNCATE = """
    CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()
"""


def upgrade() -> None:
    """Forward only."""
    run(*TABLES)
    for table in ("audit", "audit_seal"):
        append_only(table)
        if engine() == "postgresql":
            run(NO_TRUNCATE.format(table=table))
