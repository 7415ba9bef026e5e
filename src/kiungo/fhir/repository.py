"""The store: create, read, vread, update, delete and history of resources, each inside a unit of work.

Writes are audited in their unit. Nobody commits here; conditions are decided in the unit that writes.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from kiungo.base import ids
from kiungo.base.errors import Conflict, Incorrect, NotFound
from kiungo.base.time import Clock
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.indexing import index_rows
from kiungo.fhir.indexing.values import target_of
from kiungo.fhir.interactions.together import create_all
from kiungo.fhir.interactions.versions import next_version
from kiungo.fhir.model import (
    ANY_VERSION,
    DELETE,
    MULTIPLE_MATCHES,
    POST,
    PUT,
    RESOURCE_DELETED,
    RESOURCE_EXISTS,
    RESOURCE_ID_WRONG,
    RESOURCE_NOT_FOUND,
    RESOURCE_TYPE_UNKNOWN,
    VERSION_CONFLICT,
    Prepared,
    Stored,
)
from kiungo.fhir.own_parameters.register import OwnParameters
from kiungo.fhir.prepare import reread, same_content
from kiungo.fhir.search.asked import Params, Query
from kiungo.fhir.search.lookups import Terminology
from kiungo.fhir.search.select import find_matches
from kiungo.kernel import audit
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.database import IntegrityViolation

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

_INSERT = (
    "INSERT INTO fhir_resource (tn, type, version, updated_us, sort_ms, target, deleted, method, fid, person, "
    "content_hash, body) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?) RETURNING rid"
)
_CURRENT = (
    "SELECT rid, version, updated_us, deleted, method, person, body FROM fhir_resource "
    "WHERE tn = ? AND type = ? AND fid = ?"
)
_CURRENT_LOCKED = f"{_CURRENT} FOR UPDATE"
_OLD = (
    "SELECT h.version, h.updated_us, h.deleted, h.method, h.body FROM fhir_resource r "
    "JOIN fhir_history h ON h.rid = r.rid AND h.version = ? WHERE r.tn = ? AND r.type = ? AND r.fid = ?"
)
SEARCH_PARAMETER = "SearchParameter"


def type_id(type_name: str) -> int:
    """The number of a resource type. Raises: NotFound RESOURCE_TYPE_UNKNOWN."""
    found = type_ids().get(type_name)
    if found is None:
        raise NotFound(RESOURCE_TYPE_UNKNOWN, "There is no such resource type in FHIR R4", hint="See /fhir/metadata")
    return found


class Repository:
    """Resources of every type, by tenant. Stateless but for the clock that names new resources."""

    def __init__(self, clock: Clock, terminology_of: Callable[[int], Terminology] | None = None) -> None:
        self._clock = clock
        self._terminology_of = terminology_of
        self.own = OwnParameters()

    def new_id(self) -> str:
        """An id for a new resource; sorts by time."""
        return ids.uuid7(self._clock)

    def create(self, unit: "Unit", call: Call, prepared: Prepared, if_none_exist: Params | None = None) -> Stored:
        """Write a new resource; with `if_none_exist`, only when nothing matches these search parameters.

        The condition is decided inside the unit: of parallel calls exactly one creates. The matching
        resource comes back with outcome "unchanged".
        Raises: Conflict (MULTIPLE_MATCHES, RESOURCE_EXISTS), Incorrect (a parameter).
        """
        if if_none_exist is not None:
            found = self.find_one(unit, call, prepared.type, if_none_exist)
            if found is not None:
                return found
        return self._insert(unit, call, prepared, prepared.id or self.new_id(), POST)

    def find_one(
        self,
        unit: "Unit",
        call: Call,
        type_name: str,
        condition: Params,
        allow: Callable[[Query], None] | None = None,
    ) -> Stored | None:
        """The only match of a condition, decided under its lock; `allow` refuses or narrows what may be asked.

        Raises: Conflict MULTIPLE_MATCHES.
        """
        matches = self.find_all(unit, call, type_name, condition, 2, allow)
        if len(matches) > 1:
            raise Conflict(
                MULTIPLE_MATCHES,
                f"The condition matches several {type_name} resources",
                hint="Narrow the condition until it names one",
            )
        return matches[0] if matches else None

    def find_all(
        self,
        unit: "Unit",
        call: Call,
        type_name: str,
        condition: Params,
        limit: int,
        allow: Callable[[Query], None] | None = None,
    ) -> list[Stored]:
        """The matches of a condition, at most `limit`, decided under the condition's lock."""
        unit.lock(f"fhir:{call.tenant}:{type_name}?{sorted(condition)}")
        terminology = self.terminology(call.tenant)
        known = self.own.known(unit, call.tenant)
        return find_matches(
            *(unit, call.tenant, type_name, condition),
            limit=limit,
            allow=allow,
            terminology=terminology,
            known=known,
        )

    def terminology(self, tenant: int) -> Terminology | None:
        """The terminology that searches of a tenant ask, where there is one."""
        return self._terminology_of(tenant) if self._terminology_of is not None else None

    def _insert(self, unit: "Unit", call: Call, prepared: Prepared, logical_id: str, method: int) -> Stored:
        tenant, rows, now_us = call.tenant, prepared.rows, unit.now_us
        person = logical_id if prepared.type == "Patient" else rows.person
        body = prepared.body(logical_id, 1, now_us)
        target = target_of(prepared.type, logical_id)
        try:
            rid = unit.value(
                _INSERT,
                (
                    *(tenant, type_id(prepared.type), 1, now_us, rows.sort_ms, target, method, logical_id, person),
                    *(prepared.content_hash, body),
                ),
            )
        except IntegrityViolation as error:
            raise Conflict(
                RESOURCE_EXISTS, f"A {prepared.type} with this id exists already", hint="Update it instead"
            ) from error
        index_rows.insert(unit, tenant, [(rid, self.own.rows(unit, tenant, prepared))], [type_id(prepared.type)])
        if prepared.type == SEARCH_PARAMETER:
            self.own.settle(unit, call, logical_id, prepared.tree)
        audit.record(unit, call, "create", kind=prepared.type, id=logical_id, person=person)
        return Stored(prepared.type, logical_id, 1, now_us, body, person, "created", False, method, rid)

    def create_all(self, unit: "Unit", call: Call, some: Sequence[Prepared], method: int = POST) -> list[Stored]:
        """Write new resources under the ids they were prepared with, in as few statements as one.

        None of them a SearchParameter. Raises: Conflict RESOURCE_EXISTS.
        """
        return create_all(unit, call, some, method=method, rows_of=partial(self.own.rows, unit, call.tenant))

    def read(self, unit: "Unit", call: Call, type_name: str, logical_id: str) -> Stored:
        """The current version. Raises: NotFound (RESOURCE_NOT_FOUND 404, RESOURCE_DELETED 410)."""
        found = self.find(unit, call, type_name, logical_id)
        if found is None:
            _not_found(type_name)
        if found.deleted:
            _gone(type_name)
        return found

    def find(self, unit: "Unit", call: Call, type_name: str, logical_id: str, *, lock: bool = False) -> Stored | None:
        """The current version, also a deleted one, or None when there never was one."""
        row = unit.row(_CURRENT_LOCKED if lock else _CURRENT, (call.tenant, type_id(type_name), logical_id))
        if row is None:
            return None
        rid, version, updated_us, deleted, method, person, body = row
        return Stored(type_name, logical_id, version, updated_us, body, person, "read", bool(deleted), method, rid)

    def vread(self, unit: "Unit", call: Call, type_name: str, logical_id: str, version: int) -> Stored:
        """One version, old or current. Raises: NotFound (RESOURCE_NOT_FOUND 404, RESOURCE_DELETED 410)."""
        current = self.find(unit, call, type_name, logical_id)
        if current is None or not 1 <= version <= current.version:
            _not_found(type_name)
        if version != current.version:
            row = unit.row(_OLD, (version, call.tenant, type_id(type_name), logical_id))
            if row is None:
                _not_found(type_name)
            current = Stored(
                type_name, logical_id, row[0], row[1], row[4], current.person, "read", bool(row[2]), row[3]
            )
        if current.deleted:
            _gone(type_name)
        return current

    def update(
        self,
        unit: "Unit",
        call: Call,
        prepared: Prepared,
        if_match: int | None = None,
        *,
        held: Stored | None = None,
    ) -> Stored:
        """Write a resource under its id: a new version, or its first when the id is new.

        The same content again makes no version (outcome "unchanged"). Only index rows that differ are
        written. `held` is its current version, where `locked` gave it to this unit just before.
        Raises: Conflict VERSION_CONFLICT; Incorrect when the resource has no id.
        """
        logical_id = prepared.id or prepared.body_id
        if logical_id is None:
            raise Incorrect(
                RESOURCE_ID_WRONG, "The resource has no id to be written under", field="id", hint="Put its id in"
            )
        current = held or self.locked(unit, call, prepared.type, logical_id)
        if if_match is not None and (
            current is None or current.deleted or if_match not in (ANY_VERSION, current.version)
        ):
            _version_conflict(current)
        if current is None:
            return self._insert(unit, call, prepared, logical_id, PUT)
        old = None if current.deleted else reread(current.body)
        if old is not None and same_content(prepared, old):
            return _with(current, "unchanged")
        return self._change(unit, call, prepared, current, old)

    def _change(self, unit: "Unit", call: Call, prepared: Prepared, current: Stored, old: Prepared | None) -> Stored:
        tenant, rows, rid = call.tenant, prepared.rows, current.rid
        version, updated_us = current.version + 1, max(unit.now_us, current.updated_us + 1)
        person = current.id if prepared.type == "Patient" else rows.person
        body = prepared.body(current.id, version, updated_us)
        waited = next_version(
            unit, rid, (version, updated_us, rows.sort_ms, 0, PUT, person, prepared.content_hash, body)
        )
        now = self.own.rows(unit, tenant, prepared)
        if old is None:
            index_rows.insert(unit, tenant, [(rid, now)], [type_id(prepared.type)])
        else:
            before = index_rows.table_rows(self.own.rows(unit, tenant, old), tenant, rid)
            index_rows.replace(unit, tenant, before, index_rows.table_rows(now, tenant, rid), words_waited=waited)
        if prepared.type == SEARCH_PARAMETER:
            self.own.settle(unit, call, current.id, prepared.tree)
        audit.record(unit, call, "update", kind=prepared.type, id=current.id, person=person)
        outcome = "created" if old is None else "updated"
        return Stored(prepared.type, current.id, version, updated_us, body, person, outcome, False, PUT, rid)

    def delete(
        self,
        unit: "Unit",
        call: Call,
        type_name: str,
        logical_id: str,
        if_match: int | None = None,
        *,
        held: Stored | None = None,
    ) -> Stored | None:
        """Mark a resource deleted and take it out of the index; None when there is nothing to delete.

        `held` is as in `update`. Raises: Conflict VERSION_CONFLICT.
        """
        current = held or self.locked(unit, call, type_name, logical_id)
        is_gone = current is None or (current.deleted and if_match == ANY_VERSION)
        if if_match is not None and (is_gone or (current and if_match not in (ANY_VERSION, current.version))):
            _version_conflict(current)
        if current is None or current.deleted:
            return None
        version, updated_us = current.version + 1, max(unit.now_us, current.updated_us + 1)
        rows = self.own.rows(unit, call.tenant, reread(current.body))
        old = index_rows.table_rows(rows, call.tenant, current.rid)
        waited = next_version(unit, current.rid, (version, updated_us, 0, 1, DELETE, current.person, b"", b""))
        nothing: index_rows.TableRows = {table: set() for table in old}
        index_rows.replace(unit, call.tenant, old, nothing, words_waited=waited, gone_type=type_id(type_name))
        if type_name == SEARCH_PARAMETER:
            self.own.settle(unit, call, logical_id, None)
        audit.record(unit, call, "delete", kind=type_name, id=logical_id, person=current.person)
        return Stored(
            type_name, logical_id, version, updated_us, b"", current.person, "deleted", True, DELETE, current.rid
        )

    def locked(self, unit: "Unit", call: Call, type_name: str, logical_id: str) -> Stored | None:
        """The current version, which no other unit changes or creates until this one ends."""
        if unit.engine == "postgresql":
            found = self.find(unit, call, type_name, logical_id, lock=True)  # the row is its own lock
            if found is not None:
                return found
        unit.lock(f"fhir:{call.tenant}:{type_name}/{logical_id}")
        return self.find(unit, call, type_name, logical_id, lock=unit.engine == "postgresql")


def _with(stored: Stored, outcome: str) -> Stored:
    return Stored(
        *(stored.type, stored.id, stored.version, stored.updated_us, stored.body, stored.person),
        *(outcome, stored.deleted, stored.method, stored.rid),
    )


def _not_found(type_name: str) -> NoReturn:
    raise NotFound(RESOURCE_NOT_FOUND, f"There is no {type_name} with this id", hint="Search for it instead")


def _gone(type_name: str) -> NoReturn:
    raise NotFound(RESOURCE_DELETED, f"This {type_name} was deleted", hint="Its _history has the versions before")


def _version_conflict(current: Stored | None) -> NoReturn:
    now = f"the current version is {current.version}" if current else "there is no current version"
    raise Conflict(VERSION_CONFLICT, f"If-Match does not fit: {now}", hint="Read it again, then decide")
