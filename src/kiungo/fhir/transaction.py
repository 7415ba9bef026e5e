"""Batch and transaction bundles: entries are prepared outside the unit of work and decided inside it.

A transaction is all or nothing, in FHIR's order: deletes, creates, updates, then reads. A batch gives each
entry its own savepoint and its own answer.
Source: FHIR R4 3.1.0.11 (batch/transaction).
"""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import msgspec

from kiungo.base.errors import Conflict, Detail, Incorrect, KiungoError, define
from kiungo.fhir import bundles
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.model import RESOURCE_TYPE_WRONG, Prepared, Stored
from kiungo.fhir.outcome import outcome_of
from kiungo.fhir.prepare import prepare
from kiungo.fhir.search.query import Params
from kiungo.fhir.search.values import split_reference
from kiungo.fhir.store import Store
from kiungo.kernel import json
from kiungo.kernel.auth.decision import require
from kiungo.kernel.auth.principal import Call

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

BUNDLE_WRONG = define("BUNDLE_WRONG", Incorrect, "A batch or transaction bundle, or one of its entries, is not one.")
BUNDLE_REFERENCE = define(
    "BUNDLE_REFERENCE", Conflict, "A conditional reference in a transaction matches nothing or too much.", http=412
)

ENTRIES_MAX = 2_000
_ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "GET": 3, "HEAD": 3}
_INTERACTIONS = {"DELETE": "d", "POST": "c", "PUT": "u", "GET": "r", "HEAD": "r"}
_REFERENCE = re.compile(rb'("reference"\s*:\s*")((?:[^"\\]|\\.)*)(")')


class RequestPart(msgspec.Struct):
    """Bundle.entry.request."""

    method: str
    url: str
    ifNoneExist: str | None = None
    ifMatch: str | None = None
    ifNoneMatch: str | None = None


class EntryPart(msgspec.Struct):
    """Bundle.entry, its resource still as received."""

    request: RequestPart | None = None
    fullUrl: str | None = None
    resource: msgspec.Raw = msgspec.Raw(b"")


class BundlePart(msgspec.Struct):
    """A Bundle, as far as a batch or transaction needs it."""

    resourceType: str
    type: str = ""
    entry: list[EntryPart] = []


@dataclass(slots=True)
class Entry:
    """One interaction, ready to run. `id` is where it writes or reads; `params` a search or condition."""

    position: int
    method: str
    type: str
    id: str | None
    version: int | None
    params: Params | None
    full_url: str | None
    text: bytes
    prepared: Prepared | None
    if_match: int | None
    if_none_exist: Params | None
    is_history: bool = False


@dataclass(slots=True)
class Work:
    """An understood bundle."""

    kind: str
    entries: list[Entry]
    failures: dict[int, KiungoError]


_decoder = msgspec.json.Decoder(BundlePart)


def understand(store: Store, body: bytes) -> Work:
    """Parse a bundle and prepare its resources; pure, for a thread. Raises: Incorrect.

    New resources get their ids here, and references to them by `fullUrl` are rewritten in the received text.
    """
    json.loads(body)  # our limits on depth, numbers and characters hold for bundles too
    try:
        content = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Incorrect(BUNDLE_WRONG, f"The bundle cannot be read: {error}", hint="See FHIR R4 Bundle") from None
    if content.resourceType != "Bundle" or content.type not in ("batch", "transaction"):
        raise Incorrect(
            BUNDLE_WRONG,
            "Only a Bundle of type batch or transaction can be posted here",
            field="Bundle.type",
            hint="Post single resources to /fhir/{type}",
        )
    if len(content.entry) > ENTRIES_MAX:
        raise Incorrect(
            BUNDLE_WRONG, f"The bundle has more than {ENTRIES_MAX} entries", field="Bundle.entry", hint="Send several"
        )
    work = Work(content.type, [], {})
    for position, part in enumerate(content.entry):
        try:
            work.entries.append(_entry(store, position, part))
        except KiungoError as error:
            _failed(work, position, error)
    names = _names(work.entries) if work.kind == "transaction" else {}
    if work.kind == "transaction":
        _refuse_twice(work.entries)
    for entry in work.entries:
        if entry.text:
            try:
                entry.prepared = _prepared(entry, names)
            except KiungoError as error:
                _failed(work, entry.position, error)
    return work


