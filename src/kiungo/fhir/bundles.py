"""Bundles made by joining bytes: stored bodies go into the answer as they are."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from kiungo.base.time import iso_millis
from kiungo.fhir.model import METHODS, Stored
from kiungo.fhir.outcome import remark
from kiungo.kernel import json

STATUS_TEXT = {
    200: "200 OK",
    201: "201 Created",
    204: "204 No Content",
    304: "304 Not Modified",
    400: "400 Bad Request",
    401: "401 Unauthorized",
    403: "403 Forbidden",
    404: "404 Not Found",
    409: "409 Conflict",
    410: "410 Gone",
    412: "412 Precondition Failed",
    422: "422 Unprocessable Entity",
    501: "501 Not Implemented",
}


def bundle(
    kind: str, entries: Iterable[bytes], *, links: Iterable[tuple[str, str]] = (), total: int | None = None
) -> bytes:
    """A Bundle of finished entries."""
    parts = [b'{"resourceType":"Bundle","type":"%b"' % kind.encode()]
    if total is not None:
        parts.append(b',"total":%d' % total)
    given = [{"relation": relation, "url": url} for relation, url in links]
    if given:
        parts.append(b',"link":' + json.dumps(given))
    body = b",".join(entries)
    if body:
        parts.append(b',"entry":[' + body + b"]")
    return b"".join(parts) + b"}"


@lru_cache(maxsize=512)
def _url(base: str, type_name: str) -> bytes:
    return f"{base}/{type_name}/".encode()


def search_entry(base: str, stored: Stored, mode: bytes) -> bytes:
    """One match or included resource of a searchset."""
    return b'{"fullUrl":"%b%b","resource":%b,"search":{"mode":"%b"}}' % (
        _url(base, stored.type),
        stored.id.encode(),
        stored.body,
        mode,
    )


def outcome_entry(issues: list[dict[str, Any]]) -> bytes:
    """Several things the searcher should know."""
    return b'{"resource":%b,"search":{"mode":"outcome"}}' % json.dumps(
        {"resourceType": "OperationOutcome", "issue": issues}
    )


def remark_entry(code: str, text: str) -> bytes:
    """Something the searcher should know, as an OperationOutcome beside the matches."""
    return b'{"resource":%b,"search":{"mode":"outcome"}}' % json.dumps(remark("warning", code, text))


def history_entry(base: str, stored: Stored) -> bytes:
    """One version in a history: how it was made, and what the answer was."""
    method = METHODS[stored.method]
    url = stored.type if method == "POST" else f"{stored.type}/{stored.id}"
    status = 204 if stored.deleted else 201 if stored.version == 1 else 200
    request = json.dumps({"method": method, "url": url})
    full_url = _url(base, stored.type) + stored.id.encode()
    resource = b"" if stored.deleted else b'"resource":%b,' % stored.body
    return b'{"fullUrl":"%b",%b"request":%b,"response":%b}' % (
        full_url,
        resource,
        request,
        json.dumps(response_of(status, stored)),
    )


def refusal(status: int, outcome: dict[str, Any]) -> bytes:
    """The entry of an interaction that was refused."""
    said = {"status": STATUS_TEXT.get(status, str(status)), "outcome": outcome}
    return b'{"response":%b}' % json.dumps(said)


def response_of(status: int, stored: Stored | None) -> dict[str, str]:
    """Bundle.entry.response of one interaction."""
    found = {"status": STATUS_TEXT.get(status, str(status))}
    if stored is not None:
        found["location"] = f"{stored.type}/{stored.id}/_history/{stored.version}"
        found["etag"] = f'W/"{stored.version}"'
        found["lastModified"] = iso_millis(stored.updated_us)
    return found
