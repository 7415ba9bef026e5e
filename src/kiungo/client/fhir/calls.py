"""FHIR's interactions as calls, for both clients: what is sent, what is checked before, what is read from the answer.

Source: FHIR R4 3.1.0 (RESTful API).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from kiungo import __version__
from kiungo.client.fhir.capabilities import Capabilities, read_capabilities
from kiungo.client.fhir.credentials import Credentials
from kiungo.client.fhir.errors import RefusedByServer, issues_of
from kiungo.client.fhir.retries import Retries, persist
from kiungo.client.steps import Ask, Reply, Steps

Resource = dict[str, Any]
Query = Mapping[str, str | int | Iterable[str]] | Iterable[tuple[str, str]]
FHIR_JSON = "application/fhir+json"
JSON_PATCH = "application/json-patch+json"
FORM_FROM = 1_500
"""Characters of a query beyond which a search is sent as a form: addresses are cut off and logged on the way."""

_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Written:
    """A resource as the server keeps it now. Shapes: `version` is its version id."""

    resource: Resource
    version: str
    is_new: bool


class FhirCalls:
    """One server and one caller."""

    def __init__(self, base_url: str, credentials: Credentials | None, retries: Retries, checks: bool) -> None:
        self.base_url = base_url.rstrip("/")
        self._credentials = credentials
        self._retries = retries
        self._checks = checks
        self._known: Capabilities | None = None

    def capabilities(self) -> Steps[Capabilities]:
        if self._known is None:
            reply = yield from self._send("GET", "/metadata")
            self._known = read_capabilities(_resource(reply))
        return self._known

    def read(self, type_name: str, id: str, version: str | None) -> Steps[Resource]:
        yield from self._require("vread" if version else "read", type_name)
        tail = f"/_history/{quote(version, safe='')}" if version else ""
        return _resource((yield from self._send("GET", _path(type_name, id) + tail)))

    def create(self, resource: Resource, if_none_exist: Query | None) -> Steps[Written]:
        type_name = _type_of(resource)
        yield from self._require("create", type_name)
        headers = {"If-None-Exist": urlencode(pairs_of(if_none_exist))} if if_none_exist is not None else {}
        reply = yield from self._send("POST", f"/{type_name}", resource, headers)
        return (yield from self._written(reply, ""))

    def update(self, resource: Resource, where: Query | None, if_match: str | None) -> Steps[Written]:
        type_name = _type_of(resource)
        yield from self._require("update", type_name)
        path = f"/{type_name}" if where is not None else _path(type_name, str(resource["id"]))
        headers = {"If-Match": f'W/"{if_match}"'} if if_match else {}
        query = pairs_of(where) if where is not None else ()
        return (yield from self._written((yield from self._send("PUT", path, resource, headers, query)), path))

    def patch(self, type_name: str, id: str, patch: object, if_match: str | None) -> Steps[Written]:
        yield from self._require("patch", type_name)
        headers = {"If-Match": f'W/"{if_match}"'} if if_match else {}
        if not isinstance(patch, Mapping):
            headers["Content-Type"] = JSON_PATCH
        path = _path(type_name, id)
        return (yield from self._written((yield from self._send("PATCH", path, patch, headers)), path))

    def delete(self, type_name: str, id: str | None, where: Query | None) -> Steps[None]:
        yield from self._require("delete", type_name)
        path = _path(type_name, id) if id is not None else f"/{type_name}"
        yield from self._send("DELETE", path, query=pairs_of(where) if where is not None else ())

    def search(self, type_name: str, query: Query) -> Steps[Resource]:
        """The first page."""
        asked = pairs_of(query)
        yield from self._require("search-type", type_name)
        if self._checks:
            (yield from self.capabilities()).require_parameters(type_name, [name for name, _ in asked])
        if len(form := urlencode(asked)) > FORM_FROM:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            return _resource((yield from self._send("POST", f"/{type_name}/_search", form.encode(), headers)))
        return _resource((yield from self._send("GET", f"/{type_name}", query=asked)))

    def history(self, type_name: str | None, id: str | None, query: Query) -> Steps[Resource]:
        level = "history-instance" if id else "history-type" if type_name else "history-system"
        yield from self._require(level, type_name)
        where = _path(type_name, id) if type_name and id else f"/{type_name}" if type_name else ""
        return _resource((yield from self._send("GET", f"{where}/_history", query=pairs_of(query))))

    def page_after(self, bundle: Resource) -> Steps[Resource | None]:
        """The page a bundle links to; credentials are sent to the server they are for, and to no other.

        Raises: RefusedByServer.
        """
        url = next((link["url"] for link in bundle.get("link", ()) if link.get("relation") == "next"), None)
        if url is None:
            return None
        if not urlsplit(url).netloc:
            url = f"{self.base_url}/{url.lstrip('/')}"
        if urlsplit(url)[:2] != urlsplit(self.base_url)[:2]:
            raise RefusedByServer(200, (), f"The next page is on another server, {urlsplit(url).netloc}")
        return _resource((yield from self._send("GET", url)))

    def bundle(self, kind: str, entries: Iterable[Mapping[str, Any]]) -> Steps[list[Resource]]:
        yield from self._require(kind, None)
        body = {"resourceType": "Bundle", "type": kind, "entry": list(entries)}
        answer = _resource((yield from self._send("POST", "", body)))
        found: list[Resource] = answer.get("entry", [])
        return found

    def operation(
        self, name: str, type_name: str | None, id: str | None, given: Resource | None, query: Query
    ) -> Steps[Resource]:
        """With a resource it is posted; without one it is asked for by GET."""
        if self._checks:
            (yield from self.capabilities()).require_operation(name, type_name)
        where = _path(type_name, id) if type_name and id else f"/{type_name}" if type_name else ""
        method = "GET" if given is None else "POST"
        return _resource((yield from self._send(method, f"{where}/${name}", given, query=pairs_of(query))))

    def _require(self, interaction: str, type_name: str | None) -> Steps[None]:
        if self._checks:
            (yield from self.capabilities()).require(interaction, type_name)

    def _written(self, reply: Reply, path: str) -> Steps[Written]:
        """What was stored; a server that sends nothing back is asked for it."""
        version = reply.headers.get("etag", "").removeprefix("W/").strip('"')
        if reply.body:
            resource = _resource(reply)
            version = version or str(resource.get("meta", {}).get("versionId", ""))
        else:
            where = reply.headers.get("location", path).partition("/_history/")[0]
            resource = _resource((yield from self._send("GET", where if "://" in where else f"/{where.lstrip('/')}")))
        return Written(resource, version, reply.status == 201)

    def _send(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        query: tuple[tuple[str, str], ...] = (),
    ) -> Steps[Reply]:
        sent = {"Accept": FHIR_JSON, "User-Agent": f"kiungo-client/{__version__}"}
        content = body if isinstance(body, bytes | None) else _encoder.encode(body)
        if content is not None:
            sent |= {"Content-Type": FHIR_JSON, "Prefer": "return=representation"}
        sent |= headers or {}
        url = path if "://" in path else self.base_url + path
        reply = yield from self._as_caller(Ask(method, url, sent, content, query))
        if reply.status == 401 and self._credentials and self._credentials.renew():
            reply = yield from self._as_caller(Ask(method, url, sent, content, query))
        if reply.status >= 400:
            raise RefusedByServer(reply.status, issues_of(_parsed(reply.body)), f"{method} {urlsplit(url).path}")
        return reply

    def _as_caller(self, ask: Ask) -> Steps[Reply]:
        who = (yield from self._credentials.headers(self._retries)) if self._credentials else {}
        return (yield from persist(replace(ask, headers={**ask.headers, **who}), self._retries))


def pairs_of(query: Query) -> tuple[tuple[str, str], ...]:
    """A query as pairs; a list of values repeats its name, so that all of them must hold."""
    if not isinstance(query, Mapping):
        return tuple((name, value) for name, value in query)
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        several = [str(value)] if isinstance(value, str | int) else value
        pairs += [(name, one) for one in several]
    return tuple(pairs)


def _path(type_name: str, id: str) -> str:
    return f"/{type_name}/{quote(id, safe='')}"


def _type_of(resource: Mapping[str, Any]) -> str:
    return str(resource["resourceType"])


def _parsed(body: bytes) -> Any:
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _resource(reply: Reply) -> Resource:
    found = _parsed(reply.body)
    if not isinstance(found, dict):
        raise RefusedByServer(reply.status, (), "The answer is not a FHIR resource in JSON")
    return found
