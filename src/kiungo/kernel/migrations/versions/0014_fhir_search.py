"""More of search: composites, places, words of full text, and search parameters that are data.

Rows of what was written before are made by the reindexing that starts with the server (see `fhir_reindex`).
"""

from kiungo.kernel.migrations.ddl import engine, run

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    exact = "" if engine() == "sqlite" else ' COLLATE "C"'
    run(
        # A composite's first part is a code; the others are a code, a range, a text or a second range.
        f"""CREATE TABLE fhir_composite (
            k INTEGER NOT NULL, hash BIGINT NOT NULL, other BIGINT NOT NULL,
            low {{DOUBLE}} NOT NULL, high {{DOUBLE}} NOT NULL, rid BIGINT NOT NULL,
            system INTEGER NOT NULL, other_system INTEGER NOT NULL, unit INTEGER NOT NULL,
            text TEXT{exact} NOT NULL, low2 {{DOUBLE}} NOT NULL, high2 {{DOUBLE}} NOT NULL,
            PRIMARY KEY (k, hash, other, low, high, rid, system, other_system, unit, text, low2, high2)
        ) {{KEYED}}""",
        """CREATE TABLE fhir_position (
            k INTEGER NOT NULL, latitude {DOUBLE} NOT NULL, rid BIGINT NOT NULL,
            px {DOUBLE} NOT NULL, py {DOUBLE} NOT NULL, pz {DOUBLE} NOT NULL,
            PRIMARY KEY (k, latitude, rid, px, py, pz)
        ) {KEYED}""",
        f"""CREATE TABLE fhir_word (
            k INTEGER NOT NULL, text TEXT{exact} NOT NULL, rid BIGINT NOT NULL,
            PRIMARY KEY (k, text, rid)
        ) {{KEYED}}""",
        # `resource` is the SearchParameter's id; a standard parameter has none of these rows.
        """CREATE TABLE fhir_parameter (
            k {SERIAL},
            tn INTEGER NOT NULL,
            resource TEXT NOT NULL,
            type INTEGER NOT NULL,
            code TEXT NOT NULL,
            kind TEXT NOT NULL,
            expression TEXT NOT NULL,
            targets TEXT NOT NULL,
            url TEXT NOT NULL,
            state TEXT NOT NULL,
            changed_us BIGINT NOT NULL
        )""",
        "CREATE UNIQUE INDEX fhir_parameter_code ON fhir_parameter (tn, type, code)",
        "CREATE INDEX fhir_parameter_resource ON fhir_parameter (tn, resource)",
        # One walk through a tenant's resources: from `position` up to the row id `upto`.
        """CREATE TABLE fhir_reindex (
            tn INTEGER NOT NULL,
            name TEXT NOT NULL,
            state TEXT NOT NULL,
            position BIGINT NOT NULL,
            upto BIGINT NOT NULL,
            done BIGINT NOT NULL,
            total BIGINT NOT NULL,
            started_us BIGINT NOT NULL,
            changed_us BIGINT NOT NULL,
            PRIMARY KEY (tn, name)
        )""",
    )