def _failed(work: Work, position: int, error: KiungoError) -> None:
    if work.kind == "transaction":
        raise placed(error, position) from error
    work.failures[position] = error


def placed(error: KiungoError, position: int) -> KiungoError:
    """The same error, saying which entry it is about."""
    place = f"Bundle.entry[{position}]"
    details = tuple(Detail(f"{place}.resource: {d.field}", d.message, d.code) for d in error.details)
    return type(error)(
        error.code,
        f"{place}: {error.message}",
        field=place,
        hint=error.hint,
        details=details,
        retry_after_s=error.retry_after_s,
    )


def _entry(store: Store, position: int, part: EntryPart) -> Entry:
    request = part.request
    if request is None or request.method not in _ORDER:
        raise _wrong("has no request with method POST, PUT, DELETE, GET or HEAD")
    path, _, query = request.url.partition("?")
    steps = [step for step in path.removeprefix(store.base_url).strip("/").split("/") if step]
    if not steps or steps[0] not in type_ids():
        raise _wrong("has a request.url that names no resource type")
    entry = Entry(
        position=position,
        method=request.method,
        type=steps[0],
        id=steps[1] if len(steps) > 1 else None,
        version=None,
        params=_pairs(query) if query else None,
        full_url=part.fullUrl,
        text=bytes(part.resource) if request.method in ("POST", "PUT") else b"",
        prepared=None,
        if_match=_version(request.ifMatch),
        if_none_exist=_pairs(request.ifNoneExist) if request.ifNoneExist else None,
    )
    rest = steps[2:]
    if rest[:1] == ["_history"] and request.method in ("GET", "HEAD") and len(rest) <= 2:
        entry.is_history = len(rest) == 1
        entry.version = int(rest[1]) if len(rest) == 2 and rest[1].isdecimal() else None
    elif rest or (request.method == "POST" and entry.id is not None):
        raise _wrong("has a request.url this server does not take in a bundle")
    if request.method in ("POST", "PUT") and not entry.text:
        raise _wrong("has no resource")
    if request.method in ("PUT", "DELETE") and entry.id is None and entry.params is None:
        raise _wrong("has a request.url without an id or a condition")
    if request.method == "POST":
        entry.id = store.repository.new_id()
    return entry


def _prepared(entry: Entry, names: dict[str, str]) -> Prepared:
    found = prepare(rewritten(entry.text, names), id=None)
    if found.type != entry.type:
        raise Incorrect(
            RESOURCE_TYPE_WRONG, f"A {found.type} cannot be written as {entry.type}", hint="Correct request.url"
        )
    if entry.method == "PUT" and entry.id is not None:
        return (
            prepare(rewritten(entry.text, names), id=entry.id)
            if found.body_id != entry.id
            else replace(found, id=entry.id)
        )
    return found if entry.id is None else replace(found, id=entry.id)


def _names(entries: list[Entry]) -> dict[str, str]:
    """What references inside the bundle may call each resource, and its address here."""
    names: dict[str, str] = {}
    for entry in entries:
        if entry.full_url and entry.id and entry.method in ("POST", "PUT"):
            address = f"{entry.type}/{entry.id}"
            names[entry.full_url] = address
            parts = split_reference(entry.full_url)
            if parts is not None and entry.method == "POST":
                names.setdefault(f"{parts[1]}/{parts[2]}", address)
    return names


def rewritten(text: bytes, names: dict[str, str]) -> bytes:
    """The received text with its references renamed, otherwise to the byte as it was."""
    if not names:
        return text

    def rename(match: re.Match[bytes]) -> bytes:
        name, mark, fragment = match[2].decode().partition("#")
        return match[1] + (names[name] + mark + fragment).encode() + match[3] if name in names else match[0]

    return _REFERENCE.sub(rename, text)


def _refuse_twice(entries: list[Entry]) -> None:
    """One resource may be written by one entry of a transaction only."""
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        if entry.method in ("PUT", "DELETE") and entry.id is not None:
            if (entry.type, entry.id) in seen:
                raise placed(_wrong("writes a resource that another entry writes too"), entry.position)
            seen.add((entry.type, entry.id))


