"""Large code systems read from their owners' files: concepts, terms, properties, ancestors and words, keyed by number.

Every table begins with the number of its system, which belongs to one tenant, so removing or replacing a system is
a range of each table.
"""

from kiungo.kernel.migrations.ddl import engine, run

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    # Words and property values are found by prefix: bytes are compared, as SQLite does by default.
    exact = "" if engine() == "sqlite" else ' COLLATE "C"'
    run(
        """CREATE TABLE terminology_system (
            id {SERIAL},
            tn INTEGER NOT NULL,
            kind TEXT NOT NULL,
            url TEXT NOT NULL,
            version TEXT NOT NULL,
            title TEXT NOT NULL,
            state TEXT NOT NULL,
            stage INTEGER NOT NULL,
            position BIGINT NOT NULL,
            fingerprint TEXT NOT NULL,
            concepts BIGINT NOT NULL,
            row_errors BIGINT NOT NULL,
            changed_us BIGINT NOT NULL,
            CHECK (state IN ('loading', 'ready'))
        )""",
        "CREATE UNIQUE INDEX terminology_system_url ON terminology_system (tn, url, version)",
        f"""CREATE TABLE terminology_concept (
            system INTEGER NOT NULL,
            number INTEGER NOT NULL,
            code TEXT{exact} NOT NULL,
            display TEXT NOT NULL,
            active INTEGER NOT NULL,
            PRIMARY KEY (system, number)
        ) {{KEYED}}""",
        "CREATE UNIQUE INDEX terminology_concept_code ON terminology_concept (system, code)",
        """CREATE TABLE terminology_term (
            system INTEGER NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL, language TEXT NOT NULL,
            term TEXT NOT NULL,
            PRIMARY KEY (system, number, kind, language, term)
        ) {KEYED}""",
        f"""CREATE TABLE terminology_property (
            system INTEGER NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL, value TEXT{exact} NOT NULL,
            PRIMARY KEY (system, number, name, value)
        ) {{KEYED}}""",
        "CREATE INDEX terminology_property_value ON terminology_property (system, name, value, number)",
        """CREATE TABLE terminology_ancestor (
            system INTEGER NOT NULL, descendant INTEGER NOT NULL, ancestor INTEGER NOT NULL, direct INTEGER NOT NULL,
            PRIMARY KEY (system, descendant, ancestor)
        ) {KEYED}""",
        "CREATE INDEX terminology_ancestor_down ON terminology_ancestor (system, ancestor, descendant)",
        f"""CREATE TABLE terminology_word (
            system INTEGER NOT NULL, word TEXT{exact} NOT NULL, number INTEGER NOT NULL,
            PRIMARY KEY (system, word, number)
        ) {{KEYED}}""",
    )
