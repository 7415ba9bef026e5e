"""The audit trail: append-only entries, written with what they describe, and sealed in a hash chain."""

from kiungo.kernel.audit.entries import Entry, Outcome, record
from kiungo.kernel.audit.reads import Reads

__all__ = ["Entry", "Outcome", "Reads", "record"]
