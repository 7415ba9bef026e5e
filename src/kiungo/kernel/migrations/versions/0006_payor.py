"""Plans and their tables, members, accumulators, claims, the review desk's steps and payments.

The content of members, plans and claims is FHIR; these rows hold what needs arithmetic, locks or order.
"""

from kiungo.kernel.migrations.ddl import append_only, run

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run(*REFERENCE, *MEMBERS, *CLAIMS, *DESK)
    append_only("payor_entry")
    append_only("payor_step")


REFERENCE = (
    "CREATE TABLE payor_version (tn INTEGER PRIMARY KEY, version BIGINT NOT NULL)",
    """CREATE TABLE payor_plan (
        tn INTEGER NOT NULL,
        plan_id TEXT NOT NULL,
        body {BYTES} NOT NULL,
        updated_us BIGINT NOT NULL,
        PRIMARY KEY (tn, plan_id)
    )""",
    """CREATE TABLE payor_reference (
        tn INTEGER NOT NULL,
        kind TEXT NOT NULL,
        owner TEXT NOT NULL,
        item_key TEXT NOT NULL,
        valid_from TEXT NOT NULL,
        body {BYTES} NOT NULL,
        PRIMARY KEY (tn, kind, owner, item_key, valid_from)
    ) {KEYED}""",
)

MEMBERS = (
    "CREATE TABLE payor_family (tn INTEGER NOT NULL, family_id TEXT NOT NULL, version BIGINT NOT NULL,"
    " PRIMARY KEY (tn, family_id)) {KEYED}",
    """CREATE TABLE payor_member (
        tn INTEGER NOT NULL,
        member_id TEXT NOT NULL,
        family_id TEXT NOT NULL,
        body {BYTES} NOT NULL,
        updated_us BIGINT NOT NULL,
        PRIMARY KEY (tn, member_id)
    ) {KEYED}""",
    "CREATE INDEX payor_member_family ON payor_member (tn, family_id)",
    """CREATE TABLE payor_authorization (
        tn INTEGER NOT NULL,
        number TEXT NOT NULL,
        body {BYTES} NOT NULL,
        PRIMARY KEY (tn, number)
    ) {KEYED}""",
    """CREATE TABLE payor_accumulator (
        tn INTEGER NOT NULL,
        family_id TEXT NOT NULL,
        member_id TEXT NOT NULL,
        bucket TEXT NOT NULL,
        period TEXT NOT NULL,
        used BIGINT NOT NULL,
        PRIMARY KEY (tn, family_id, member_id, bucket, period)
    ) {KEYED}""",
    """CREATE TABLE payor_entry (
        tn INTEGER NOT NULL,
        claim_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        reversal INTEGER NOT NULL CHECK (reversal IN (0, 1)),
        member_id TEXT NOT NULL,
        bucket TEXT NOT NULL,
        period TEXT NOT NULL,
        family_id TEXT NOT NULL,
        amount BIGINT NOT NULL,
        PRIMARY KEY (tn, claim_id, version, reversal, member_id, bucket, period)
    ) {KEYED}""",
)

CLAIMS = (
    """CREATE TABLE payor_claim (
        tn INTEGER NOT NULL,
        claim_id TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('submitted', 'under_review', 'approved', 'rejected')),
        version INTEGER NOT NULL,
        provider_id TEXT NOT NULL,
        member_id TEXT NOT NULL,
        family_id TEXT NOT NULL,
        plan_id TEXT NOT NULL,
        currency TEXT NOT NULL,
        charge_minor BIGINT NOT NULL,
        paid_minor BIGINT NOT NULL,
        patient_minor BIGINT NOT NULL,
        submitted_us BIGINT NOT NULL,
        decided_us BIGINT,
        fingerprint {BYTES},
        provider_claim_id TEXT,
        booking_no TEXT,
        patient_fhir TEXT NOT NULL,
        claim_fhir TEXT NOT NULL,
        response_fhir TEXT NOT NULL,
        benefit_fhir TEXT NOT NULL,
        desk TEXT CHECK (desk IN ('open', 'information_requested', 'second_approval')),
        assigned_to TEXT,
        voided_us BIGINT,
        replaced_by TEXT,
        payment_id TEXT,
        wire {BYTES} NOT NULL,
        PRIMARY KEY (tn, claim_id)
    )""",
    # One live claim of one content: decides between parallel submissions, and serves look-ups by member.
    "CREATE UNIQUE INDEX payor_claim_content ON payor_claim (tn, member_id, fingerprint)",
    "CREATE UNIQUE INDEX payor_claim_booking ON payor_claim (tn, booking_no)"
    " WHERE booking_no IS NOT NULL AND voided_us IS NULL AND state <> 'rejected'",
    "CREATE INDEX payor_claim_time ON payor_claim (tn, submitted_us, claim_id)",
    "CREATE INDEX payor_claim_provider ON payor_claim (tn, provider_id, submitted_us, claim_id)",
    "CREATE INDEX payor_claim_provider_number ON payor_claim (tn, provider_claim_id)"
    " WHERE provider_claim_id IS NOT NULL",
    # For looking up the claims of a booking, also those that are void or were rejected.
    "CREATE INDEX payor_claim_booking_number ON payor_claim (tn, booking_no, submitted_us, claim_id)"
    " WHERE booking_no IS NOT NULL",
    "CREATE INDEX payor_claim_desk ON payor_claim (tn, submitted_us, claim_id) WHERE desk IS NOT NULL",
    "CREATE INDEX payor_claim_unpaid ON payor_claim (tn, provider_id, decided_us, claim_id)"
    " WHERE state = 'approved' AND payment_id IS NULL AND voided_us IS NULL",
    "CREATE INDEX payor_claim_payment ON payor_claim (tn, payment_id) WHERE payment_id IS NOT NULL",
    """CREATE TABLE payor_service (
        tn INTEGER NOT NULL,
        member_id TEXT NOT NULL,
        service_date TEXT NOT NULL,
        claim_id TEXT NOT NULL,
        line INTEGER NOT NULL,
        procedure_code TEXT NOT NULL,
        provider_id TEXT NOT NULL,
        charge_minor BIGINT NOT NULL,
        units INTEGER NOT NULL,
        PRIMARY KEY (tn, member_id, service_date, claim_id, line)
    ) {KEYED}""",
)

DESK = (
    """CREATE TABLE payor_step (
        tn INTEGER NOT NULL,
        claim_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        at_us BIGINT NOT NULL,
        action TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        principal_name TEXT NOT NULL,
        note TEXT NOT NULL,
        ruling {BYTES},
        PRIMARY KEY (tn, claim_id, seq)
    )""",
    """CREATE TABLE payor_payment (
        tn INTEGER NOT NULL,
        payment_id TEXT NOT NULL,
        run_id TEXT NOT NULL,
        provider_id TEXT NOT NULL,
        currency TEXT NOT NULL,
        amount_minor BIGINT NOT NULL,
        claims INTEGER NOT NULL,
        method TEXT NOT NULL,
        reference TEXT NOT NULL,
        payment_date TEXT NOT NULL,
        created_us BIGINT NOT NULL,
        recovered_minor BIGINT NOT NULL DEFAULT 0,
        PRIMARY KEY (tn, payment_id)
    )""",
    "CREATE INDEX payor_payment_run ON payor_payment (tn, run_id)",
)
