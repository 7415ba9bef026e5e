"""Accounts, journals and postings.

A journal is never changed: a hold is settled by another journal that names it (`settles`), a mistake by one
that reverses it (`reverses`), each at most once. The cached balances of an account are guarded by CHECKs, so
that no program, ours or another, can overdraw an account with a rule.
"""

from kiungo.kernel.migrations.ddl import append_only, run

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run(
        """CREATE TABLE ledger_account (
            tn INTEGER NOT NULL,
            id TEXT NOT NULL,
            currency TEXT NOT NULL,
            rule TEXT NOT NULL CHECK (rule IN ('none', 'dr_le_cr', 'cr_le_dr')),
            posted_dr BIGINT NOT NULL DEFAULT 0 CHECK (posted_dr >= 0),
            posted_cr BIGINT NOT NULL DEFAULT 0 CHECK (posted_cr >= 0),
            pending_dr BIGINT NOT NULL DEFAULT 0 CHECK (pending_dr >= 0),
            pending_cr BIGINT NOT NULL DEFAULT 0 CHECK (pending_cr >= 0),
            opened_us BIGINT NOT NULL,
            PRIMARY KEY (tn, id, currency),
            CHECK (rule <> 'dr_le_cr' OR posted_dr + pending_dr <= posted_cr),
            CHECK (rule <> 'cr_le_dr' OR posted_cr + pending_cr <= posted_dr)
        ) {KEYED}""",
        """CREATE TABLE ledger_journal (
            id {SERIAL},
            tn INTEGER NOT NULL,
            key TEXT NOT NULL,
            body_hash {BYTES} NOT NULL,
            kind TEXT NOT NULL,
            phase TEXT NOT NULL CHECK (phase IN ('posted', 'held', 'voided')),
            effective TEXT NOT NULL,
            posted_us BIGINT NOT NULL,
            memo TEXT NOT NULL,
            settles BIGINT REFERENCES ledger_journal (id),
            reverses BIGINT REFERENCES ledger_journal (id),
            UNIQUE (tn, key),
            UNIQUE (tn, settles),
            UNIQUE (tn, reverses),
            CHECK (phase <> 'voided' OR settles IS NOT NULL),
            CHECK (phase <> 'held' OR settles IS NULL),
            CHECK (reverses IS NULL OR (phase = 'posted' AND settles IS NULL))
        )""",
        "CREATE INDEX ledger_journal_effective ON ledger_journal (tn, effective, id)",
        "CREATE INDEX ledger_journal_memo ON ledger_journal (tn, memo, id) WHERE memo <> ''",
        """CREATE TABLE ledger_posting (
            tn INTEGER NOT NULL,
            journal BIGINT NOT NULL REFERENCES ledger_journal (id),
            seq INTEGER NOT NULL,
            phase TEXT NOT NULL CHECK (phase IN ('posted', 'held')),
            effective TEXT NOT NULL,
            debit TEXT NOT NULL,
            credit TEXT NOT NULL,
            currency TEXT NOT NULL,
            amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
            PRIMARY KEY (tn, journal, seq),
            FOREIGN KEY (tn, debit, currency) REFERENCES ledger_account (tn, id, currency),
            FOREIGN KEY (tn, credit, currency) REFERENCES ledger_account (tn, id, currency),
            CHECK (debit <> credit)
        ) {KEYED}""",
        "CREATE INDEX ledger_posting_debit ON ledger_posting (tn, debit, currency, effective, journal)"
        " WHERE phase = 'posted'",
        "CREATE INDEX ledger_posting_credit ON ledger_posting (tn, credit, currency, effective, journal)"
        " WHERE phase = 'posted'",
    )
    append_only("ledger_journal")
    append_only("ledger_posting")
