"""How many resources of each type there are, and how many have each code: exact, without counting them.

Each unit that writes leaves what it changes in a row of its own, so that writers never wait for a counter; these rows
are added to the counters together, a little later.
"""

from kiungo.kernel.migrations.ddl import run

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Count what is there already, once. A type's counter has the key -(tenant * 16384 + type) and no code."""
    run(
        """CREATE TABLE fhir_count (
            k INTEGER NOT NULL, hash BIGINT NOT NULL, system INTEGER NOT NULL, n BIGINT NOT NULL,
            PRIMARY KEY (k, hash, system)
        ) {KEYED}""",
        "CREATE TABLE fhir_fresh_count (seq {SERIAL}, changes TEXT NOT NULL)",
        "INSERT INTO fhir_count (k, hash, system, n) "
        "SELECT k, hash, system, count(*) FROM fhir_token GROUP BY k, hash, system",
        "INSERT INTO fhir_count (k, hash, system, n) "
        "SELECT -(tn * 16384 + type), 0, 0, count(*) FROM fhir_resource WHERE deleted = 0 GROUP BY tn, type",
    )
