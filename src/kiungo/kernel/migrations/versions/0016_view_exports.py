"""Exports of views: what was asked, how far it came, and the finished files until they are forgotten."""

from kiungo.kernel.migrations.ddl import run

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run(
        """CREATE TABLE fhir_view_export (
            id TEXT PRIMARY KEY,
            tn INTEGER NOT NULL,
            owner TEXT NOT NULL,
            state TEXT NOT NULL,
            request TEXT NOT NULL,
            view INTEGER NOT NULL,
            position BIGINT NOT NULL,
            resources BIGINT NOT NULL,
            row_count BIGINT NOT NULL,
            problem TEXT,
            created_us BIGINT NOT NULL,
            CHECK (state IN ('running', 'done', 'failed'))
        )""",
        "CREATE INDEX fhir_view_export_created ON fhir_view_export (tn, created_us)",
        """CREATE TABLE fhir_view_export_file (
            export TEXT NOT NULL,
            view INTEGER NOT NULL,
            number INTEGER NOT NULL,
            row_count INTEGER NOT NULL,
            body {BYTES} NOT NULL,
            PRIMARY KEY (export, view, number)
        )""",
    )
