"""Batch and transaction bundles: entries were prepared outside the unit of work and are decided inside it.

A transaction is all or nothing, in FHIR's order: deletes, creates, updates, then reads. A batch gives each
entry its own savepoint and its own answer.
Source: FHIR R4 3.1.0.11 (batch/transaction).
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from kiungo.base.errors import Conflict, KiungoError
from kiungo.fhir import bundles
from kiungo.fhir.bundle_parts import (
    BUNDLE_REFERENCE,
    INTERACTIONS,
    ORDER,
    REFERENCE,
    Entry,
    Work,
    pairs,
    placed,
    rewritten,
)
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.guard import authorise, may_read
from kiungo.fhir.model import Prepared, Stored
from kiungo.fhir.outcome import outcome_of
from kiungo.fhir.prepare import prepare
from kiungo.fhir.store import Store
from kiungo.fhir.writing import create, match, put, remove
from kiungo.kernel import json
from kiungo.kernel.auth.decision import require
from kiungo.kernel.auth.principal import Call

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit


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
            entries = sorted(entries, key=lambda entry: ORDER[entry.method])
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
                    found = match(store, unit, call, entry.type, entry.if_none_exist)
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
        wanted = {match[2].decode() for match in REFERENCE.finditer(text)}
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
        found = match(self._store, unit, self._call, type_name, pairs(query))
        if found is None:
            error = Conflict(BUNDLE_REFERENCE, f"A reference by search matches no {type_name}", hint="Create it first")
            raise placed(error, entry.position)
        return f"{type_name}/{found.id}"

    def _one(self, unit: "Unit", entry: Entry) -> bytes:
        store, call, repository = self._store, self._call, self._store.repository
        interaction = "s" if entry.method in ("GET", "HEAD") and entry.id is None else INTERACTIONS[entry.method]
        require(call.principal, f"system/{entry.type}.{interaction}")
        if entry.method == "DELETE":
            return self._delete(unit, entry)
        if entry.method == "POST":
            assert entry.prepared is not None
            stored = create(store, unit, call, entry.prepared, entry.if_none_exist)
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
        authorise(call, "r", stored)
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
        asked = always or (self._with_resources and (not stored.is_found or may_read(self._call, stored)))
        shown = b'"resource":%b,' % stored.body if stored.body and asked else b""
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
