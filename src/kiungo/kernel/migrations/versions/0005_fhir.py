"""The FHIR store: current bodies, old versions, and narrow integer-keyed index tables."""

from kiungo.kernel.migrations.ddl import engine, run

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    sqlite = engine() == "sqlite"
    # Rows are never removed, so on SQLite the highest row id is never given twice: no AUTOINCREMENT table needed.
    rid = "rid INTEGER PRIMARY KEY" if sqlite else "rid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
    # Prefix ranges and paging compare bytes, as SQLite does by default.
    exact = "" if sqlite else ' COLLATE "C"'
    run(
        f"""CREATE TABLE fhir_resource (
            {rid},
            tn INTEGER NOT NULL,
            type INTEGER NOT NULL,
            version INTEGER NOT NULL,
            updated_us BIGINT NOT NULL,
            sort_ms BIGINT NOT NULL,
            target BIGINT NOT NULL,
            deleted INTEGER NOT NULL,
            method INTEGER NOT NULL,
            fid TEXT{exact} NOT NULL,
            person TEXT{exact},
            content_hash {{BYTES}} NOT NULL,
            body {{BYTES}} NOT NULL
        )""",
        "CREATE UNIQUE INDEX fhir_resource_id ON fhir_resource (tn, type, fid)",
        "CREATE INDEX fhir_resource_updated ON fhir_resource (tn, type, updated_us)",
        "CREATE INDEX fhir_resource_sorted ON fhir_resource (tn, type, sort_ms) WHERE deleted = 0",
        """CREATE TABLE fhir_history (
            rid BIGINT NOT NULL,
            version INTEGER NOT NULL,
            tn INTEGER NOT NULL,
            type INTEGER NOT NULL,
            updated_us BIGINT NOT NULL,
            deleted INTEGER NOT NULL,
            method INTEGER NOT NULL,
            body {BYTES} NOT NULL,
            PRIMARY KEY (rid, version)
        )""",
        "CREATE INDEX fhir_history_updated ON fhir_history (tn, type, updated_us)",
        """CREATE TABLE fhir_token (
            k INTEGER NOT NULL, hash BIGINT NOT NULL, sort_ms BIGINT NOT NULL, rid BIGINT NOT NULL,
            system INTEGER NOT NULL,
            PRIMARY KEY (k, hash, sort_ms, rid, system)
        ) {KEYED}""",
        """CREATE TABLE fhir_reference (
            k INTEGER NOT NULL, target BIGINT NOT NULL, sort_ms BIGINT NOT NULL, rid BIGINT NOT NULL,
            PRIMARY KEY (k, target, sort_ms, rid)
        ) {KEYED}""",
        """CREATE TABLE fhir_compartment (
            k INTEGER NOT NULL, target BIGINT NOT NULL, hash BIGINT NOT NULL, sort_ms BIGINT NOT NULL,
            rid BIGINT NOT NULL, system INTEGER NOT NULL,
            PRIMARY KEY (k, target, hash, sort_ms, rid, system)
        ) {KEYED}""",
        """CREATE TABLE fhir_date (
            k INTEGER NOT NULL, low BIGINT NOT NULL, high BIGINT NOT NULL, rid BIGINT NOT NULL,
            PRIMARY KEY (k, low, high, rid)
        ) {KEYED}""",
        """CREATE TABLE fhir_number (
            k INTEGER NOT NULL, low {DOUBLE} NOT NULL, high {DOUBLE} NOT NULL, rid BIGINT NOT NULL,
            system INTEGER NOT NULL, unit INTEGER NOT NULL,
            PRIMARY KEY (k, low, high, rid, system, unit)
        ) {KEYED}""",
        f"""CREATE TABLE fhir_string (
            k INTEGER NOT NULL, text TEXT{exact} NOT NULL, rid BIGINT NOT NULL, spelling INTEGER NOT NULL,
            PRIMARY KEY (k, text, rid, spelling)
        ) {{KEYED}}""",
        f"""CREATE TABLE fhir_uri (
            k INTEGER NOT NULL, text TEXT{exact} NOT NULL, rid BIGINT NOT NULL,
            PRIMARY KEY (k, text, rid)
        ) {{KEYED}}""",
    )
