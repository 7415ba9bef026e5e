"""Browser sessions: an API key shown once at the sign-in page, then a cookie.

A session may do what its key may, ends with it, and is refused for writes that come from another site
(the pipeline checks that). Only the hash of the cookie's value is stored.
"""

import secrets

from kiungo.base.errors import Unauthenticated, define
from kiungo.base.ids import uuid7
from kiungo.base.time import SECOND_US, SystemClock
from kiungo.kernel import audit
from kiungo.kernel.auth.keys import CHANGED, ApiKey, find_by_secret, get_key, hash_of
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.database import Unit

SESSION_KEY_WRONG = define("SESSION_KEY_WRONG", Unauthenticated, "The key given at sign-in opens nothing.")

COOKIE = "kiungo_session"
SESSION_LIFETIME_S = 12 * 3_600


def open_session(unit: Unit, call: Call, key_text: str) -> str:
    """Start a session with an API key; returns the cookie's value, which cannot be read again.

    Raises: Unauthenticated SESSION_KEY_WRONG, the same for an unknown, revoked and expired key.
    """
    key = find_by_secret(unit, key_text.strip().encode("utf-8", "replace"))
    if key is None or not key.is_live(unit.now_us):
        raise Unauthenticated(SESSION_KEY_WRONG, "The key opens nothing", field="key", hint="Check the key")
    value = secrets.token_urlsafe(32)
    session_id = uuid7(SystemClock())
    unit.execute(
        "INSERT INTO web_session (tn, id, hash, key_id, created_us, expires_us) VALUES (?, ?, ?, ?, ?, ?)",
        (
            key.tenant, session_id, hash_of(value.encode()), key.id, unit.now_us,
            unit.now_us + SESSION_LIFETIME_S * SECOND_US,
        ),
    )  # fmt: skip
    owner = Call(key.principal("session"), call.request_id, call.origin)
    audit.record(unit, owner, "sign-in", kind="web_session", id=session_id)
    return value


def close_session(unit: Unit, call: Call, value: str) -> None:
    """End the session of this cookie; an unknown one changes nothing."""
    session_id = unit.value(
        "SELECT id FROM web_session WHERE tn = ? AND hash = ?", (call.tenant, hash_of(value.encode()))
    )
    if session_id is not None:
        unit.execute("DELETE FROM web_session WHERE tn = ? AND id = ?", (call.tenant, session_id))
        unit.wake(CHANGED)
        audit.record(unit, call, "sign-out", kind="web_session", id=session_id)


def find_session(unit: Unit, value: bytes) -> tuple[ApiKey, int] | None:
    """The key behind a session's cookie and when the session ends, or None."""
    row = unit.row("SELECT tn, key_id, expires_us FROM web_session WHERE hash = ?", (hash_of(value),))
    if row is None or row[2] <= unit.now_us:
        return None
    return get_key(unit, row[0], row[1]), row[2]


def purge_sessions(unit: Unit) -> int:
    """Forget sessions that ended; returns how many."""
    return unit.execute("DELETE FROM web_session WHERE expires_us <= ?", (unit.now_us,))


def cookie_header(value: str, *, secure: bool, lifetime_s: int = SESSION_LIFETIME_S) -> tuple[bytes, bytes]:
    """The Set-Cookie header of a session; an empty value with lifetime 0 takes it back."""
    flags = f"{COOKIE}={value}; Path=/; Max-Age={lifetime_s}; HttpOnly; SameSite=Lax"
    return b"set-cookie", (flags + ("; Secure" if secure else "")).encode("ascii")
