"""Whom the audit trail's blocks are about, noted when a block is sealed instead of at every entry."""

from alembic import op

from kiungo.kernel.migrations.ddl import run

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Blocks that exist already are looked through once, with the entries they took in late."""
    run(
        "DROP INDEX audit_person",  # the table takes its name
        """CREATE TABLE audit_person (
            tn INTEGER NOT NULL, person TEXT NOT NULL, block BIGINT NOT NULL,
            PRIMARY KEY (tn, person, block)
        ) {KEYED}""",
        """INSERT INTO audit_person (tn, person, block)
            SELECT DISTINCT a.tn, a.person, s.block
            FROM audit_seal AS s JOIN audit AS a ON a.seq BETWEEN s.first_seq AND s.last_seq
            WHERE a.person IS NOT NULL""",
    )
    connection = op.get_bind()
    for block, late in connection.exec_driver_sql("SELECT block, late FROM audit_seal WHERE late <> ''").fetchall():
        for given in late.split(","):
            first, last = map(int, given.split("-"))
            run(
                f"""INSERT INTO audit_person (tn, person, block)
                    SELECT DISTINCT tn, person, {int(block)} FROM audit
                    WHERE seq BETWEEN {first} AND {last} AND person IS NOT NULL
                    ON CONFLICT DO NOTHING"""
            )
