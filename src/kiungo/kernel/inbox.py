"""Messages as they came in: stored before they are understood, and each only once."""

import hashlib

from kiungo.base.errors import Conflict, define
from kiungo.kernel.database.unit import Unit

MESSAGE_ID_REUSED = define("MESSAGE_ID_REUSED", Conflict, "A sender used one message id for two different messages.")


def receive(unit: Unit, *, tenant: int, source: str, message_id: str | None, body: bytes) -> bool:
    """Keep the raw bytes; False when this message is here already. Without an id, the body's hash is its id.

    Raises: Conflict MESSAGE_ID_REUSED when the id is known with another body.
    """
    body_hash = hashlib.sha256(body).digest()
    identity = message_id or f"sha256:{body_hash.hex()}"
    added = unit.execute(
        "INSERT INTO inbox (tn, source, message_id, body_hash, received_us, body) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT DO NOTHING",
        (tenant, source, identity, body_hash, unit.now_us, body),
    )
    if added:
        return True
    known = unit.value(
        "SELECT body_hash FROM inbox WHERE tn = ? AND source = ? AND message_id = ?", (tenant, source, identity)
    )
    if bytes(known) != body_hash:
        raise Conflict(
            MESSAGE_ID_REUSED,
            f"{source} sent message id {identity} before, with another body",
            field="message_id",
            hint="Give each message an id of its own",
        )
    return False
