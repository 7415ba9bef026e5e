"""API keys: made once, shown once, kept as a hash; rotated with an overlap, expiring, revoked."""

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kiungo.base.errors import Conflict, NotFound, define
from kiungo.base.ids import uuid7
from kiungo.base.time import SECOND_US, SystemClock
from kiungo.kernel import audit
from kiungo.kernel.auth.grants import bindings_of, bindings_text, check_grant, words
from kiungo.kernel.auth.principal import Call, Kind, Principal
from kiungo.kernel.auth.roles import scopes_of
from kiungo.kernel.database import Unit

KEY_NOT_FOUND = define("KEY_NOT_FOUND", NotFound, "No API key has this id.")
KEY_ENDED = define("KEY_ENDED", Conflict, "The API key is revoked or expired and cannot be rotated.")

KEY_PREFIX = "kgo_"
PREFIX_SHOWN = 8
RANDOM_BYTES = 32
CHANGED = "access"
"""The channel woken when a credential changes, so that no process remembers the old one."""
TOUCH_INTERVAL_US = 600 * SECOND_US

_COLUMNS = (
    "tn, id, name, prefix, roles, scopes, bindings, rate_per_minute,"
    " created_us, expires_us, revoked_us, replaces, last_used_us, root"
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret; `root` is the first key of those that replaced each other, or the key itself.

    Units: `*_us` microseconds; `rate_per_minute` None for the default.
    """

    tenant: int
    id: str
    name: str
    prefix: str
    roles: frozenset[str]
    scopes: frozenset[str]
    bindings: Mapping[str, str]
    rate_per_minute: int | None
    created_us: int
    expires_us: int | None
    revoked_us: int | None
    replaces: str | None
    last_used_us: int | None
    root: str

    def is_live(self, now_us: int) -> bool:
        """Whether the key opens anything now."""
        return self.revoked_us is None and (self.expires_us is None or now_us < self.expires_us)

    def principal(self, kind: Kind = "api_key") -> Principal:
        """Who asks when this key is shown."""
        return Principal(
            self.tenant,
            self.id,
            kind,
            self.name,
            roles=self.roles,
            scopes=scopes_of(self.roles, self.scopes),
            bindings=self.bindings,
            root=self.root,
        )


def hash_of(secret: bytes) -> str:
    """What is stored of a secret. The secret has 256 random bits, so a plain hash cannot be guessed back."""
    return hashlib.sha256(secret).hexdigest()


def new_secret() -> str:
    """A fresh key: `kgo_`, 8 characters that are shown in lists, then the secret part."""
    return f"{KEY_PREFIX}{secrets.token_hex(PREFIX_SHOWN // 2)}{secrets.token_urlsafe(RANDOM_BYTES)}"


def create_key(
    unit: Unit,
    call: Call,
    *,
    name: str,
    roles: Iterable[str] = (),
    scopes: Iterable[str] = (),
    bindings: Mapping[str, str] | None = None,
    expires_us: int | None = None,
    rate_per_minute: int | None = None,
    secret: str | None = None,
    replaces: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """Make a key; returns it and its secret, which cannot be read again.

    `secret` is only for sample data: a well-known text opens the key. The same text again returns the
    key it already opens.
    Raises: as `grants.check_grant`.
    """
    roles, scopes, bindings = frozenset(roles), frozenset(scopes), dict(bindings or {})
    check_grant(call.principal, roles, scopes, bindings)
    text = secret or new_secret()
    if secret is not None:
        known = find_by_secret(unit, secret.encode())
        if known is not None:
            return known, secret
    key_id = uuid7(SystemClock())
    old_id, root = (None, key_id) if replaces is None else (replaces.id, replaces.root)
    key = ApiKey(
        call.tenant, key_id, name, text[: len(KEY_PREFIX) + PREFIX_SHOWN], roles, scopes,
        bindings, rate_per_minute, unit.now_us, expires_us, None, old_id, None, root,
    )  # fmt: skip
    unit.execute(
        f"INSERT INTO api_key ({_COLUMNS}, hash, created_by) VALUES ({'?, ' * 15}?)",
        (
            key.tenant, key.id, key.name, key.prefix, words(roles), words(scopes), bindings_text(bindings),
            rate_per_minute, key.created_us, expires_us, None, old_id, None, root,
            hash_of(text.encode()), call.principal.id,
        ),
    )  # fmt: skip
    audit.record(unit, call, "create", kind="api_key", id=key.id)
    return key, text


def rotate_key(unit: Unit, call: Call, key_id: str, *, overlap_s: float) -> tuple[ApiKey, str]:
    """Make the successor of a key; the old one goes on for the overlap, then expires.

    Raises: NotFound KEY_NOT_FOUND; Conflict KEY_ENDED.
    """
    old = get_key(unit, call.tenant, key_id)
    if not old.is_live(unit.now_us):
        raise Conflict(KEY_ENDED, "The key has ended", field="key_id", hint="Create a new key")
    ends_us = unit.now_us + int(overlap_s * SECOND_US)
    unit.execute(
        "UPDATE api_key SET expires_us = ? WHERE tn = ? AND id = ?",
        (ends_us if old.expires_us is None else min(ends_us, old.expires_us), call.tenant, key_id),
    )
    unit.wake(CHANGED)
    audit.record(unit, call, "rotate", kind="api_key", id=key_id)
    return create_key(
        unit, call, name=old.name, roles=old.roles, scopes=old.scopes, bindings=old.bindings,
        rate_per_minute=old.rate_per_minute, expires_us=old.expires_us, replaces=old,
    )  # fmt: skip


def revoke_key(unit: Unit, call: Call, key_id: str) -> ApiKey:
    """End a key at once, everywhere; revoking again changes nothing. Raises: NotFound KEY_NOT_FOUND."""
    changed = unit.execute(
        "UPDATE api_key SET revoked_us = ? WHERE tn = ? AND id = ? AND revoked_us IS NULL",
        (unit.now_us, call.tenant, key_id),
    )
    key = get_key(unit, call.tenant, key_id)
    if changed:
        unit.wake(CHANGED)
        audit.record(unit, call, "revoke", kind="api_key", id=key_id)
    return key


def get_key(unit: Unit, tenant: int, key_id: str) -> ApiKey:
    """One key. Raises: NotFound KEY_NOT_FOUND."""
    row = unit.row(f"SELECT {_COLUMNS} FROM api_key WHERE tn = ? AND id = ?", (tenant, key_id))
    if row is None:
        raise NotFound(
            KEY_NOT_FOUND, "There is no such API key", field="key_id", hint="List the keys: kiungo keys list"
        )
    return _key_of(row)


def root_of(unit: Unit, tenant: int, principal_id: str) -> str:
    """The first key of a rotation chain: the same person under every key that came after.

    Shapes: an id that is no key's (an OAuth client, the system) stands for itself.
    """
    found: str | None = unit.value("SELECT root FROM api_key WHERE tn = ? AND id = ?", (tenant, principal_id))
    return principal_id if found is None else found


def list_keys(unit: Unit, tenant: int, *, after: str = "", count: int = 100) -> list[ApiKey]:
    """Keys in the order they were made, `after` the id of the last one seen."""
    rows = unit.rows(
        f"SELECT {_COLUMNS} FROM api_key WHERE tn = ? AND id > ? ORDER BY id LIMIT ?", (tenant, after, count)
    )
    return [_key_of(row) for row in rows]


def find_by_secret(unit: Unit, secret: bytes) -> ApiKey | None:
    """The key a secret opens, live or not."""
    row = unit.row(f"SELECT {_COLUMNS} FROM api_key WHERE hash = ?", (hash_of(secret),))
    return None if row is None else _key_of(row)


def touch_key(unit: Unit, tenant: int, key_id: str) -> None:
    """Remember that the key was used, at most once in ten minutes."""
    unit.execute(
        "UPDATE api_key SET last_used_us = ? WHERE tn = ? AND id = ? AND (last_used_us IS NULL OR last_used_us < ?)",
        (unit.now_us, tenant, key_id, unit.now_us - TOUCH_INTERVAL_US),
    )


def _key_of(row: tuple[Any, ...]) -> ApiKey:
    tenant, key_id, name, prefix, roles, scopes, bindings, *rest = row
    return ApiKey(
        tenant, key_id, name, prefix, frozenset(roles.split()), frozenset(scopes.split()),
        bindings_of(bindings), *rest,
    )  # fmt: skip
