"""From a received bundle to interactions that are ready to run: parsed, named, prepared. Pure.

New resources get their ids here, and references between entries are rewritten in the received text.
Source: FHIR R4 3.1.0.11 (batch/transaction).
"""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from urllib.parse import parse_qsl

import msgspec

from kiungo.base.errors import Conflict, Detail, Incorrect, KiungoError, define
from kiungo.base.time import parse_instant, to_us
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.indexing.values import split_reference
from kiungo.fhir.interactions.links import NAME, linked, temporary
from kiungo.fhir.interactions.patching import parse_patch_entry
from kiungo.fhir.model import ANY_VERSION, RESOURCE_TYPE_WRONG, Prepared, version_number
from kiungo.fhir.prepare import prepare
from kiungo.fhir.references import dangling, rewritten
from kiungo.fhir.search.asked import Params
from kiungo.fhir.store import Store
from kiungo.kernel import json

BUNDLE_WRONG = define("BUNDLE_WRONG", Incorrect, "A batch or transaction bundle, or one of its entries, is not one.")
BUNDLE_REFERENCE = define(
    "BUNDLE_REFERENCE", Conflict, "A conditional reference in a transaction matches nothing or too much.", http=412
)

ENTRIES_MAX = 2_000
_TEMPORARY = NAME.encode()
WITH_RESOURCE = ("POST", "PUT", "PATCH")
ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}
INTERACTIONS = {"DELETE": "d", "POST": "c", "PUT": "u", "PATCH": "u", "GET": "r", "HEAD": "r"}


_NOTHING = msgspec.Raw(b"")


class RequestPart(msgspec.Struct, forbid_unknown_fields=True):
    """Bundle.entry.request. A misspelt condition that was passed over would write what it should keep from being."""

    method: str
    url: str
    ifNoneExist: str | None = None
    ifMatch: str | None = None
    ifNoneMatch: str | None = None
    ifModifiedSince: str | None = None
    id: msgspec.Raw = _NOTHING
    extension: msgspec.Raw = _NOTHING
    modifierExtension: msgspec.Raw = _NOTHING


class EntryPart(msgspec.Struct, forbid_unknown_fields=True):
    """Bundle.entry, its resource still as received; what a request does not need is taken and left alone."""

    request: RequestPart | None = None
    fullUrl: str | None = None
    resource: msgspec.Raw = _NOTHING
    link: msgspec.Raw = _NOTHING
    search: msgspec.Raw = _NOTHING
    response: msgspec.Raw = _NOTHING
    id: msgspec.Raw = _NOTHING
    extension: msgspec.Raw = _NOTHING
    modifierExtension: msgspec.Raw = _NOTHING


class BundlePart(msgspec.Struct, forbid_unknown_fields=True):
    """A Bundle, as far as a batch or transaction needs it."""

    resourceType: str
    type: str = ""
    entry: list[EntryPart] = []
    id: msgspec.Raw = _NOTHING
    meta: msgspec.Raw = _NOTHING
    implicitRules: msgspec.Raw = _NOTHING
    language: msgspec.Raw = _NOTHING
    identifier: msgspec.Raw = _NOTHING
    timestamp: msgspec.Raw = _NOTHING
    total: msgspec.Raw = _NOTHING
    link: msgspec.Raw = _NOTHING
    signature: msgspec.Raw = _NOTHING


@dataclass(slots=True)
class Entry:
    """One interaction, ready to run. `id` is where it writes or reads; `params` a search or condition.

    An update by condition has no id yet: references to it carry the `provisional` one until the condition is
    decided. `is_new` says that it was, and that nothing matched.
    """

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
    if_none_match: int | None = None
    if_modified_since_us: int | None = None
    owner: tuple[str, str] | None = None
    is_history: bool = False
    provisional: str | None = None
    is_new: bool = False