def _pairs(query: str) -> Params:
    return parse_qsl(query, keep_blank_values=True)


def _version(tag: str | None) -> int | None:
    if tag is None:
        return None
    digits = tag.removeprefix("W/").strip('"')
    if not digits.isdecimal():
        raise _wrong('has an ifMatch that is not a version such as W/"3"')
    return int(digits)


def _wrong(message: str) -> Incorrect:
    return Incorrect(BUNDLE_WRONG, f"The entry {message}", hint="See FHIR R4 Bundle.entry.request")


class Runner:
    """Runs an understood bundle inside one unit of work."""

    def __init__(self, store: Store, call: Call, *, with_resources: bool) -> None:
        self._store = store
        self._call = call
        self._with_resources = with_resources

    def run(self, unit: "Unit", work: Work) -> bytes:
        """The response Bundle. Raises (transaction): the first entry's error, which undoes everything."""
        answers: dict[int, bytes] = {position: self._refusal(error) for position, error in work.failures.items()}
        entries = [entry for entry in work.entries if entry.position not in work.failures]
        if work.kind == "transaction":
            entries = sorted(entries, key=lambda entry: _ORDER[entry.method])
            entries = self._resolved(unit, entries, answers)
        for entry in entries:
            if work.kind == "transaction":
                try:
                    answers[entry.position] = self._one(unit, entry)
                except KiungoError as error:
                    raise placed(error, entry.position) from error
                continue
            try:
                with unit.savepoint():
                    answers[entry.position] = self._one(unit, entry)
            except KiungoError as error:
                answers[entry.position] = self._refusal(error)
        kind = f"{work.kind}-response"
        return bundles.bundle(kind, [answers[position] for position in sorted(answers)])

    def _resolved(self, unit: "Unit", entries: list[Entry], answers: dict[int, bytes]) -> list[Entry]:
        """Decide deletes, conditional creates and conditional references, so that every address is final."""
        store, call = self._store, self._call
        names: dict[str, str] = {}
        rest: list[Entry] = []
        for entry in entries:
            try:
                if entry.method == "DELETE":
                    answers[entry.position] = self._one(unit, entry)
                    continue
                if entry.method == "POST" and entry.if_none_exist is not None:
                    require(call.principal, f"system/{entry.type}.c")
                    found = store.repository.find_one(unit, call, entry.type, entry.if_none_exist)
                    if found is not None:
                        names[f"{entry.type}/{entry.id}"] = f"{entry.type}/{found.id}"
                        answers[entry.position] = self._answer(200, found)
                        continue
                    entry = replace(entry, if_none_exist=None)  # noqa: PLW2901 - the understood one stays as it was
            except KiungoError as error:
                raise placed(error, entry.position) from error
            rest.append(entry)
        return [self._renamed(unit, entry, names) for entry in rest]

    def _renamed(self, unit: "Unit", entry: Entry, names: dict[str, str]) -> Entry:
        """Rewrite references to what exists already and those written as searches; only then prepare again."""
        if entry.prepared is None:
            return entry
        text = entry.prepared.body("x", 1, 0)
        wanted = {match[2].decode() for match in _REFERENCE.finditer(text)}
        changed = {name: names[name] for name in wanted if name in names}
        for name in wanted:
            type_name, mark, query = name.partition("?")
            if mark and type_name in type_ids():
                changed[name] = self._conditional_reference(unit, entry, type_name, query)
        if not changed:
            return entry
        renamed = prepare(rewritten(_without_own(entry.prepared), changed))
        return replace(entry, prepared=replace(renamed, id=entry.prepared.id, body_id=entry.prepared.body_id))

    def _conditional_reference(self, unit: "Unit", entry: Entry, type_name: str, query: str) -> str:
        require(self._call.principal, f"system/{type_name}.s")
        found = self._store.repository.find_one(unit, self._call, type_name, _pairs(query))
        if found is None:
            error = Conflict(BUNDLE_REFERENCE, f"A reference by search matches no {type_name}", hint="Create it first")
            raise placed(error, entry.position)
        return f"{type_name}/{found.id}"

    def _one(self, unit: "Unit", entry: Entry) -> bytes:
        store, call, repository = self._store, self._call, self._store.repository
        interaction = "s" if entry.method in ("GET", "HEAD") and entry.id is None else _INTERACTIONS[entry.method]
        require(call.principal, f"system/{entry.type}.{interaction}")
        if entry.method == "DELETE":
            return self._delete(unit, entry)
        if entry.method == "POST":
            assert entry.prepared is not None
            stored = repository.create(unit, call, entry.prepared, entry.if_none_exist)
            return self._answer(201 if stored.created else 200, stored)
        if entry.method == "PUT":
            return self._put(unit, entry)
        if entry.id is None:
            return self._inner(store.search_in(unit, call, entry.type, entry.params or ()))
        if entry.is_history:
            return self._inner(store.history_in(unit, call, entry.type, entry.id, entry.params or ()))
        if entry.version is not None:
            stored = repository.vread(unit, call, entry.type, entry.id, entry.version)
        else:
            stored = repository.read(unit, call, entry.type, entry.id)
        store.authorise(call, "r", stored)
        store.note(call, "read", entry.type, (stored,))
        return self._answer(200, stored, always=True)

    def _put(self, unit: "Unit", entry: Entry) -> bytes:
        assert entry.prepared is not None
        stored = put(self._store, unit, self._call, entry.prepared, entry.id, entry.params, entry.if_match)
        return self._answer(201 if stored.created else 200, stored)

    def _delete(self, unit: "Unit", entry: Entry) -> bytes:
        gone = remove(self._store, unit, self._call, entry.type, entry.id, entry.params, entry.if_match)
        return self._answer(204, gone)

    def _answer(self, status: int, stored: Stored | None, *, always: bool = False) -> bytes:
        response = json.dumps(bundles.response_of(status, stored))
        if stored is None:
            return b'{"response":%b}' % response
        url = f"{self._store.base_url}/{stored.type}/{stored.id}".encode()
        shown = b'"resource":%b,' % stored.body if stored.body and (always or self._with_resources) else b""
        return b'{"fullUrl":"%b",%b"response":%b}' % (url, shown, response)

    def _inner(self, found: bytes) -> bytes:
        return b'{"resource":%b,"response":{"status":"200 OK"}}' % found

    def _refusal(self, error: KiungoError) -> bytes:
        status = bundles.STATUS_TEXT.get(error.http_status, str(error.http_status))
        return b'{"response":%b}' % json.dumps({"status": status, "outcome": outcome_of(error)})


