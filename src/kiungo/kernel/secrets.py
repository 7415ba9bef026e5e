"""Secrets at rest: sealed with AES-256-GCM, bound to their tenant and name, re-sealed when the key changes.

    keyring  = open_keyring(settings, data_dir, create=True)
    secrets  = Secrets(keyring)
    secrets.put(unit, 1, "webhook/abc/current", b"...")
    secrets.get(unit, 1, "webhook/abc/current")

The first key of the keyring seals; every key opens. To change the key, put the new one in front, run
`rotate` until it returns 0, and take the old one out.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kiungo.base.errors import Fault, Incorrect, NotFound, define
from kiungo.kernel.database import Unit

SECRETS_KEY_MISSING = define(
    "SECRETS_KEY_MISSING", Incorrect, "KIUNGO_SECRETS_KEY is not set, and secrets are never stored unsealed."
)
SECRETS_KEY_MALFORMED = define(
    "SECRETS_KEY_MALFORMED", Incorrect, "KIUNGO_SECRETS_KEY is not a list of id:key with 32-byte keys."
)
SECRET_NOT_FOUND = define("SECRET_NOT_FOUND", NotFound, "No secret is kept under this name.")
SECRET_UNREADABLE = define(
    "SECRET_UNREADABLE", Fault, "A sealed secret does not open: its key is missing, or it was altered or moved."
)

KEY_BYTES = 32
NONCE_BYTES = 12
SECRET_BYTES_MAX = 64_000
ROTATE_BATCH = 500
_KEY_ID = re.compile(r"[a-z0-9-]{1,32}\Z", re.ASCII)
_VERSION = "v1"


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys that open secrets; `primary` is the one that seals. Shapes: keys of exactly 32 bytes."""

    primary: str
    keys: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"Keyring(primary={self.primary!r}, {len(self.keys)} keys)"

    def seal(self, tenant: int, name: str, value: bytes) -> str:
        """Encrypt a value for exactly this tenant and name; returns `v1.<key id>.<base64url>`.

        Raises: ValueError, when it is too long.
        """
        if len(value) > SECRET_BYTES_MAX:
            raise ValueError(f"a secret has at most {SECRET_BYTES_MAX} bytes")
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(self.keys[self.primary]).encrypt(nonce, value, _bound_to(tenant, name))
        return f"{_VERSION}.{self.primary}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, tenant: int, name: str, envelope: str) -> bytes:
        """Decrypt an envelope sealed for this tenant and name. Raises: Fault SECRET_UNREADABLE."""
        version, _, rest = envelope.partition(".")
        key_id, _, text = rest.partition(".")
        key = self.keys.get(key_id)
        if version != _VERSION or key is None:
            raise Fault(
                SECRET_UNREADABLE,
                f"The secret {name!r} is sealed with key {key_id!r}, which is not in the keyring",
                hint="Add that key to KIUNGO_SECRETS_KEY, behind the present one",
            )
        try:
            raw = base64.urlsafe_b64decode(text)
            return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bound_to(tenant, name))
        except (InvalidTag, binascii.Error, ValueError):
            raise Fault(
                SECRET_UNREADABLE,
                f"The secret {name!r} does not open: altered, moved from another place, or a wrong key",
                hint="Set the secret again",
            ) from None