@dataclass(slots=True)
class Work:
    """An understood bundle."""

    kind: str
    entries: list[Entry]
    failures: dict[int, KiungoError]
    calls: "list[OperationCall]" = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OperationCall:
    """An entry of a batch that calls an operation, or reads the CapabilityStatement."""

    position: int
    method: str
    steps: tuple[str, ...]
    query: str
    body: bytes


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
            _sort_in(work, store, position, part)
        except KiungoError as error:
            _failed(work, position, error)
    names = _names(work.entries) if work.kind == "transaction" else {}
    links = temporary(names)
    for entry in work.entries:
        if entry.text:
            try:
                text = rewritten(entry.text, names, store.base_url)
                if links and _TEMPORARY in text and entry.type != "Bundle":  # hardly any after its references
                    text = linked(text, links)
                if work.kind == "transaction" and entry.type != "Bundle":
                    _refuse_dangling(text)
                if entry.method == "PATCH":
                    parse_patch_entry(text)  # refused here already when it is none
                    entry.text = text
                else:
                    entry.prepared = _prepared(entry, text)
            except KiungoError as error:
                _failed(work, entry.position, error)
    return work


def _sort_in(work: Work, store: Store, position: int, part: EntryPart) -> None:
    call = _call(store, position, part)
    if call is None:
        work.entries.append(_entry(store, position, part))
    elif work.kind == "transaction":
        raise wrong_entry("calls an operation, which has no part in a transaction: send it in a batch")
    else:
        work.calls.append(call)


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
    if request is None or request.method not in ORDER:
        raise wrong_entry("has no request with method POST, PUT, PATCH, DELETE, GET or HEAD")
    steps, query = _address(store, request.url)
    if request.method == "POST" and steps[-1:] == ["_search"]:
        return _posted_search(position, part, steps[:-1], query)
    is_search = len(steps) in (0, 3) and "_history" not in steps
    if request.method in ("GET", "HEAD") and (is_search or steps == ["_history"]):
        return _search_entry(position, part, request.method, steps, pairs(query))
    if not steps or steps[0] not in type_ids():
        raise wrong_entry("has a request.url that names no resource type")
    entry = Entry(
        position=position,
        method=request.method,
        type=steps[0],
        id=steps[1] if len(steps) > 1 else None,
        version=None,
        params=pairs(query) if query else None,
        full_url=part.fullUrl,
        text=bytes(part.resource) if request.method in WITH_RESOURCE else b"",
        prepared=None,
        if_match=_version("ifMatch", request.ifMatch),
        if_none_exist=pairs(request.ifNoneExist) if request.ifNoneExist is not None else None,
        if_none_match=_version("ifNoneMatch", request.ifNoneMatch),
        if_modified_since_us=_moment_us(request.ifModifiedSince),
    )
    rest = steps[2:]
    if rest[:1] == ["_history"] and request.method in ("GET", "HEAD") and len(rest) <= 2:
        entry.is_history = len(rest) == 1
        entry.version = version_number(rest[1]) if len(rest) == 2 else None
    elif steps[1:] == ["_history"] and request.method in ("GET", "HEAD"):
        entry.id, entry.is_history = None, True
    elif rest or (request.method == "POST" and entry.id is not None):
        raise wrong_entry("has a request.url this server does not take in a bundle")
    if request.method in WITH_RESOURCE and not entry.text:
        raise wrong_entry("has no resource")
    if request.method in ("PUT", "PATCH", "DELETE") and entry.id is None and entry.params is None:
        raise wrong_entry("has a request.url without an id or a condition")
    if entry.if_none_match is not None and (request.method not in ("GET", "HEAD") or entry.id is None or rest):
        raise wrong_entry("has an ifNoneMatch, which only the read of a resource takes")
    if request.method == "POST":
        entry.id = store.repository.new_id()
    elif request.method == "PUT" and entry.id is None:
        entry.provisional = store.repository.new_id()
    return entry


def _address(store: Store, url: str) -> tuple[list[str], str]:
    """The steps of a request's path and its query, of this server's own address too."""
    path, _, query = url.partition("?")
    return [step for step in path.removeprefix(store.base_url).strip("/").split("/") if step], query


def _call(store: Store, position: int, part: EntryPart) -> OperationCall | None:
    request = part.request
    if request is None:
        return None
    steps, query = _address(store, request.url)
    is_metadata = steps == ["metadata"] and request.method == "GET"
    if not is_metadata and not (steps and steps[-1].startswith("$") and len(steps) <= 3):
        return None
    return OperationCall(position, request.method, tuple(steps), query, bytes(part.resource))


