"""Which endpoints want which event, remembered in the process so that an event nobody wants costs nothing."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from kiungo.kernel import json
from kiungo.kernel.database import Unit

AGE_S_MAX = 5.0
"""A change made by another program on the same database is seen after this long at the latest."""

Wanted = Mapping[tuple[int, str], tuple[tuple[str, frozenset[str]], ...]]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    wanted: Wanted
    read_at_s: float


class EndpointIndex:
    """The active endpoints of every owner, read again after a change and every few seconds.

    A unit never leaves what it read behind unless it commits, and never over a change that came between: so
    an endpoint of a unit that failed is never delivered to.
    """

    def __init__(self) -> None:
        self._snapshot: _Snapshot | None = None
        self._generation = 0
        self._lock = threading.Lock()

    def matching(self, unit: Unit, tenant: int, owner: str, event: str) -> list[str]:
        """Ids of the owner's active endpoints that want the event."""
        snapshot = self._snapshot
        if snapshot is None or time.monotonic() - snapshot.read_at_s > AGE_S_MAX:
            snapshot = self._read(unit)
        endpoints = snapshot.wanted.get((tenant, owner), ())
        return [endpoint_id for endpoint_id, events in endpoints if event in events]

    def changed(self) -> None:
        """Forget; called after the commit of every change."""
        with self._lock:
            self._generation += 1
            self._snapshot = None

    def _read(self, unit: Unit) -> _Snapshot:
        generation = self._generation
        wanted: dict[tuple[int, str], tuple[tuple[str, frozenset[str]], ...]] = {}
        rows = unit.rows(
            "SELECT tn, owner, id, events FROM webhook_endpoint WHERE active = 1 AND deleted_us IS NULL"
            " ORDER BY tn, owner, id"
        )
        for tenant, owner, endpoint_id, events in rows:
            known = wanted.get((tenant, owner), ())
            wanted[tenant, owner] = (*known, (endpoint_id, frozenset(json.loads(events))))
        snapshot = _Snapshot(wanted, time.monotonic())
        unit.after_commit(lambda: self._keep(snapshot, generation))
        return snapshot

    def _keep(self, snapshot: _Snapshot, generation: int) -> None:
        with self._lock:
            if generation == self._generation:
                self._snapshot = snapshot