def parse_keyring(text: str) -> Keyring:
    """Read `KIUNGO_SECRETS_KEY`: `id:base64key[,id:base64key...]`, the first one seals.

    Raises: Incorrect SECRETS_KEY_MALFORMED, which never repeats the key.
    """
    keys: dict[str, bytes] = {}
    for part in text.split(","):
        key_id, _, encoded = part.strip().partition(":")
        try:
            key = base64.b64decode(encoded.strip().replace("-", "+").replace("_", "/"), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not _KEY_ID.match(key_id) or len(key) != KEY_BYTES or key_id in keys:
            raise Incorrect(
                SECRETS_KEY_MALFORMED,
                f"Entry {len(keys) + 1} of KIUNGO_SECRETS_KEY is not id:key with a 32-byte base64 key",
                field="KIUNGO_SECRETS_KEY",
                hint="Make one with: kiungo secrets new-key",
            )
        keys[key_id] = key
    return Keyring(next(iter(keys)), keys)


def new_key(key_id: str = "k1") -> str:
    """A fresh random key in the form `parse_keyring` reads."""
    return f"{key_id}:{base64.b64encode(os.urandom(KEY_BYTES)).decode()}"


def open_keyring(setting: str | None, data_dir: Path, *, create: bool) -> Keyring:
    """The keyring of the setting; without one, in development, that of a key file made on first use.

    Raises: Incorrect SECRETS_KEY_MISSING when there is neither and `create` is off; SECRETS_KEY_MALFORMED.
    """
    if setting and setting.strip():
        return parse_keyring(setting)
    if not create:
        raise Incorrect(
            SECRETS_KEY_MISSING,
            "KIUNGO_SECRETS_KEY is not set",
            field="KIUNGO_SECRETS_KEY",
            hint="Make one with `kiungo secrets new-key` and keep it outside the database's backups",
        )
    return parse_keyring(_key_file(data_dir / "secrets.key"))


def _key_file(path: Path) -> str:
    """Read the key file, or make it, readable by its owner alone.

    It is written aside and linked into place whole, so of two makers at once both read the same key.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(new_key())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(aside, path)
        except FileExistsError:
            pass  # another process made it first: its key is the one to read
        finally:
            aside.unlink()
    return path.read_text(encoding="ascii")


class Secrets:
    """Named secrets of each tenant, in the table `secret`, sealed by a keyring."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def put(self, unit: Unit, tenant: int, name: str, value: bytes) -> None:
        """Keep a value under a name, in place of any earlier one."""
        envelope = self._keyring.seal(tenant, name, value)
        unit.execute(
            "INSERT INTO secret (tn, name, envelope, key_id, updated_us) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (tn, name) DO UPDATE SET envelope = excluded.envelope,"
            " key_id = excluded.key_id, updated_us = excluded.updated_us",
            (tenant, name, envelope, self._keyring.primary, unit.now_us),
        )

    def find(self, unit: Unit, tenant: int, name: str) -> bytes | None:
        """The value under a name, or None. Raises: Fault SECRET_UNREADABLE."""
        envelope = unit.value("SELECT envelope FROM secret WHERE tn = ? AND name = ?", (tenant, name))
        return None if envelope is None else self._keyring.open(tenant, name, envelope)

    def get(self, unit: Unit, tenant: int, name: str) -> bytes:
        """The value under a name. Raises: NotFound SECRET_NOT_FOUND; Fault SECRET_UNREADABLE."""
        value = self.find(unit, tenant, name)
        if value is None:
            raise NotFound(SECRET_NOT_FOUND, f"No secret is kept under {name!r}", hint="Set it first")
        return value

    def delete(self, unit: Unit, tenant: int, name: str) -> bool:
        """Forget a secret; returns whether there was one."""
        return unit.execute("DELETE FROM secret WHERE tn = ? AND name = ?", (tenant, name)) > 0

    def rotate(self, unit: Unit, *, limit: int = ROTATE_BATCH) -> int:
        """Seal again, with the primary key, secrets sealed with another; returns how many it did.

        Call it in units of their own until it returns 0; only then may the old key leave the keyring.
        """
        rows = unit.rows(
            "SELECT tn, name, envelope FROM secret WHERE key_id <> ? ORDER BY tn, name LIMIT ?",
            (self._keyring.primary, limit),
        )
        for tenant, name, envelope in rows:
            self.put(unit, tenant, name, self._keyring.open(tenant, name, envelope))
        return len(rows)


def _bound_to(tenant: int, name: str) -> bytes:
    return f"kiungo-secret\x00{tenant}\x00{name}".encode()
