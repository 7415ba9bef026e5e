"""Who may ask and who asked: keys, clients, sessions, audit, repeated writes, sealed secrets."""

from alembic import op

revision = "0003_access"
down_revision = "0002_ledger"
branch_labels = None
depends_on = None

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
        next_secret_hash TEXT,
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
    )
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
        body {bytes},
        at_us BIGINT NOT NULL,
        PRIMARY KEY (tn, owner, route, key)
    )
    """,
    "CREATE INDEX idempotency_age ON idempotency (at_us)",
    """
    CREATE TABLE audit (
        seq {serial},
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
        previous_hash TEXT NOT NULL,
        hash TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE secret (
        tn INTEGER NOT NULL,
        name TEXT NOT NULL,
        envelope TEXT NOT NULL,
        key_id TEXT NOT NULL,
        updated_us BIGINT NOT NULL,
        PRIMARY KEY (tn, name)
    )
    """,
)

APPEND_ONLY = ("audit", "audit_seal")

SQLITE_TRIGGER = """
    CREATE TRIGGER {table}_{verb}_refused BEFORE {verb} ON {table}
    BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
"""

POSTGRESQL_FUNCTION = """
    CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
"""
POSTGRESQL_TRIGGER = """
    CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()
"""

TYPES = {
    "sqlite": {"bytes": "BLOB", "serial": "INTEGER PRIMARY KEY AUTOINCREMENT"},
    "postgresql": {"bytes": "BYTEA", "serial": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"},
}


def upgrade() -> None:
    """Forward only."""
    engine = op.get_bind().dialect.name
    for statement in TABLES:
        op.execute(statement.format(**TYPES[engine]))
    if engine == "sqlite":
        for table in APPEND_ONLY:
            for verb in ("UPDATE", "DELETE"):
                op.execute(SQLITE_TRIGGER.format(table=table, verb=verb))
    else:
        op.execute(POSTGRESQL_FUNCTION)
        for table in APPEND_ONLY:
            op.execute(POSTGRESQL_TRIGGER.format(table=table))