def _posted_search(position: int, part: EntryPart, steps: list[str], query: str) -> Entry:
    """A search by POST: an entry holds no form, so its parameters are in the address or in a Parameters resource."""
    params = [*pairs(query), *_form(bytes(part.resource))]
    if len(steps) == 1 and steps[0] in type_ids():
        return _search_entry(position, part, "GET", ["", "", steps[0]], params)
    if len(steps) in (0, 3):
        return _search_entry(position, part, "GET", steps, params)
    raise wrong_entry("has a request.url that names no resource type")


def _form(text: bytes) -> Params:
    """The names and values of a Parameters resource. Raises: Incorrect for any other."""
    sent = json.loads(text) if text else {"resourceType": "Parameters"}
    listed = sent.get("parameter", []) if sent.get("resourceType") == "Parameters" else None
    found: list[tuple[str, str]] = []
    for one in listed if isinstance(listed, list) else [None]:
        name = one.get("name") if isinstance(one, dict) else None
        value = next((v for key, v in one.items() if key.startswith("value")), None) if isinstance(one, dict) else None
        if not isinstance(name, str) or not isinstance(value, str | int | Decimal):
            raise wrong_entry("searches by POST with a resource that is no Parameters of names and simple values")
        found.append((name, str(value).lower() if isinstance(value, bool) else str(value)))
    return found


def _search_entry(position: int, part: EntryPart, method: str, steps: list[str], params: Params) -> Entry:
    """A search across types (`?_type=...`) or in a compartment (`Patient/42/Observation`), or everything's history."""
    is_history = steps == ["_history"]
    if not steps and not params:
        raise wrong_entry("has a request.url that names no resource type")
    name, owner = ("", None) if len(steps) < 3 else (steps[2], (steps[0], steps[1]) if steps[0] else None)
    return Entry(
        position=position,
        method=method,
        type="" if name == "*" else name,
        id=None,
        version=None,
        params=params,
        full_url=part.fullUrl,
        text=b"",
        prepared=None,
        if_match=None,
        if_none_exist=None,
        owner=owner,
        is_history=is_history,
    )


def _prepared(entry: Entry, text: bytes) -> Prepared:
    found = prepare(text, id=None)
    if found.type != entry.type:
        raise Incorrect(
            RESOURCE_TYPE_WRONG, f"A {found.type} cannot be written as {entry.type}", hint="Correct request.url"
        )
    if entry.method == "PUT" and entry.id is not None:
        return prepare(text, id=entry.id) if found.body_id != entry.id else replace(found, id=entry.id)
    return found if entry.id is None else replace(found, id=entry.id)


def _names(entries: list[Entry]) -> dict[str, str]:
    """What references inside the bundle may call each resource, and its address here."""
    names: dict[str, str] = {}
    for entry in entries:
        if entry.full_url and entry.method in ("POST", "PUT"):
            address = f"{entry.type}/{entry.id or entry.provisional}"
            if entry.full_url in names:
                raise placed(
                    wrong_entry("has the fullUrl of another entry, so what refers to it means both"), entry.position
                )
            names[entry.full_url] = address
            parts = split_reference(entry.full_url)
            if parts is not None and (entry.method == "POST" or entry.provisional):
                names.setdefault(f"{parts[1]}/{parts[2]}", address)
    return names


def _refuse_dangling(text: bytes) -> None:
    """A name made for this bundle that no entry has would be stored as a reference to nothing."""
    name = dangling(text)
    if name is not None:
        raise Incorrect(
            BUNDLE_WRONG,
            f"The entry refers to {name[:100]}, and no entry has it as its fullUrl",
            hint="Add the entry, or refer to a resource by Type/id",
        )


def pairs(query: str) -> Params:
    """A condition's parameters."""
    return parse_qsl(query, keep_blank_values=True)


def _version(name: str, tag: str | None) -> int | None:
    if tag is None:
        return None
    if tag == "*" and name == "ifMatch":
        return ANY_VERSION
    digits = tag.removeprefix("W/").strip('"')
    if not digits.isdecimal():
        raise wrong_entry(f'has an {name} that is not a version such as W/"3"')
    return int(digits)


def _moment_us(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return to_us(parse_instant(text))
    except KiungoError as error:
        raise wrong_entry("has an ifModifiedSince that is not an instant such as 2024-10-03T10:30:00Z") from error


def wrong_entry(message: str) -> Incorrect:
    """What is wrong with an entry, to be raised."""
    return Incorrect(BUNDLE_WRONG, f"The entry {message}", hint="See FHIR R4 Bundle.entry.request")
