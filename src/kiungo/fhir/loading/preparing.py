"""A part of a file into prepared resources, in a worker process: everything that needs no database."""

import gc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from kiungo.base.errors import Detail, Incorrect, KiungoError, define
from kiungo.fhir.definitions import resource_types
from kiungo.fhir.loading.sources import Part
from kiungo.fhir.model import Prepared
from kiungo.fhir.prepare import prepare
from kiungo.fhir.references import rewritten, texts
from kiungo.fhir.validation.primitives import ID
from kiungo.kernel import json

REFERENCE_UNRESOLVED = define(
    "REFERENCE_UNRESOLVED", Incorrect, "A loaded resource refers to something that its file does not have.", http=422
)

# Bundles that only carry resources; a document or message is one resource of its own.
CARRIERS = frozenset({"batch", "collection", "searchset", "transaction"})
_URNS = ("urn:uuid:", "urn:oid:")
_TYPES = frozenset(resource_types())


class _Entry(msgspec.Struct):
    fullUrl: str | None = None
    resource: msgspec.Raw = msgspec.Raw()


class _Bundle(msgspec.Struct):
    resourceType: str = ""
    type: str = ""
    entry: list[_Entry] = []


class _Head(msgspec.Struct):
    resourceType: str = ""
    id: str | None = None


_bundle = msgspec.json.Decoder(_Bundle)
_head = msgspec.json.Decoder(_Head)


@dataclass(frozen=True, slots=True)
class Refused:
    """A resource that was not loaded, without its content. Shapes: `line` of the file, or the entry of its Bundle."""

    file: str
    line: int
    code: str
    message: str
    details: tuple[Detail, ...] = ()


@dataclass(slots=True)
class PreparedPart:
    """What is left to write. Shapes: `found` has the line of each resource, whose tree stayed in the worker."""

    file: str
    number: int
    read_bytes: int
    found: list[tuple[int, Prepared]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


def without_collector() -> None:
    """For a worker, once: what it makes has no cycles but those of errors, which `prepare_part` collects."""
    gc.disable()


def is_started() -> bool:
    """What a worker answers first: from then on parts are worth sending to it."""
    return True


def prepare_part(part: Part, base_url: str) -> PreparedPart:
    """Parse, validate and index every resource of a part; what is wrong is told and left out."""
    done = PreparedPart(part.source.name, part.number, part.read_bytes)
    for line, text, names in _resources(part, done):
        try:
            body = rewritten(text, names, base_url)
            _refuse_unresolved(body)
            prepared = prepare(body)
            prepared = replace(prepared, id=prepared.body_id, tree={})
        except KiungoError as error:
            done.refused.append(refusal(part.source.name, line, error))
        else:
            done.found.append((line, prepared))
    if done.refused and not gc.isenabled():
        gc.collect()
    return done


def refusal(file: str, line: int, error: KiungoError) -> Refused:
    """An error as a line of the report."""
    return Refused(file, line, error.code, error.told, error.details[:20])


def _resources(part: Part, done: PreparedPart) -> Iterator[tuple[int, bytes, Mapping[str, str]]]:
    """Every resource with its line or entry, and what the references in it are renamed to."""
    for offset, text in enumerate(part.texts):
        line = part.first_line + offset
        if not text.strip():
            continue
        try:
            bundle = _bundle.decode(text) if b'"Bundle"' in text else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            bundle = None  # whatever is wrong is said when it is prepared
        if bundle is None or bundle.resourceType != "Bundle" or bundle.type not in CARRIERS:
            yield line, text.strip(), {}
            continue
        try:
            json.loads(text)  # our limits hold for what a bundle carries too
        except KiungoError as error:
            done.refused.append(refusal(part.source.name, line, error))
            continue
        names = _names(bundle)
        for number, entry in enumerate(bundle.entry, start=1):
            if bytes(entry.resource):
                yield number, bytes(entry.resource), names


def _names(bundle: _Bundle) -> dict[str, str]:
    """What each entry is called in its bundle, and where it will be."""
    names = {}
    for entry in bundle.entry:
        if entry.fullUrl and bytes(entry.resource):
            try:
                head = _head.decode(entry.resource)
            except msgspec.ValidationError:
                continue  # its id is no text, which is said when it is prepared
            if head.resourceType in _TYPES and head.id and ID(head.id):
                names[entry.fullUrl] = f"{head.resourceType}/{head.id}"
    return names


def _refuse_unresolved(body: bytes) -> None:
    """A reference that only a server's transaction can resolve would lead nowhere. Raises: Incorrect."""
    if b"urn:" not in body and b"?" not in body:
        return
    for reference in texts(body):
        if reference.startswith(_URNS) or "?" in reference:
            raise Incorrect(
                REFERENCE_UNRESOLVED,
                f"The reference {reference[:80]!r} has no resource in this file",
                field="reference",
                hint="Load the file that has it in the same Bundle, or post the Bundle to /fhir as a transaction",
            )


def plain(refused: Refused) -> dict[str, Any]:
    """A refusal as a line of the report file."""
    details = [{"field": one.field, "message": one.message} for one in refused.details]
    told = {"file": refused.file, "line": refused.line, "code": refused.code, "message": refused.message}
    return told | ({"details": details} if details else {})