def _without_own(prepared: Prepared) -> bytes:
    """The resource's text as received, but for id and the version in meta, which the server gives."""
    meta = b',"meta":{%b}' % prepared.meta_tail[1:] if prepared.meta_tail else b""
    return b'{"resourceType":"%b"%b%b}' % (prepared.type.encode(), meta, prepared.tail)


def put(
    store: Store,
    unit: "Unit",
    call: Call,
    prepared: Prepared,
    logical_id: str | None,
    condition: Params | None,
    if_match: int | None,
) -> Stored:
    """Update by id, or by condition: the one match is updated, and without a match a resource is made."""
    repository = store.repository
    if logical_id is None:
        found = repository.find_one(unit, call, prepared.type, condition or ())
        if found is None and prepared.body_id is None:
            return repository.create(unit, call, replace(prepared, id=repository.new_id()))
        logical_id = found.id if found is not None else prepared.body_id
        if prepared.body_id not in (None, logical_id):
            raise _wrong("has another id than the resource its condition matches")
    if call.principal.bindings:
        current = repository.find(unit, call, prepared.type, str(logical_id))
        if current is not None:
            store.authorise(call, "u", current)
    return repository.update(unit, call, replace(prepared, id=logical_id), if_match)


def remove(
    store: Store,
    unit: "Unit",
    call: Call,
    type_name: str,
    logical_id: str | None,
    condition: Params | None,
    if_match: int | None,
) -> Stored | None:
    """Delete by id, or the one resource a condition matches."""
    if logical_id is None:
        found = store.repository.find_one(unit, call, type_name, condition or ())
        if found is None:
            return None
        logical_id = found.id
    if call.principal.bindings:
        current = store.repository.find(unit, call, type_name, logical_id)
        if current is not None:
            store.authorise(call, "d", current)
    return store.repository.delete(unit, call, type_name, logical_id, if_match)
