"""Repeated writes: the first answer is kept beside its effect, and given again.

The key row is inserted before the effect, in the same unit of work. Two requests with one key therefore
meet at that row: the database makes the second wait until the first has committed, then it reads the
kept answer. A unit that fails leaves no key row, so its repeat runs.
"""

import hashlib
import re
from collections.abc import Callable

from kiungo.base.errors import Conflict, Incorrect, define
from kiungo.base.time import SECOND_US
from kiungo.kernel import json
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http.messages import HeaderPairs, Request, Response
from kiungo.kernel.secrets import Keyring

IDEMPOTENCY_KEY_SHAPE = define(
    "IDEMPOTENCY_KEY_SHAPE", Incorrect, "An Idempotency-Key is not 1 to 200 visible ASCII characters."
)
IDEMPOTENCY_BODY_DIFFERS = define(
    "IDEMPOTENCY_BODY_DIFFERS", Conflict, "The Idempotency-Key was used before with another request.", http=422
)

REPLAYED = (b"idempotency-replayed", b"true")
PURGE_BATCH = 5_000
_KEY = re.compile(rb"[\x21-\x7e]{1,200}\Z")
Work = Callable[[Unit], Response]
Name = tuple[int, str, str, str]
"""Tenant, owner, route and key."""


class Keeper:
    """Runs writes, with their kept answers. One for a site; `keyring` encrypts answers that hold a secret."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    async def write(self, request: Request, work: Work, *, brief: bool = False) -> Response:
        """See `Request.write`."""
        name = _name_of(request)
        if name is None:
            return await self._database.write_async(work, brief=brief)
        body_hash = hash_of_request(request)
        return await self._database.write_async(lambda unit: self._once(unit, name, body_hash, work), brief=brief)

    async def find(self, request: Request) -> Response | None:
        """See `Request.kept`."""
        name = _name_of(request)
        if name is None:
            return None
        body_hash = hash_of_request(request)
        return await self._database.point_read(lambda unit: self._kept(unit, name, body_hash))

    def _once(self, unit: Unit, name: Name, body_hash: str, work: Work) -> Response:
        first = unit.execute(
            "INSERT INTO idempotency (tn, owner, route, key, body_hash, at_us) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (tn, owner, route, key) DO NOTHING",
            (*name, body_hash, unit.now_us),
        )
        if not first:
            kept = self._kept(unit, name, body_hash)
            if kept is None:
                raise AssertionError("a committed idempotency key has no answer")
            return kept
        answer = work(unit)
        body = answer.body
        if answer.holds_secret:
            body = self._keyring.seal(name[0], _sealed_name(name), body).encode("ascii")
        unit.execute(
            "UPDATE idempotency SET status = ?, media_type = ?, headers = ?, body = ?, sealed = ?"
            " WHERE tn = ? AND owner = ? AND route = ? AND key = ?",
            (
                answer.status, answer.media_type.decode("ascii"), _headers_text(answer.headers), body,
                int(answer.holds_secret), *name,
            ),
        )  # fmt: skip
        return answer

    def _kept(self, unit: Unit, name: Name, body_hash: str) -> Response | None:
        row = unit.row(
            "SELECT body_hash, status, media_type, headers, body, sealed FROM idempotency"
            " WHERE tn = ? AND owner = ? AND route = ? AND key = ?",
            name,
        )
        if row is None or row[1] is None:
            return None
        kept_hash, status, media_type, headers, body, sealed = row
        refuse_other(kept_hash, body_hash)
        body = bytes(body)
        if sealed:
            body = self._keyring.open(name[0], _sealed_name(name), body.decode("ascii"))
        pairs = (*_headers_of(headers), REPLAYED)
        return Response(status, body, pairs, media_type=media_type.encode("ascii"))


def _name_of(request: Request) -> Name | None:
    """Under which name the answer is kept; None without a key. Raises: Incorrect IDEMPOTENCY_KEY_SHAPE."""
    raw = request.raw_headers.get(b"idempotency-key")
    if raw is None:
        return None
    return request.call.tenant, owner_of(request), f"{request.method} {request.template}", read_key(raw)


def read_key(raw: bytes) -> str:
    """The key of a header. Raises: Incorrect IDEMPOTENCY_KEY_SHAPE."""
    if not _KEY.match(raw):
        raise Incorrect(
            IDEMPOTENCY_KEY_SHAPE,
            "The Idempotency-Key is not 1 to 200 visible ASCII characters",
            field="Idempotency-Key",
            hint="Use a UUID",
        )
    return raw.decode("ascii")


def refuse_other(first: str, now: str) -> None:
    """Refuse a key whose first request was another one. Raises: Conflict IDEMPOTENCY_BODY_DIFFERS."""
    if first != now:
        raise Conflict(
            IDEMPOTENCY_BODY_DIFFERS,
            "This Idempotency-Key was used before with another request",
            field="Idempotency-Key",
            hint="Use a new key for a new request, and the same key only for the very same one",
        )


def owner_of(request: Request) -> str:
    """Whose key it is: the principal's, also when its credential was rotated; on open routes the named provider's."""
    principal = request.call.principal
    if not principal.is_anonymous:
        return f"{principal.kind}:{principal.root}"
    return "provider:" + request.raw_headers.get(b"x-provider-id", b"").decode("latin-1")[:200]


def hash_of_request(request: Request) -> str:
    """What must be the same in a repeat: path, query and body."""
    hashed = hashlib.sha256(request.path.encode("utf-8", "surrogatepass"))
    hashed.update(b"?" + request.raw_query + b"\n")
    hashed.update(request.body)
    return hashed.hexdigest()


def purge_answers(unit: Unit, *, days: int) -> int:
    """Forget answers older than this, a batch at a time; returns how many. For a schedule."""
    before_us = unit.now_us - days * 86_400 * SECOND_US
    return unit.execute(
        "DELETE FROM idempotency WHERE (tn, owner, route, key) IN"
        " (SELECT tn, owner, route, key FROM idempotency WHERE at_us < ? ORDER BY at_us LIMIT ?)",
        (before_us, PURGE_BATCH),
    )


def _sealed_name(name: Name) -> str:
    return "idempotency/" + hashlib.sha256("\x00".join(name[1:]).encode()).hexdigest()


def _headers_text(headers: HeaderPairs) -> str:
    return json.dumps([[name.decode("latin-1"), value.decode("latin-1")] for name, value in headers]).decode()


def _headers_of(text: str) -> HeaderPairs:
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in json.loads(text))
