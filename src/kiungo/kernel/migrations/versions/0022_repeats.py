"""What a repeat is known by: of a request, of a claim that is void by now, and of an approval by a second person.

payor_run.asked    the hash of the request that began the run
api_key.root               the first of the keys that replaced each other, or the key itself
payor_claim.fingerprint    is kept when a claim is voided; only one claim of one content stands
payor_step.paid_minor      what the approval comes to that waits for a second person
"""

from kiungo.kernel.migrations.ddl import run

revision = "0022"
down_revision = "0021"
OWNER_NOW = (
    "(SELECT 'api_key:' || k.root FROM api_key AS k WHERE k.tn = idempotency.tn"
    " AND k.root <> k.id AND idempotency.owner = 'api_key:' || k.id)"
)


def upgrade() -> None:
    """Runs of before are not listed: their requests were answered, and are repeated from the kept answer.

    Kept answers go to the owner under the first key, but sealed ones: they are encrypted under the name they have.
    """
    run(
        """CREATE TABLE payor_run (
            tn INTEGER NOT NULL,
            run_id TEXT NOT NULL,
            asked TEXT NOT NULL,
            created_us BIGINT NOT NULL,
            PRIMARY KEY (tn, run_id)
        )""",
        "DROP INDEX payor_claim_content",
        "CREATE UNIQUE INDEX payor_claim_content ON payor_claim (tn, member_id, fingerprint, (coalesce(voided_us, 0)))",
        "ALTER TABLE payor_step ADD COLUMN paid_minor BIGINT",
        "ALTER TABLE api_key ADD COLUMN root TEXT NOT NULL DEFAULT ''",
        "WITH RECURSIVE chain (tn, id, root) AS ("
        " SELECT tn, id, id FROM api_key WHERE replaces IS NULL"
        " UNION ALL SELECT newer.tn, newer.id, chain.root FROM api_key AS newer"
        " JOIN chain ON newer.tn = chain.tn AND newer.replaces = chain.id"
        ") UPDATE api_key SET root ="
        " (SELECT chain.root FROM chain WHERE chain.tn = api_key.tn AND chain.id = api_key.id)",
        f"UPDATE idempotency SET owner = {OWNER_NOW} WHERE sealed = 0 AND {OWNER_NOW} IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM idempotency AS other WHERE other.tn = idempotency.tn AND other.route = idempotency.route"
        f" AND other.key = idempotency.key AND other.owner = {OWNER_NOW})",
    )
