"""Patients and facilities: known from before, or asked of the national registry and kept as FHIR records."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from kiungo.domains.vems.errors import facility_not_found, patient_not_found
from kiungo.domains.vems.mapping import people
from kiungo.domains.vems.mapping.people import registered_patient
from kiungo.domains.vems.mapping.terms import FACILITY, PERSON
from kiungo.domains.vems.model import Facility
from kiungo.domains.vems.store import contracts
from kiungo.domains.vems.store import people as rows
from kiungo.fhir.pieces import Resource, token
from kiungo.fhir.prepare import prepare
from kiungo.fhir.repository import Repository
from kiungo.kernel import json
from kiungo.kernel.auth import Call, system_call
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.jobs import Effect, Job, enqueue
from kiungo.ports.registry import Eligibility, RegisteredFacility, RegisteredPatient, Registry

REFRESH_PATIENT = "vems.refresh_patient"
FRESH_US = 30 * 86_400 * 1_000_000
THREADS = 16
ATTEMPTS_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class KnownPatient:
    """A patient we have. Shapes: `stale` when the registry should be asked again, at leisure."""

    fhir_id: str
    stale: bool


class People:
    """Who patients and facilities are. Without a registry, only those known already exist."""

    def __init__(self, database: Database, repository: Repository, registry: Registry | None) -> None:
        self.database = database
        self.repository = repository
        self.registry = registry
        # The registry may be slow; its callers wait in threads of their own and hold up nobody else.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="registry")

    def close(self) -> None:
        """Let the waiting threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def known(self, unit: Unit, tenant: int, cr_number: str) -> KnownPatient | None:
        """A patient known from before."""
        row = rows.find(unit, tenant, cr_number)
        return None if row is None else KnownPatient(row[0], row[1] + FRESH_US < unit.now_us)

    async def ask(self, call: Call, cr_number: str) -> str:
        """Ask the registry for an unknown patient and keep the answer; returns the Patient's id.

        Raises: NotFound PATIENT_NOT_FOUND; Unavailable REGISTRY_AWAY.
        """
        registry = self.registry
        if registry is None:
            raise patient_not_found(cr_number)
        loop = asyncio.get_running_loop()
        person = await loop.run_in_executor(self._threads, registry.find_patient, cr_number)
        if person is None:
            raise patient_not_found(cr_number)
        return await self.database.write_async(lambda unit: self.keep(unit, call, person))

    async def eligibility(self, call: Call, cr_number: str) -> tuple[RegisteredPatient, Eligibility | None]:
        """A validated patient and whether the national insurance covers them.

        Raises: NotFound PATIENT_NOT_FOUND; Unavailable REGISTRY_AWAY.
        """
        found = await self.database.point_read(lambda unit: self.known(unit, call.tenant, cr_number))
        fhir_id = found.fhir_id if found else await self.ask(call, cr_number)
        stored = await self.database.point_read(lambda unit: self.repository.read(unit, call, "Patient", fhir_id))
        person = registered_patient(json.loads(stored.body))
        if self.registry is None or not person.identification_no:
            return person, None
        loop = asyncio.get_running_loop()
        covered = await loop.run_in_executor(
            self._threads, self.registry.eligibility, person.identification_type, person.identification_no
        )
        return person, covered

    def keep(self, unit: Unit, call: Call, person: RegisteredPatient) -> str:
        """Write what the registry says as the Patient, once per person; returns its id."""
        condition = [("identifier", token(PERSON, person.cr_number))]
        found = self.repository.find_one(unit, call, "Patient", condition)
        if found is None:
            stored = self.repository.create(unit, call, prepare(people.patient(person)))
        else:
            merged = people.patient(person, _content(found.body))
            stored = self.repository.update(unit, call, prepare(merged, id=found.id))
        rows.put(unit, call.tenant, person.cr_number, stored.id)
        return stored.id

    def refresh_later(self, unit: Unit, tenant: int, cr_number: str) -> None:
        """Ask the registry again when it has time, however long it is away; until then the known answer holds."""
        enqueue(
            unit, REFRESH_PATIENT, {"cr_number": cr_number}, tenant=tenant, key=cr_number, lane="registry",
            attempts_max=ATTEMPTS_MAX,
        )  # fmt: skip

    def refresh(self, job: Job) -> Effect | None:
        """The job's handler. A patient the registry no longer knows stays known: bookings refer to them."""
        cr_number: str = job.args["cr_number"]
        person = self.registry.find_patient(cr_number) if self.registry else None
        if person is None:
            return None
        return lambda unit: self.keep(unit, system_call(job.tenant, name="registry"), person)

    async def enable_facility(self, call: Call, fr_code: str) -> Facility:
        """Look a facility up in the registry and enable it for bookings.

        Raises: NotFound FACILITY_NOT_FOUND; Unavailable REGISTRY_AWAY.
        """
        loop = asyncio.get_running_loop()
        found = None
        if self.registry is not None:
            found = await loop.run_in_executor(self._threads, self.registry.find_facility, fr_code)
        if found is None:
            raise facility_not_found(fr_code)
        return await self.database.write_async(lambda unit: self.keep_facility(unit, call, found))

    async def registered_facilities(self) -> list[RegisteredFacility]:
        """Every facility the registry says may have bookings. Raises: Unavailable REGISTRY_AWAY."""
        if self.registry is None:
            return []
        loop = asyncio.get_running_loop()
        return list(await loop.run_in_executor(self._threads, self.registry.vems_facilities))

    def keep_facility(self, unit: Unit, call: Call, found: RegisteredFacility) -> Facility:
        """Write what the registry says as Organization and Location, and enable the facility."""
        condition = [("identifier", token(FACILITY, found.fr_code))]
        organization = self._write(unit, call, "Organization", condition, lambda old: people.organization(found, old))
        location = self._write(unit, call, "Location", condition, lambda old: people.location(found, organization, old))
        facility = Facility(found.fr_code, found.name, found.county, found.operational, organization, location)
        contracts.put_facility(unit, call.tenant, facility)
        return facility

    def _write(
        self,
        unit: Unit,
        call: Call,
        kind: str,
        condition: list[tuple[str, str]],
        make: Callable[[Resource | None], Resource],
    ) -> str:
        old = self.repository.find_one(unit, call, kind, condition)
        if old is None:
            return self.repository.create(unit, call, prepare(make(None))).id
        return self.repository.update(unit, call, prepare(make(_content(old.body)), id=old.id)).id


def _content(body: bytes) -> Resource:
    """A stored resource without what only the server writes."""
    tree: Resource = json.loads(body)
    return {name: value for name, value in tree.items() if name not in ("id", "meta")}
