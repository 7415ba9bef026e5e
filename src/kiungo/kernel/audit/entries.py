"""One audit entry: who did what to which record, from where, with what outcome. No health data."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from kiungo.kernel.auth.principal import Call

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

Outcome = Literal["success", "refused", "failed"]

COLUMNS = (
    "at_us", "tn", "principal_id", "principal_kind", "action", "kind", "record_id", "person",
    "request_id", "origin", "outcome", "detail",
)  # fmt: skip
_INSERT = f"INSERT INTO audit ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"


class Entry(NamedTuple):
    """A row of the audit table before it has its sequence number.

    Shapes: `detail` is a code such as KEY_EXPIRED, never free text; `person` is a record id.
    """

    at_us: int
    tn: int
    principal_id: str
    principal_kind: str
    action: str
    kind: str
    record_id: str
    person: str | None
    request_id: str
    origin: str
    outcome: str
    detail: str | None


def record_all(unit: "Unit", call: Call, action: str, records: Sequence[tuple[str, str, str | None]]) -> None:
    """Write an entry for each record of one action. Shapes: kind, id and person of each."""
    principal = call.principal
    entries = [
        Entry(
            unit.now_us, principal.tenant, principal.id, principal.kind, action, kind, record_id, person,
            call.request_id, call.origin, "success", None,
        )
        for kind, record_id, person in records
    ]  # fmt: skip
    insert_entries(unit, entries)


def insert_entries(unit: "Unit", entries: Sequence[Entry]) -> None:
    """Write entries that were made before, in the order given."""
    unit.insert("audit", COLUMNS, entries)


def record(
    unit: "Unit",
    call: Call,
    action: str,
    *,
    kind: str,
    id: str,
    outcome: Outcome = "success",
    person: str | None = None,
    detail: str | None = None,
) -> None:
    """Write one entry in the unit of work it describes: both are committed, or neither.

    Shapes: `action` is a verb such as create, read, approve; `kind` and `id` name the record; `person`
    is the record id of whom it is about; `detail` is a short code.
    """
    principal = call.principal
    unit.execute(
        _INSERT,
        (
            unit.now_us, principal.tenant, principal.id, principal.kind, action, kind, id, person,
            call.request_id, call.origin, outcome, detail,
        ),
    )  # fmt: skip
