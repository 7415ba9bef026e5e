"""What goes into the store and what comes out, and the store's own error codes."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kiungo.base.errors import Conflict, Incorrect, NotFound, Unsupported, define
from kiungo.base.time import iso_millis
from kiungo.fhir.indexing.extraction import Rows

RESOURCE_NOT_FOUND = define("RESOURCE_NOT_FOUND", NotFound, "There is no such resource or version.")
RESOURCE_DELETED = define("RESOURCE_DELETED", NotFound, "The resource or version was deleted.", http=410)
RESOURCE_ID_WRONG = define(
    "RESOURCE_ID_WRONG", Incorrect, "The id in the resource is not a FHIR id, or not that of the address."
)
RESOURCE_TYPE_WRONG = define("RESOURCE_TYPE_WRONG", Incorrect, "The resource is of another type than its address says.")
RESOURCE_TYPE_UNKNOWN = define("RESOURCE_TYPE_UNKNOWN", NotFound, "FHIR R4 has no resource type of this name.")
VERSION_CONFLICT = define(
    "VERSION_CONFLICT", Conflict, "If-Match or If-None-Match does not fit the current version.", http=412
)
MULTIPLE_MATCHES = define(
    "MULTIPLE_MATCHES", Conflict, "A condition matches more than one resource, so none was chosen.", http=412
)
RESOURCE_EXISTS = define("RESOURCE_EXISTS", Conflict, "A resource with this id exists already.")
NOT_SUPPORTED = define(
    "NOT_SUPPORTED", Unsupported, "A part of FHIR this server does not offer (see its CapabilityStatement)."
)

VERSION_ID_WRONG = define("VERSION_ID_WRONG", Incorrect, "A version id is a whole number.", http=404)

POST, PUT, DELETE = 1, 2, 3
# What `If-Match: *` asks for: some version, whichever it is. Versions begin at 1.
ANY_VERSION = 0
METHODS = {POST: "POST", PUT: "PUT", DELETE: "DELETE"}


def version_number(text: str) -> int:
    """The number a version id is. Raises: Incorrect VERSION_ID_WRONG, which is answered as not found."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise Incorrect(VERSION_ID_WRONG, "There is no such version", field="version", hint="See _history")
    return int(text)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A resource that was parsed, validated and indexed, ready to be written in any unit.

    Shapes: `id` is the id it must be written under, None when the server chooses; `body_id` the one it came
    with; `tail` the received text of all members but resourceType, id and meta, each with a comma before it;
    `meta_tail` the same of meta's members but versionId and lastUpdated.
    """

    type: str
    id: str | None
    body_id: str | None
    tree: dict[str, Any] = field(repr=False)
    tail: bytes = field(repr=False)
    meta_tail: bytes = field(repr=False)
    content_hash: bytes = field(repr=False)
    rows: Rows = field(repr=False)

    def body(self, logical_id: str, version: int, updated_us: int) -> bytes:
        """The bytes that are stored and sent: exactly the received text with id and meta put in."""
        return b'{"resourceType":"%b","id":"%b","meta":{"versionId":"%d","lastUpdated":"%b"%b}%b}' % (
            self.type.encode(),
            logical_id.encode(),
            version,
            iso_millis(updated_us).encode(),
            self.meta_tail,
            self.tail,
        )


class Stored(NamedTuple):
    """One version of a resource as it is in the store; a tuple, since a page of a search makes many of them.

    Units: `updated_us` microseconds UTC. Shapes: `person` is the id of the Patient it is about; `outcome` is
    "created", "updated", "unchanged", "patched" or "read"; the body of a deleted version is empty.
    """

    type: str
    id: str
    version: int
    updated_us: int
    body: bytes
    person: str | None = None
    outcome: str = "read"
    deleted: bool = False
    method: int = PUT
    rid: int = 0

    def __repr__(self) -> str:
        return f"Stored({self.type}/{self.id}, version {self.version})"

    @property
    def created(self) -> bool:
        """Whether this call made the resource."""
        return self.outcome == "created"

    @property
    def is_found(self) -> bool:
        """Whether this call found it, or all but what it patched, so that its content is not the caller's own."""
        return self.outcome in ("read", "patched")
