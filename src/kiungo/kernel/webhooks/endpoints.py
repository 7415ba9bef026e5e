"""Endpoints in the database: register, change, rotate the secret, disable, delete, find."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from kiungo.base.errors import Conflict, Incorrect, NotFound, define
from kiungo.base.time import SECOND_US
from kiungo.kernel import json
from kiungo.kernel.database import Unit
from kiungo.kernel.secrets import Secrets
from kiungo.kernel.webhooks.model import Endpoint, Target
from kiungo.kernel.webhooks.signatures import key_of

WEBHOOK_NOT_FOUND = define("WEBHOOK_NOT_FOUND", NotFound, "There is no webhook endpoint with this id.")
WEBHOOK_EXISTS = define("WEBHOOK_EXISTS", Conflict, "This owner has a webhook endpoint with this URL already.")
WEBHOOK_EVENT_UNKNOWN = define("WEBHOOK_EVENT_UNKNOWN", Incorrect, "A webhook asks for an event that does not exist.")
WEBHOOK_TOO_MANY = define("WEBHOOK_TOO_MANY", Conflict, "The owner has as many webhook endpoints as allowed.")

ENDPOINTS_PER_OWNER_MAX = 50
LIST_MAX = 500
OVERLAP_S = 86_400.0
_COLUMNS = "tn, id, owner, url, events, active, disabled_reason, overlap_until_us, created_us, updated_us"


@dataclass(frozen=True, slots=True)
class Change:
    """What to change on an endpoint; None leaves it."""

    url: str | None = None
    events: tuple[str, ...] | None = None
    active: bool | None = None


def check_events(events: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    """The events without repeats. Raises: Incorrect WEBHOOK_EVENT_UNKNOWN, also for an empty list."""
    unknown = [event for event in events if event not in known]
    if unknown or not events:
        raise Incorrect(
            WEBHOOK_EVENT_UNKNOWN,
            f"{unknown[0]!r} is not an event" if unknown else "The list of events is empty",
            field="events",
            hint=f"Choose from: {', '.join(sorted(known))}",
        )
    return tuple(dict.fromkeys(events))


def insert(unit: Unit, secrets: Secrets, endpoint: Endpoint, secret: str) -> None:
    """Add an endpoint with its sealed secret. Raises: Conflict WEBHOOK_EXISTS, WEBHOOK_TOO_MANY."""
    unit.lock(f"webhook-owner/{endpoint.tenant}/{endpoint.owner}")
    urls = unit.rows(
        "SELECT url FROM webhook_endpoint WHERE tn = ? AND owner = ? AND deleted_us IS NULL",
        (endpoint.tenant, endpoint.owner),
    )
    if (endpoint.url,) in urls:
        raise _exists()
    if len(urls) >= ENDPOINTS_PER_OWNER_MAX:
        raise Conflict(
            WEBHOOK_TOO_MANY,
            f"There are {ENDPOINTS_PER_OWNER_MAX} webhook endpoints already",
            field="webhook_url",
            hint="Delete those no longer used",
        )
    unit.execute(
        "INSERT INTO webhook_endpoint (tn, id, owner, url, events, active, created_us, updated_us)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            endpoint.tenant, endpoint.id, endpoint.owner, endpoint.url, _join(endpoint.events),
            int(endpoint.active), endpoint.created_us, endpoint.updated_us,
        ),
    )  # fmt: skip
    secrets.put(unit, endpoint.tenant, _current(endpoint.id), secret.encode())


def get(unit: Unit, tenant: int, endpoint_id: str) -> Endpoint:
    """One endpoint. Raises: NotFound WEBHOOK_NOT_FOUND, also for a deleted one."""
    row = unit.row(
        f"SELECT {_COLUMNS} FROM webhook_endpoint WHERE tn = ? AND id = ? AND deleted_us IS NULL",
        (tenant, endpoint_id),
    )
    if row is None:
        raise not_found(endpoint_id)
    return _endpoint(row)


def listed(unit: Unit, tenant: int, *, owner: str | None = None, after: str = "", limit: int = 100) -> list[Endpoint]:
    """Endpoints in the order of their ids, which is that of their making; one owner's, or all."""
    condition, parameters = ("AND owner = ?", (owner,)) if owner is not None else ("", ())
    rows = unit.rows(
        f"SELECT {_COLUMNS} FROM webhook_endpoint WHERE tn = ? AND deleted_us IS NULL AND id > ? {condition}"
        " ORDER BY id LIMIT ?",
        (tenant, after, *parameters, min(limit, LIST_MAX)),
    )
    return [_endpoint(row) for row in rows]


def change(unit: Unit, endpoint: Endpoint, wanted: Change) -> Endpoint:
    """Change an endpoint; making it active again clears why it was disabled. Raises: Conflict WEBHOOK_EXISTS.

    A wait its receiver asked for ends: who changes an endpoint wants to hear from it.
    """
    url = endpoint.url if wanted.url is None else wanted.url
    events = endpoint.events if wanted.events is None else wanted.events
    active = endpoint.active if wanted.active is None else wanted.active
    reason = None if active else (endpoint.disabled_reason or "switched off by its owner")
    taken = unit.row(
        "SELECT id FROM webhook_endpoint WHERE tn = ? AND owner = ? AND url = ? AND id <> ? AND deleted_us IS NULL",
        (endpoint.tenant, endpoint.owner, url, endpoint.id),
    )
    if taken is not None:
        raise _exists()
    unit.execute(
        "UPDATE webhook_endpoint SET url = ?, events = ?, active = ?, disabled_reason = ?, updated_us = ?,"
        " resume_us = 0 WHERE tn = ? AND id = ?",
        (url, _join(events), int(active), reason, unit.now_us, endpoint.tenant, endpoint.id),
    )
    return get(unit, endpoint.tenant, endpoint.id)


