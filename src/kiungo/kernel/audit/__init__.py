"""The audit trail: append-only entries, written with what they describe, and sealed in a hash chain."""

from kiungo.kernel.audit.entries import Entry, Outcome, record, record_all
from kiungo.kernel.audit.persons import NEWEST, entries_about
from kiungo.kernel.audit.reads import Reads
from kiungo.kernel.audit.sealing import BLOCK_ROWS_MAX, seal_block, seal_pending
from kiungo.kernel.audit.verification import Report, verify

__all__ = [
    "BLOCK_ROWS_MAX",
    "NEWEST",
    "Entry",
    "Outcome",
    "Reads",
    "Report",
    "entries_about",
    "record",
    "record_all",
    "seal_block",
    "seal_pending",
    "verify",
]
