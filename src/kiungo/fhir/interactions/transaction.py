"""Batch and transaction bundles: entries were prepared outside the unit of work and are decided inside it.

A transaction is all or nothing, in FHIR's order: deletes, creates, updates, then reads. A batch gives each
entry its own savepoint and its own answer.
Source: FHIR R4 3.1.0.11 (batch/transaction).
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from kiungo.base.errors import Conflict, KiungoError
from kiungo.fhir import bundles, references
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.guard import may_read
from kiungo.fhir.http.preferences import Returned
from kiungo.fhir.interactions.bundle_parts import (
    BUNDLE_REFERENCE,
    INTERACTIONS,
    ORDER,
    Entry,
    Work,
    pairs,
    wrong_entry,
)
from kiungo.fhir.interactions.fresh import create_fresh, placing
from kiungo.fhir.interactions.links import linked
from kiungo.fhir.interactions.patching import parse_patch_entry, patched, target, write_patched
from kiungo.fhir.interactions.writing import create, make, match, put, refuse_other_id, remove
from kiungo.fhir.model import Prepared, Stored
from kiungo.fhir.outcome import outcome_of, remark
from kiungo.fhir.prepare import prepare
from kiungo.fhir.search.asked import Params
from kiungo.fhir.store import Store
from kiungo.fhir.subsets import members_of, part_of
from kiungo.kernel import json
from kiungo.kernel.auth.decision import require
from kiungo.kernel.auth.principal import Call

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

NOTHING: Mapping[int, bytes] = MappingProxyType({})
ConditionKey = tuple[str, tuple[tuple[str, str], ...]]


class Runner:
    """Runs an understood bundle inside one unit of work."""

    def __init__(self, store: Store, call: Call, *, returned: Returned) -> None:
        self._store = store
        self._call = call
        self._returned = returned
        self._written: dict[int, Stored]
        self._resolved: dict[tuple[str, str], str]

    def run(self, unit: "Unit", work: Work, called: Mapping[int, bytes] = NOTHING) -> bytes:
        """The response Bundle, with the answers of what was `called` before the unit of work.

        Raises (transaction): the first entry's error, which undoes everything.
        """
        self._written, self._resolved = {}, {}
        self._lock_all(unit, work.entries)
        answers: dict[int, bytes] = {position: self._refusal(error) for position, error in work.failures.items()}
        answers.update(called)
        if work.kind == "transaction":
            self._all(unit, work.entries, answers)
        else:
            self._each(unit, [entry for entry in work.entries if entry.position not in work.failures], answers)
        kind = f"{work.kind}-response"
        return bundles.bundle(kind, [answers[position] for position in sorted(answers)])

    def _lock_all(self, unit: "Unit", entries: list[Entry]) -> None:
        """Take every lock that is known now in one order, so that two bundles never wait for each other in turn."""
        known = {f"{e.type}/{e.id}" for e in entries if e.id is not None and e.method in ("PUT", "DELETE", "PATCH")}
        for name in sorted(known):
            unit.lock(f"fhir:{self._call.tenant}:{name}")

    def _each(self, unit: "Unit", entries: list[Entry], answers: dict[int, bytes]) -> None:
        for entry in entries:
            try:
                with unit.savepoint():
                    answers[entry.position] = self._one(unit, entry)
            except KiungoError as error:
                answers[entry.position] = self._refusal(error)

    def _all(self, unit: "Unit", entries: list[Entry], answers: dict[int, bytes]) -> None:
        """Decide every address first; then deletes, creates, updates and reads in this order."""
        names: dict[str, str] = {}
        firsts: dict[ConditionKey, Entry] = {}
        twins: dict[int, int] = {}
        rest: list[Entry] = []
        for entry in self._addressed(unit, sorted(entries, key=lambda entry: ORDER[entry.method]), names, firsts):
            with placing(entry):
                if entry.method == "DELETE":
                    answers[entry.position] = self._one(unit, entry) if entry.id else self._answer(204, None)
                elif entry.method == "POST" and entry.if_none_exist is not None:
                    made = self._first(unit, entry, names, firsts, twins, answers)
                    rest += [made] if made is not None else []
                else:
                    rest.append(entry)
        rest = [self._renamed(unit, entry, names) for entry in rest]
        self._written = create_fresh(self._store, unit, self._call, rest)
        for entry in rest:
            with placing(entry):
                new = self._written.get(entry.position)
                answers[entry.position] = self._one(unit, entry) if new is None else self._answer(201, new)
        for position, first in twins.items():
            answers[position] = self._answer(200, self._written[first])

    def _addressed(
        self, unit: "Unit", entries: list[Entry], names: dict[str, str], firsts: dict[ConditionKey, Entry]
    ) -> list[Entry]:
        """Decide the conditions of updates and deletes before anything changes, and refuse to write one twice."""
        found: list[Entry] = []
        written: set[tuple[str, str]] = set()
        for entry in entries:
            with placing(entry):
                if entry.method not in ("PUT", "PATCH", "DELETE"):
                    found.append(entry)
                    continue
                decided = self._decided(unit, entry, names, firsts) if entry.id is None else entry
                found.append(decided)
                if decided.id is None:
                    continue
                if (decided.type, decided.id) in written:
                    raise wrong_entry("writes a resource that another entry writes too")
                written.add((decided.type, decided.id))
        return found

    def _decided(self, unit: "Unit", entry: Entry, names: dict[str, str], firsts: dict[ConditionKey, Entry]) -> Entry:
        """An update or delete by condition with the id it comes down to; a delete of nothing keeps none."""
        store, call = self._store, self._call
        require(call.principal, f"system/{entry.type}.{INTERACTIONS[entry.method]}")
        found = match(store, unit, call, entry.type, entry.params or ())
        if entry.method == "DELETE":
            return replace(entry, id=found.id if found is not None else None)
        if entry.method == "PATCH":
            return replace(entry, id=target(store, unit, call, entry.type, None, entry.params).id, params=None)
        assert entry.prepared is not None
        if found is not None:
            refuse_other_id(entry.prepared, found.id)
        elif firsts.setdefault(_key(entry.type, entry.params or ()), entry) is not entry:
            raise wrong_entry("makes a resource that another entry with the same condition makes too")
        final = found.id if found is not None else entry.prepared.body_id or entry.provisional
        names[f"{entry.type}/{entry.provisional}"] = f"{entry.type}/{final}"
        decided = replace(entry, id=final, params=None, is_new=found is None)
        if found is None:
            firsts[_key(entry.type, entry.params or ())] = decided
        return decided

    def _first(
        self,
        unit: "Unit",
        entry: Entry,
        names: dict[str, str],
        firsts: dict[ConditionKey, Entry],
        twins: dict[int, int],
        answers: dict[int, bytes],
    ) -> Entry | None:
        """A conditional create that really makes its resource: nothing matches, and no entry before has its condition.

        Otherwise its name leads to the resource that is there, or that the other entry makes.
        """
        condition = entry.if_none_exist or ()
        require(self._call.principal, f"system/{entry.type}.c")
        found = match(self._store, unit, self._call, entry.type, condition)
        first = firsts.get(_key(entry.type, condition))
        if found is not None:
            names[f"{entry.type}/{entry.id}"] = f"{entry.type}/{found.id}"
            answers[entry.position] = self._answer(200, found)
        elif first is not None:
            names[f"{entry.type}/{entry.id}"] = f"{entry.type}/{first.id}"
            twins[entry.position] = first.position
        else:
            made = replace(entry, if_none_exist=None)
            firsts[_key(entry.type, condition)] = made
            return made
        return None

    def _renamed(self, unit: "Unit", entry: Entry, names: dict[str, str]) -> Entry:
        """Rewrite references to what exists already and those written as searches; only then prepare again."""
        if entry.method == "PATCH":
            return replace(entry, text=linked(references.rewritten(entry.text, names), names))
        if entry.prepared is None or (not names and b"?" not in entry.prepared.tail):
            return entry
        wanted = set(references.texts(entry.prepared.tail))
        changed = {name: names[name] for name in wanted if name in names}
        for name in wanted:
            type_name, mark, query = name.partition("?")
            if mark and type_name in type_ids():
                with placing(entry):
                    changed[name] = self._conditional_reference(unit, type_name, query)
        received = _without_own(entry.prepared)
        text = linked(references.rewritten(received, changed), names)
        if text == received:
            return entry
        renamed = prepare(text)
        return replace(entry, prepared=replace(renamed, id=entry.prepared.id, body_id=entry.prepared.body_id))

    def _conditional_reference(self, unit: "Unit", type_name: str, query: str) -> str:
        """The address; a record names the same doctor again and again, and until something is written it stays."""
        known = self._resolved.get((type_name, query))
        if known is not None:
            return known
        found = match(self._store, unit, self._call, type_name, pairs(query))
        if found is None:
            raise Conflict(BUNDLE_REFERENCE, f"A reference by search matches no {type_name}", hint="Create it first")
        self._resolved[type_name, query] = address = f"{type_name}/{found.id}"
        return address

    def _one(self, unit: "Unit", entry: Entry) -> bytes:
        store, call = self._store, self._call
        interaction = INTERACTIONS[entry.method]
        if entry.id is None and entry.method in ("GET", "HEAD") and not entry.is_history:
            interaction = "s"
        if entry.is_history and not entry.type:
            require(call.principal, "system/*.r")
        elif entry.type:  # a search across types asks for the scope of each itself
            require(call.principal, f"system/{entry.type}.{interaction}")
        if entry.method == "DELETE":
            return self._delete(unit, entry)
        if entry.method == "POST":
            assert entry.prepared is not None
            stored = create(store, unit, call, entry.prepared, entry.if_none_exist)
            self._written[entry.position] = stored
            return self._answer(201 if stored.created else 200, stored)
        if entry.method == "PUT":
            return self._put(unit, entry)
        if entry.method == "PATCH":
            return self._patch(unit, entry)
        return self._read(unit, entry)

    def _read(self, unit: "Unit", entry: Entry) -> bytes:
        store, call, repository = self._store, self._call, self._store.repository
        if entry.is_history:
            return self._inner(store.history_in(unit, call, entry.type or None, entry.id, entry.params or ()))
        if entry.id is None:
            return self._inner(store.search_in(unit, call, entry.type or None, entry.params or (), entry.owner))
        if entry.version is not None:
            stored = repository.vread(unit, call, entry.type, entry.id, entry.version)
        else:
            stored = repository.read(unit, call, entry.type, entry.id)
        store.refuse_hidden(call, stored)
        store.note(call, "read", entry.type, (stored,))
        since_us = entry.if_modified_since_us
        if entry.if_none_match == stored.version or (since_us is not None and stored.updated_us <= since_us):
            return b'{"response":%b}' % json.dumps(bundles.response_of(304, stored))
        kept = members_of(entry.type, entry.params) if entry.params else None
        return self._answer(200, part_of(stored, kept), always=True)

    def _put(self, unit: "Unit", entry: Entry) -> bytes:
        assert entry.prepared is not None
        if entry.is_new:
            stored = make(self._store, unit, self._call, entry.prepared, entry.id, entry.if_match)
        else:
            stored = put(self._store, unit, self._call, entry.prepared, entry.id, entry.params, entry.if_match)
        self._written[entry.position] = stored
        return self._answer(201 if stored.created else 200, stored)

    def _patch(self, unit: "Unit", entry: Entry) -> bytes:
        store, call = self._store, self._call
        current = target(store, unit, call, entry.type, entry.id, entry.params, lock=True)
        prepared = patched(store, call, current, parse_patch_entry(entry.text))
        version = entry.if_match or current.version
        return self._answer(200, write_patched(store, unit, call, prepared, version))

    def _delete(self, unit: "Unit", entry: Entry) -> bytes:
        gone = remove(self._store, unit, self._call, entry.type, entry.id, entry.params, entry.if_match)
        return self._answer(204, gone)

    def _answer(self, status: int, stored: Stored | None, *, always: bool = False) -> bytes:
        said = bundles.response_of(status, stored)
        if self._returned == "OperationOutcome" and not always:
            told = f"{stored.type} {stored.outcome}, version {stored.version}" if stored else "Nothing to do"
            response = json.dumps({**said, "outcome": remark("information", "informational", told)})
        else:
            response = json.dumps(said)
        if stored is None:
            return b'{"response":%b}' % response
        url = f"{self._store.base_url}/{stored.type}/{stored.id}".encode()
        asked = always or (self._returned == "representation" and (not stored.is_found or may_read(self._call, stored)))
        if stored.is_found and asked and not always:
            self._store.note(self._call, "read", stored.type, (stored,))
        shown = b'"resource":%b,' % stored.body if stored.body and asked else b""
        return b'{"fullUrl":"%b",%b"response":%b}' % (url, shown, response)

    def _inner(self, found: bytes) -> bytes:
        return b'{"resource":%b,"response":{"status":"200 OK"}}' % found

    def _refusal(self, error: KiungoError) -> bytes:
        return bundles.refusal(error.http_status, outcome_of(error))


def _key(type_name: str, condition: Params) -> ConditionKey:
    return type_name, tuple(sorted(condition))


def _without_own(prepared: Prepared) -> bytes:
    """The resource's text as received, but for id and the version in meta, which the server gives."""
    meta = b',"meta":{%b}' % prepared.meta_tail[1:] if prepared.meta_tail else b""
    return b'{"resourceType":"%b"%b%b}' % (prepared.type.encode(), meta, prepared.tail)