def disable(unit: Unit, tenant: int, endpoint_id: str, reason: str) -> None:
    """Stop delivering; what is due stays due until the endpoint is made active again."""
    unit.execute(
        "UPDATE webhook_endpoint SET active = 0, disabled_reason = ?, updated_us = ? WHERE tn = ? AND id = ?",
        (reason, unit.now_us, tenant, endpoint_id),
    )


def wanting(unit: Unit, tenant: int, owner: str, event: str) -> list[tuple[str, bool]]:
    """The owner's endpoints that want an event, and whether each is active.

    Asked anew each time: what was registered before an event, by whatever process, hears of it.
    """
    rows = unit.rows(
        "SELECT id, events, active FROM webhook_endpoint"
        " WHERE tn = ? AND owner = ? AND deleted_us IS NULL AND url > ''",
        (tenant, owner),
    )  # the url, and no order of ids, so that the owner's are read by their index and not everybody's by the key
    return sorted((endpoint_id, bool(active)) for endpoint_id, events, active in rows if event in json.loads(events))


def pause(unit: Unit, tenant: int, endpoint_id: str, until_us: int) -> None:
    """Deliver nothing until a moment, because the receiver asked for it."""
    unit.execute(
        "UPDATE webhook_endpoint SET resume_us = ? WHERE tn = ? AND id = ? AND resume_us < ?",
        (until_us, tenant, endpoint_id, until_us),
    )


def rotate_secret(unit: Unit, secrets: Secrets, endpoint: Endpoint, secret: str, *, overlap_s: float) -> int:
    """Sign with a new secret, and for a while with the old one too; returns when the overlap ends, in us."""
    until_us = unit.now_us + int(overlap_s * SECOND_US)
    earlier = secrets.get(unit, endpoint.tenant, _current(endpoint.id))
    secrets.put(unit, endpoint.tenant, _previous(endpoint.id), earlier)
    secrets.put(unit, endpoint.tenant, _current(endpoint.id), secret.encode())
    unit.execute(
        "UPDATE webhook_endpoint SET overlap_until_us = ?, updated_us = ? WHERE tn = ? AND id = ?",
        (until_us, unit.now_us, endpoint.tenant, endpoint.id),
    )
    return until_us


def delete(unit: Unit, secrets: Secrets, endpoint: Endpoint) -> None:
    """Remove an endpoint and its secrets; what was still due becomes a dead letter, the log stays."""
    unit.execute(
        "UPDATE webhook_endpoint SET deleted_us = ?, active = 0, updated_us = ? WHERE tn = ? AND id = ?",
        (unit.now_us, unit.now_us, endpoint.tenant, endpoint.id),
    )
    for name in (_current(endpoint.id), _previous(endpoint.id)):
        secrets.delete(unit, endpoint.tenant, name)
    unit.execute(
        "UPDATE webhook_delivery SET state = 'dead', settled_us = ?, reason = 'the endpoint was deleted'"
        " WHERE tn = ? AND endpoint = ? AND state = 'due'",
        (unit.now_us, endpoint.tenant, endpoint.id),
    )


def target_of(unit: Unit, secrets: Secrets, tenant: int, endpoint_id: str) -> Target | None:
    """Where to deliver and how to sign at this moment; None when the endpoint is inactive or deleted."""
    row = unit.row(
        "SELECT url, overlap_until_us, resume_us FROM webhook_endpoint"
        " WHERE tn = ? AND id = ? AND active = 1 AND deleted_us IS NULL",
        (tenant, endpoint_id),
    )
    if row is None:
        return None
    names = [_current(endpoint_id)]
    if row[1] > unit.now_us:
        names.append(_previous(endpoint_id))
    return Target(row[0], tuple(key_of(secrets.get(unit, tenant, name).decode()) for name in names), row[2])


def not_found(endpoint_id: str) -> NotFound:
    """The error for an endpoint that is not there, or not for this caller."""
    return NotFound(
        WEBHOOK_NOT_FOUND,
        f"There is no webhook {endpoint_id[:64]!r}",
        field="webhook_id",
        hint="List the webhooks with GET /api/webhooks/",
    )


def _exists() -> Conflict:
    return Conflict(
        WEBHOOK_EXISTS,
        "This URL is registered already for this owner",
        field="webhook_url",
        hint="Change the existing webhook with PATCH, or delete it first",
    )


def _endpoint(row: tuple[Any, ...]) -> Endpoint:
    return Endpoint(
        tenant=row[0],
        id=row[1],
        owner=row[2],
        url=row[3],
        events=tuple(json.loads(row[4])),
        active=bool(row[5]),
        disabled_reason=row[6],
        overlap_until_us=row[7],
        created_us=row[8],
        updated_us=row[9],
    )


def _join(events: Sequence[str]) -> str:
    return json.dumps(list(events)).decode()


def _current(endpoint_id: str) -> str:
    return f"webhook/{endpoint_id}/current"


def _previous(endpoint_id: str) -> str:
    return f"webhook/{endpoint_id}/previous"
