"""The resources of a part of a file, each with where it stands, what it is called, and the id it will have."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec

from kiungo.base.errors import Detail, KiungoError
from kiungo.fhir.definitions import resource_types
from kiungo.fhir.loading.sources import Part
from kiungo.fhir.validation.primitives import ID
from kiungo.kernel import json

# Bundles that only carry resources; a document or message is one resource of its own.
CARRIERS = frozenset({"batch", "collection", "searchset", "transaction"})
_TYPES = frozenset(resource_types())


class _Entry(msgspec.Struct):
    fullUrl: str | None = None
    resource: msgspec.Raw = msgspec.Raw()


class _Bundle(msgspec.Struct):
    resourceType: str = ""
    type: str = ""
    entry: list[_Entry] = []


class Identifier(msgspec.Struct):
    """As far as a condition asks for it."""

    system: str = ""
    value: str | None = None


class Head(msgspec.Struct):
    """What a resource says about itself before it is validated."""

    resourceType: str = ""
    id: str | None = None
    identifier: list[Identifier] | Identifier | None = None


_bundle = msgspec.json.Decoder(_Bundle)
_head = msgspec.json.Decoder(Head)


@dataclass(frozen=True, slots=True)
class Refused:
    """A resource that was not loaded, without its content. Shapes: `line` of the file, or the entry of its Bundle."""

    file: str
    line: int
    code: str
    message: str
    details: tuple[Detail, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource as it came. Shapes: `id` is the one given to an entry of a Bundle that came without."""

    line: int
    text: bytes
    names: Mapping[str, str] = field(default_factory=dict)
    id: str | None = None


def entries(part: Part, refused: list[Refused]) -> Iterator[Entry]:
    """Every resource of a part; a Bundle that breaks our limits is added to `refused`."""
    for offset, text in enumerate(part.texts):
        line = part.first_line + offset
        if not text.strip():
            continue
        try:
            bundle = _bundle.decode(text) if b'"Bundle"' in text else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            bundle = None  # whatever is wrong is said when it is prepared
        if bundle is None or bundle.resourceType != "Bundle" or bundle.type not in CARRIERS:
            yield Entry(line, text.strip())
            continue
        try:
            json.loads(text)  # our limits hold for what a bundle carries too
        except KiungoError as error:
            refused.append(refusal(part.source.name, line, error))
        else:
            yield from _carried(bundle, text)


def _carried(bundle: _Bundle, text: bytes) -> Iterator[Entry]:
    """The resources of a Bundle; those without an id get one that is the same when this Bundle is read again."""
    names: dict[str, str] = {}
    given: dict[int, str] = {}
    whole = blake2b(text, digest_size=16).digest()
    for number, entry in enumerate(bundle.entry, start=1):
        head = head_of(bytes(entry.resource))
        if head is None:
            continue
        if head.id is None:
            given[number] = blake2b(b"%d" % number, key=whole, digest_size=16).hexdigest()
        logical_id = head.id or given.get(number, "")
        if entry.fullUrl and ID(logical_id):
            names[entry.fullUrl] = f"{head.resourceType}/{logical_id}"
    for number, entry in enumerate(bundle.entry, start=1):
        if bytes(entry.resource):
            yield Entry(number, bytes(entry.resource), names, given.get(number))


def head_of(text: bytes) -> Head | None:
    """What a resource says about itself; None when it cannot be a resource, which is said when it is prepared."""
    try:
        head = _head.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return head if head.resourceType in _TYPES else None


def refusal(file: str, line: int, error: KiungoError) -> Refused:
    """An error as a line of the report."""
    return Refused(file, line, error.code, error.told, error.details[:20])
