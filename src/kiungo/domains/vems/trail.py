"""A booking's trail: every step, message and posting, in the order they happened, from four places.

steps       what happened to the booking and its claim, and who did it
settlement  what became of each payment
postings    the ledger's journals that name the booking
messages    what payees and facilities were told, and whether it arrived
"""

from collections.abc import Iterator
from typing import Any, Literal

from kiungo.base.time import iso_millis
from kiungo.domains.vems.settlement import store as settlement_store
from kiungo.domains.vems.store import bookings
from kiungo.kernel import ledger
from kiungo.kernel.database import Unit

Kind = Literal["step", "settlement", "posting", "message"]
Entry = tuple[int, int, dict[str, Any]]
RANK: dict[Kind, int] = {"step": 0, "settlement": 1, "posting": 2, "message": 3}
# A booking settles under its own number, or under that number, a slash and a part: "/" is followed by "0".
AFTER_PARTS = "0"


def read(unit: Unit, tenant: int, booking_no: str) -> list[dict[str, Any]]:
    """The trail, oldest first; of one moment, the cause comes before the money and the money before the message."""
    numbers = [booking_no, *_parts(unit, tenant, booking_no)]
    found = [
        *_steps(unit, tenant, booking_no),
        *(entry for number in numbers for entry in _settlement(unit, tenant, number)),
        *(entry for number in numbers for entry in _postings(unit, tenant, number)),
        *(entry for number in numbers for entry in _messages(unit, tenant, number)),
    ]
    return [line for _, _, line in sorted(found, key=lambda entry: entry[:2])]


def _parts(unit: Unit, tenant: int, booking_no: str) -> list[str]:
    rows = unit.rows(
        "SELECT booking_no FROM settlement WHERE tn = ? AND booking_no > ? AND booking_no < ? ORDER BY booking_no",
        (tenant, f"{booking_no}/", booking_no + AFTER_PARTS),
    )
    return [number for (number,) in rows]


def _entry(at_us: int, kind: Kind, what: str, by: str, text: str, detail: dict[str, Any] | None = None) -> Entry:
    line: dict[str, Any] = {"at": iso_millis(at_us), "kind": kind, "what": what, "by": by, "text": text}
    return at_us, RANK[kind], line | ({"detail": detail} if detail else {})


def _steps(unit: Unit, tenant: int, booking_no: str) -> Iterator[Entry]:
    for step in bookings.steps_of(unit, tenant, booking_no):
        detail = dict(step.detail) if step.detail is not None else None
        yield _entry(step.at_us, "step", step.what, step.by, step.text, detail)


def _settlement(unit: Unit, tenant: int, number: str) -> Iterator[Entry]:
    for at_us, what, reference, who, detail in settlement_store.steps_of(unit, tenant, number):
        yield _entry(at_us, "settlement", what, who, detail, {"reference": reference} if reference else None)


def _postings(unit: Unit, tenant: int, number: str) -> Iterator[Entry]:
    for journal in ledger.journals_about(unit, tenant, number):
        postings = [
            {"debit": posting.debit, "credit": posting.credit, "amount": posting.amount} for posting in journal.postings
        ]
        detail = {"journal": journal.id, "phase": journal.phase, "postings": postings}
        text = ", ".join(f"{posting.amount} {posting.credit} to {posting.debit}" for posting in journal.postings)
        yield _entry(journal.posted_us, "posting", journal.kind, "ledger", text, detail)


def _messages(unit: Unit, tenant: int, number: str) -> Iterator[Entry]:
    rows = unit.rows(
        "SELECT created_us, channel, recipient, template, subject, state, reason FROM notification"
        " WHERE tn = ? AND about = ? ORDER BY created_us",
        (tenant, number),
    )
    for at_us, channel, recipient, template, subject, state, reason in rows:
        detail = {"channel": channel, "recipient": recipient, "state": state} | ({"reason": reason} if reason else {})
        yield _entry(at_us, "message", template, "notifications", subject or f"{channel} to {recipient}", detail)
