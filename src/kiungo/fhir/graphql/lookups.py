"""What a question reads and searches, each as the caller would over REST, and counted."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from kiungo.base.errors import Forbidden, NotFound
from kiungo.fhir.graphql.document import Argument, too_costly, wrong
from kiungo.fhir.indexing.parameters import parameters_of
from kiungo.fhir.indexing.values import split_reference
from kiungo.fhir.store import Store
from kiungo.kernel import json
from kiungo.kernel.auth.decision import require
from kiungo.kernel.auth.principal import Call

READS_MAX = 300
SEARCHES_MAX = 60
# Of all searches of a question together.
MATCHES_MAX = 5_000
OWN = frozenset({"_reference", "_cursor"})
Resource = dict[str, Any]


class Lookups:
    """Reads and searches of one question; a resource is read once."""

    def __init__(self, store: Store, call: Call) -> None:
        self._store = store
        self._call = call
        self._read: dict[tuple[str, str], Resource | None] = {}
        self._searches = 0
        self._matches = 0

    def expect(self, counts: Iterable[Argument]) -> None:
        """Refuse lists that would be too many together before the first is searched for. Raises: Incorrect."""
        _within(sum(count for count in counts if isinstance(count, int)))

    async def read(self, type_name: str, logical_id: str) -> Resource:
        """The current version of a resource. Raises: NotFound, Forbidden, Incorrect GRAPHQL_TOO_COSTLY."""
        key = type_name, logical_id
        known = self._read.get(key)
        if known is not None:
            return known
        if len(self._read) >= READS_MAX:
            raise too_costly(f"The question reads more than {READS_MAX} resources one by one")
        require(self._call.principal, f"system/{type_name}.r")
        stored = await self._store.read(self._call, type_name, logical_id)
        found: Resource = json.loads(stored.body)
        self._read[key] = found
        return found

    async def resolve(self, reference: Resource, root: Resource, *, optional: bool) -> Resource | None:
        """What a reference points to: a contained resource, or one of this server. Raises: Incorrect."""
        text = str(reference.get("reference", ""))
        if text.startswith("#"):
            contained = (c for c in root.get("contained", ()) if c.get("id") == text[1:])
            return next(contained, None) if text != "#" else root
        base = self._store.base_url + "/"
        parts = split_reference(text.removeprefix(base))
        if parts is None or parts[0] is not None:
            if optional:
                return None
            raise wrong("A reference does not lead to a resource of this server", "Add optional: true to resource")
        try:
            return await self.read(parts[1], parts[2])
        except (NotFound, Forbidden):
            if optional:
                return None
            raise

    async def search(self, type_name: str, given: dict[str, Argument], at: Resource | None) -> Resource:
        """The page of a search as a Bundle; `at` is the resource that `_reference` refers back to.

        Raises: Incorrect.
        """
        self._searches += 1
        if self._searches > SEARCHES_MAX:
            raise too_costly(f"The question makes more than {SEARCHES_MAX} searches")
        require(self._call.principal, f"system/{type_name}.s")
        params = [(_name(type_name, name), _text(value)) for name, value in given.items() if name not in OWN]
        params = [pair for pair in params if pair[1]]
        back = given.get("_reference")
        if back is not None:
            if at is None:
                raise wrong("_reference has nothing to refer back to here", "Use it inside a resource")
            params.append((_name(type_name, str(back)), f"{at['resourceType']}/{at['id']}"))
        cursor = given.get("_cursor")
        if isinstance(cursor, str) and cursor:
            params.append(("_cursor", cursor))
        wanted = given.get("_count")
        _within(self._matches + (wanted if isinstance(wanted, int) else 0))
        found: Resource = json.loads(await self._store.search(self._call, type_name, params))
        self._matches += len(found.get("entry", ()))
        _within(self._matches)
        return found


def _within(matches: int) -> None:
    if matches > MATCHES_MAX:
        raise too_costly(f"The searches of the question give more than {MATCHES_MAX} resources together")


def next_cursor(bundle: Resource) -> str | None:
    """What `_cursor` must be for the page after this one."""
    address = next((x["url"] for x in bundle.get("link", ()) if x["relation"] == "next"), None)
    return dict(parse_qsl(urlsplit(address).query)).get("_cursor") if address is not None else None


def _name(type_name: str, name: str) -> str:
    """The search parameter a GraphQL name stands for, which cannot hold a dash."""
    dashed = name[:1] + name[1:].replace("_", "-")
    return dashed if dashed in parameters_of(type_name) else name


def _text(value: Argument) -> str:
    if isinstance(value, list):
        return ",".join(_text(item).replace(",", "\\,") for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
