"""Equipment bookings: master data, contracts with their versions, bookings, their steps, and followed claims."""

from kiungo.kernel.migrations.ddl import append_only, run

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run(*CONTRACTS, *BOOKINGS, *CLAIMS)
    for table in ("vems_contract_version", "vems_booking_revision", "vems_step", "vems_claim_report"):
        append_only(table)


CONTRACTS = (
    "CREATE TABLE vems_catalog (tn INTEGER PRIMARY KEY, version BIGINT NOT NULL)",
    """CREATE TABLE vems_master (
        tn INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('vendor', 'lot', 'service', 'equipment')),
        code TEXT NOT NULL,
        body {BYTES} NOT NULL,
        updated_us BIGINT NOT NULL,
        PRIMARY KEY (tn, kind, code)
    ) {KEYED}""",
    """CREATE TABLE vems_facility (
        tn INTEGER NOT NULL,
        fr_code TEXT NOT NULL,
        version BIGINT NOT NULL,
        active INTEGER NOT NULL CHECK (active IN (0, 1)),
        body {BYTES} NOT NULL,
        updated_us BIGINT NOT NULL,
        PRIMARY KEY (tn, fr_code)
    ) {KEYED}""",
    """CREATE TABLE vems_contract (
        tn INTEGER NOT NULL,
        contract_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        facility TEXT NOT NULL,
        vendor TEXT NOT NULL,
        lot TEXT NOT NULL,
        service TEXT NOT NULL,
        effective_from TEXT NOT NULL,
        effective_until TEXT,
        active INTEGER NOT NULL CHECK (active IN (0, 1)),
        body {BYTES} NOT NULL,
        updated_us BIGINT NOT NULL,
        PRIMARY KEY (tn, contract_id)
    ) {KEYED}""",
    "CREATE UNIQUE INDEX vems_contract_place ON vems_contract (tn, facility, service, effective_from, vendor, lot)",
    """CREATE TABLE vems_contract_version (
        tn INTEGER NOT NULL,
        contract_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        at_us BIGINT NOT NULL,
        principal_id TEXT NOT NULL,
        principal_name TEXT NOT NULL,
        body {BYTES} NOT NULL,
        PRIMARY KEY (tn, contract_id, version)
    ) {KEYED}""",
)

BOOKINGS = (
    """CREATE TABLE vems_patient (
        tn INTEGER NOT NULL,
        cr_number TEXT NOT NULL,
        fhir_id TEXT NOT NULL,
        checked_us BIGINT NOT NULL,
        PRIMARY KEY (tn, cr_number)
    ) {KEYED}""",
    """CREATE TABLE vems_booking (
        tn INTEGER NOT NULL,
        booking_no TEXT NOT NULL,
        booking_id TEXT NOT NULL,
        facility TEXT NOT NULL,
        claim_id TEXT NOT NULL,
        patient_cr TEXT NOT NULL,
        patient_fhir TEXT NOT NULL,
        mode TEXT NOT NULL CHECK (mode IN ('sha', 'cash', 'mpesa', 'other_insurances')),
        state TEXT NOT NULL CHECK (state IN ('pending', 'confirmed', 'completed', 'cancelled')),
        approval TEXT NOT NULL CHECK (approval IN ('pending', 'approved', 'partially_paid', 'rejected')),
        overridden INTEGER NOT NULL CHECK (overridden IN (0, 1)),
        revision INTEGER NOT NULL,
        fingerprint {BYTES} NOT NULL,
        request {BYTES} NOT NULL,
        diagnosis TEXT,
        currency TEXT NOT NULL,
        total_minor BIGINT NOT NULL,
        booked_for_us BIGINT NOT NULL,
        claimed_us BIGINT,
        created_us BIGINT NOT NULL,
        updated_us BIGINT NOT NULL,
        PRIMARY KEY (tn, booking_no)
    )""",
    # One booking of one claim at one facility: decides between parallel requests.
    "CREATE UNIQUE INDEX vems_booking_claim ON vems_booking (tn, facility, claim_id)",
    "CREATE INDEX vems_booking_time ON vems_booking (tn, created_us, booking_no)",
    """CREATE TABLE vems_booking_line (
        tn INTEGER NOT NULL,
        booking_no TEXT NOT NULL,
        number INTEGER NOT NULL,
        line_id TEXT NOT NULL,
        service_code TEXT NOT NULL,
        vendor_code TEXT NOT NULL,
        at_us BIGINT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('booked', 'completed', 'cancelled')),
        capitated INTEGER NOT NULL CHECK (capitated IN (0, 1)),
        currency TEXT NOT NULL,
        vendor_minor BIGINT NOT NULL CHECK (vendor_minor >= 0),
        facility_minor BIGINT NOT NULL CHECK (facility_minor >= 0),
        fee_minor BIGINT NOT NULL CHECK (fee_minor >= 0),
        terms {BYTES} NOT NULL,
        PRIMARY KEY (tn, booking_no, number)
    ) {KEYED}""",
    """CREATE TABLE vems_booking_revision (
        tn INTEGER NOT NULL,
        booking_no TEXT NOT NULL,
        revision INTEGER NOT NULL,
        replaced_us BIGINT NOT NULL,
        request {BYTES} NOT NULL,
        lines {BYTES} NOT NULL,
        PRIMARY KEY (tn, booking_no, revision)
    ) {KEYED}""",
    """CREATE TABLE vems_step (
        id {SERIAL},
        tn INTEGER NOT NULL,
        booking_no TEXT NOT NULL,
        at_us BIGINT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('step', 'message', 'posting')),
        what TEXT NOT NULL,
        by_whom TEXT NOT NULL,
        text TEXT NOT NULL,
        detail {BYTES}
    )""",
    "CREATE INDEX vems_step_booking ON vems_step (tn, booking_no, id)",
)

CLAIMS = (
    """CREATE TABLE vems_claim (
        tn INTEGER NOT NULL,
        booking_no TEXT NOT NULL,
        payer TEXT NOT NULL,
        claim_id TEXT NOT NULL,
        reference TEXT,
        state TEXT NOT NULL CHECK (state IN ('submitting', 'open', 'decided', 'closed', 'overdue')),
        status TEXT NOT NULL CHECK (status IN ('unknown', 'pending', 'approved', 'partially_paid', 'rejected')),
        version INTEGER NOT NULL,
        currency TEXT NOT NULL,
        approved_minor BIGINT,
        paid_minor BIGINT,
        decided_on TEXT,
        payment_date TEXT,
        reason TEXT,
        failures INTEGER NOT NULL,
        next_poll_us BIGINT,
        last_poll_us BIGINT,
        deadline_us BIGINT NOT NULL,
        note TEXT,
        PRIMARY KEY (tn, booking_no)
    ) {KEYED}""",
    "CREATE INDEX vems_claim_due ON vems_claim (tn, payer, next_poll_us) WHERE next_poll_us IS NOT NULL",
    "CREATE INDEX vems_claim_reference ON vems_claim (tn, payer, reference) WHERE reference IS NOT NULL",
    """CREATE TABLE vems_claim_report (
        tn INTEGER NOT NULL,
        booking_no TEXT NOT NULL,
        version INTEGER NOT NULL,
        at_us BIGINT NOT NULL,
        source TEXT NOT NULL,
        body {BYTES} NOT NULL,
        PRIMARY KEY (tn, booking_no, version)
    ) {KEYED}""",
)
