"""A tenant's validation: its packages, stored definitions and terminology behind one library of compiled profiles.

The library is dropped as soon as a package, a stored StructureDefinition or the policy changes; how often that is
looked at is bounded, so a change counts after a second at the latest.
"""

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kiungo.base.errors import Incorrect
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.packages.policy import Policy, policy
from kiungo.fhir.profiles.conformance import BaseSource, Layers, chosen
from kiungo.fhir.profiles.library import Library
from kiungo.fhir.profiles.membership import known_in, misnamed_in
from kiungo.fhir.terminology import Terminologies
from kiungo.fhir.terminology.shelves import packaged, stored
from kiungo.kernel.database import Database

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

LOOK_AGAIN_S = 1.0
TENANTS_MAX = 64
ANSWERS_MAX = 20_000
Json = dict[str, Any]


class TenantSource:
    """What a tenant stored goes before what it installed."""

    def __init__(self, database: Database, tenant: int) -> None:
        self._database = database
        self._tenant = tenant

    def find(self, type_name: str, canonical: str) -> Json | None:
        """A conformance resource by canonical address, in the version it names or the highest."""
        url, _, version = canonical.partition("|")

        def look(unit: "Unit") -> Json | None:
            for shelf in (stored, packaged):
                found = chosen(shelf(unit, self._tenant, type_name, url), version)
                if found is not None:
                    return found
            return None

        return self._database.read(look)


class TenantTerminology:
    """A tenant's terminology service, as bindings ask it."""

    def __init__(self, terminologies: Terminologies, tenant: int) -> None:
        self._terminology = terminologies.of(tenant)
        self._known: dict[tuple[str, str, str | None], bool | None] = {}
        self._asked_s = 0.0

    def holds(self, value_set: str, system: str | None, code: str) -> bool | None:
        """Yes, no, or None when it cannot be known, as from a value set whose rules cannot be followed."""
        try:
            return self._terminology.member(value_set, system, code)
        except Incorrect:
            return None

    def knows(self, system: str, code: str, version: str | None) -> bool | None:
        """Whether a code system has a code; None when its codes are not all here. Answers hold for a second."""
        now_s = time.monotonic()
        if now_s - self._asked_s > LOOK_AGAIN_S or len(self._known) > ANSWERS_MAX:
            self._known.clear()
            self._asked_s = now_s
        key = (system, code, version)
        if key not in self._known:
            self._known[key] = self._terminology.read(lambda reading: known_in(reading, system, code, version))
        return self._known[key]

    def misnamed(self, system: str, code: str, version: str | None, display: str) -> str | None:
        """A code's own display where another one is none of its words; None when it is, or that cannot be known."""
        return self._terminology.read(lambda reading: misnamed_in(reading, system, code, version, display))


@dataclass(slots=True)
class _Held:
    library: Library
    policy: Policy
    stamp: tuple[Any, ...]
    looked_s: float


class Libraries:
    """The library and policy of each tenant; safe from any thread."""

    def __init__(self, database: Database, terminologies: Terminologies) -> None:
        self._database = database
        self._terminologies = terminologies
        self._held: dict[int, _Held] = {}
        self._lock = threading.Lock()

    def of(self, tenant: int) -> Library:
        """The compiled profiles of a tenant."""
        return self._current(tenant).library

    def policy_of(self, tenant: int) -> Policy:
        """The profiles a tenant's writes must meet."""
        return self._current(tenant).policy

    def forget(self) -> None:
        """Look again at once: whoever changes a tenant's definitions may call this instead of waiting a second."""
        with self._lock:
            self._held.clear()

    def _current(self, tenant: int) -> _Held:
        held = self._held.get(tenant)
        now_s = time.monotonic()
        if held is not None and now_s - held.looked_s < LOOK_AGAIN_S:
            return held
        stamp, rules = self._database.read(lambda unit: (_stamp(unit, tenant), policy(unit, tenant)))
        with self._lock:
            held = self._held.get(tenant)
            if held is None or held.stamp != stamp:
                held = self._held[tenant] = _Held(self._made(tenant), rules, stamp, now_s)
                if len(self._held) > TENANTS_MAX:
                    self._held.pop(next(one for one in self._held if one != tenant))
            held.looked_s = now_s
            held.policy = rules
        return held

    def _made(self, tenant: int) -> Library:
        source = Layers(TenantSource(self._database, tenant), BaseSource())
        return Library(source, TenantTerminology(self._terminologies, tenant))


def _stamp(unit: "Unit", tenant: int) -> tuple[Any, ...]:
    """A value that changes with the tenant's definitions: a few seeks."""
    number = type_ids()["StructureDefinition"]
    return (
        unit.value("SELECT max(updated_us) FROM fhir_resource WHERE tn = ? AND type = ?", (tenant, number)),
        *(unit.row("SELECT count(*), max(installed_us) FROM fhir_package WHERE tn = ?", (tenant,)) or ()),
    )
