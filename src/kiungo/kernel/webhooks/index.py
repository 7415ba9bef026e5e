"""Which endpoints want which event, remembered in the process so that an event nobody wants costs nothing."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from kiungo.kernel import json
from kiungo.kernel.database import Unit

AGE_S_MAX = 5.0
"""A change made by another program on the same database is seen after this long at the latest."""


@dataclass(frozen=True, slots=True)
class Wanting:
    """An endpoint that wants an event, and whether it is delivered to as far as is remembered."""

    id: str
    events: frozenset[str]
    active: bool


Wanted = Mapping[tuple[int, str], tuple[Wanting, ...]]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    wanted: Wanted
    read_at_s: float


class EndpointIndex:
    """The endpoints of every owner, read again after a change and every few seconds.

    A unit never leaves what it read behind unless it commits, and never over a change that came between: so
    an endpoint of a unit that failed is never delivered to.
    """

    def __init__(self) -> None:
        self._snapshot: _Snapshot | None = None
        self._generation = 0
        self._lock = threading.Lock()

    def matching(self, unit: Unit, tenant: int, owner: str, event: str) -> list[Wanting]:
        """The owner's endpoints that want the event, inactive ones too."""
        snapshot = self._snapshot
        if snapshot is None or time.monotonic() - snapshot.read_at_s > AGE_S_MAX:
            snapshot = self._read(unit)
        return [endpoint for endpoint in snapshot.wanted.get((tenant, owner), ()) if event in endpoint.events]

    def changed(self) -> None:
        """Forget; called after the commit of every change."""
        with self._lock:
            self._generation += 1
            self._snapshot = None

    def _read(self, unit: Unit) -> _Snapshot:
        generation = self._generation
        wanted: dict[tuple[int, str], tuple[Wanting, ...]] = {}
        rows = unit.rows(
            "SELECT tn, owner, id, events, active FROM webhook_endpoint WHERE deleted_us IS NULL ORDER BY tn, owner, id"
        )
        for tenant, owner, endpoint_id, events, active in rows:
            known = wanted.get((tenant, owner), ())
            wanted[tenant, owner] = (*known, Wanting(endpoint_id, frozenset(json.loads(events)), bool(active)))
        snapshot = _Snapshot(wanted, time.monotonic())
        unit.after_commit(lambda: self._keep(snapshot, generation))
        return snapshot

    def _keep(self, snapshot: _Snapshot, generation: int) -> None:
        with self._lock:
            if generation == self._generation:
                self._snapshot = snapshot
