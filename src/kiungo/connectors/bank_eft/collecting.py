"""Takes the bank's files in: stored before they are understood, then moved out of the way.

ACK*  answers to our payment files     STM*  statements     anything else is stored and left to a person
"""

import hashlib

from kiungo.connectors.bank_eft.client import Folder
from kiungo.kernel import inbox, jobs
from kiungo.kernel.database import Database, Unit

FILES_MAX = 200
KINDS = {"ACK": "settlement.notice", "STM": "reconciliation.statement"}


def collect(database: Database, folder: Folder, *, tenant: int, rail: str) -> int:
    """Store every file that waits, and let jobs understand them; returns how many there were."""
    names = folder.names("in")[:FILES_MAX]
    for name in names:
        body = folder.read("in", name)
        database.write(lambda unit, name=name, body=body: _store(unit, tenant, rail, name, body))  # type: ignore[misc]
        folder.archive("in", name)
    return len(names)


def _store(unit: Unit, tenant: int, rail: str, name: str, body: bytes) -> None:
    kind = KINDS.get(name[:3].upper())
    # The same file, taken in again after a crash, is dropped; a bank that uses a name twice has sent two files.
    message_id = f"{name}#{hashlib.sha256(body).hexdigest()[:16]}"
    if inbox.receive(unit, tenant=tenant, source=rail, message_id=message_id, body=body) and kind is not None:
        args = {"rail": rail, "message_id": message_id, "name": name, "kind": "acknowledgement"}
        jobs.enqueue(unit, kind, args, tenant=tenant, key=f"{rail}/{message_id}", lane="money-in")
