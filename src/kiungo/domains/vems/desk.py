"""The booking desk: ask for a cost distribution, look at a booking, and take it through its states.

Prepare outside, decide inside: a request is read, priced and its patient found before the unit of work; inside,
the claim's key is held, and only if contracts changed meanwhile is the price made again.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Protocol

from kiungo.base.errors import Conflict
from kiungo.base.time import Clock
from kiungo.domains.vems import events, stated
from kiungo.domains.vems.books import Books, DatedBook
from kiungo.domains.vems.errors import BOOKING_FIXED, booking_not_found, facility_not_found
from kiungo.domains.vems.mapping.records import Records
from kiungo.domains.vems.mapping.requests import Place
from kiungo.domains.vems.model import CURRENCY, BookedLine, BookingRequest
from kiungo.domains.vems.people import KnownPatient, People
from kiungo.domains.vems.rules.booking import price, total_of
from kiungo.domains.vems.store import bookings
from kiungo.domains.vems.store.bookings import BookingRow
from kiungo.fhir.model import Prepared
from kiungo.fhir.repository import Repository
from kiungo.kernel import audit, json
from kiungo.kernel.auth import Call, Thing, require
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.outbox import Outbox
from kiungo.ports.bookings import lock_name

NUMBER_TRIES_MAX = 20
READ, WRITE = "read:bookings", "write:bookings"


@dataclass(frozen=True, slots=True)
class Draft:
    """A booking that was priced and described, not yet written."""

    row: BookingRow
    lines: tuple[BookedLine, ...]
    resources: tuple[Prepared, ...]
    dated: DatedBook


@dataclass(frozen=True, slots=True)
class Asked:
    """A request on its way: read, its patient known. Shapes: `draft` is None when the claim has a booking already."""

    request: BookingRequest
    kept: bytes
    fingerprint: bytes
    patient: KnownPatient | None
    draft: Draft | None


@dataclass(frozen=True, slots=True)
class Booked:
    """A booking with its services as they are after a step."""

    row: BookingRow
    lines: tuple[BookedLine, ...]


class Follower(Protocol):
    """Whoever follows the claims of bookings."""

    def opened(self, unit: Unit, tenant: int, booked: Booked, *, is_new: bool) -> None:
        """A booking was made, or revised."""
        ...

    def closed(self, unit: Unit, tenant: int, booking_no: str) -> None:
        """A booking was cancelled."""
        ...


class BookingDesk:
    """Bookings of one installation. Shapes: `follower` is set once, when the domain is put together."""

    def __init__(
        self,
        database: Database,
        repository: Repository,
        outbox: Outbox,
        people: People,
        books: Books,
        *,
        rng: Random | None = None,
    ) -> None:
        self.database = database
        self.repository = repository
        self.outbox = outbox
        self.people = people
        self.books = books
        self.clock: Clock = database.clock
        self.follower: Follower | None = None
        self._records = Records()
        self._rng = rng or random.SystemRandom()

    async def prepare(self, call: Call, body: bytes) -> Asked:
        """Read and price a request, and find its patient; nothing of the booking is written.

        Raises: Incorrect (malformed, BOOKING_INVALID, SERVICE_NOT_CONTRACTED), NotFound (FACILITY_NOT_FOUND,
        SERVICE_NOT_FOUND, PATIENT_NOT_FOUND), Forbidden NOT_YOURS, Unavailable REGISTRY_AWAY.
        """
        request = stated.parse(body)
        require(call.principal, WRITE, Thing("booking", bindings={"facility": request.facility}))
        kept = stated.kept_form(request)
        fingerprint = stated.fingerprint(kept)
        found = await self.database.point_read(lambda unit: self._look(unit, call, request))
        existing, dated, patient = found
        if existing is not None and existing.fingerprint == fingerprint:
            return Asked(request, kept, fingerprint, patient, None)
        if dated is None:
            raise facility_not_found(request.facility)
        lines = price(dated.book, request, self.repository.new_id)
        if patient is None:
            patient = KnownPatient(await self.people.ask(call, request.patient), stale=False)
        draft = None
        if existing is None:
            draft = self._draft(request, kept, fingerprint, dated, lines, patient.fhir_id)
        return Asked(request, kept, fingerprint, patient, draft)

    def book(self, unit: Unit, call: Call, asked: Asked) -> Booked:
        """Write a prepared request: the same again answers the same booking, another one revises it while it may.

        Raises: Conflict BOOKING_FIXED; as `prepare`, when contracts changed meanwhile.
        """
        tenant, request = call.tenant, asked.request
        unit.lock(f"vems:booking:{tenant}:{request.facility}:{request.claim_id}")
        booked = self._create(unit, call, asked, asked.draft) if asked.draft is not None else None
        if booked is not None:
            return booked
        existing = bookings.find_of_claim(unit, tenant, request.facility, request.claim_id)
        if existing is None:
            return self._create_anew(unit, call, asked)
        unit.lock(lock_name(tenant, existing.booking_no))
        bookings.hold(unit, tenant, existing.booking_no)
        existing = bookings.find(unit, tenant, existing.booking_no) or existing
        if existing.fingerprint == asked.fingerprint:
            audit.record(
                unit, call, "book", kind="booking", id=existing.booking_no, person=existing.patient_fhir,
                detail="REPEATED",
            )  # fmt: skip
            return Booked(existing, bookings.lines_of(unit, tenant, existing.booking_no))
        if _is_fixed(existing, bookings.lines_of(unit, tenant, existing.booking_no)):
            raise _fixed(existing)
        return self._revise(unit, call, asked, existing)

    def find(self, unit: Unit, call: Call, booking_no: str, *, action: str = READ) -> Booked:
        """A booking the caller may see. Raises: NotFound BOOKING_NOT_FOUND, also for another facility's."""
        found = bookings.find_with_lines(unit, call.tenant, booking_no)
        bound = call.principal.bindings.get("facility")
        if found is None or (bound is not None and bound != found[0].facility):
            raise booking_not_found(booking_no)
        require(call.principal, action, Thing("booking", bindings={"facility": found[0].facility}))
        return Booked(*found)

    def patient(self, unit: Unit, call: Call, row: BookingRow) -> Any:
        """The booking's patient record."""
        return json.loads(self.repository.read(unit, call, "Patient", row.patient_fhir).body)

    def tell(
        self, unit: Unit, call: Call, booked: Booked, topic: str, text: str, more: dict[str, Any] | None = None
    ) -> None:
        """Write what happened: the step of the trail and the event, in the unit that made it so."""
        row = booked.row
        bookings.note(unit, call.tenant, row.booking_no, topic, text, by=call.principal.name, detail=more)
        payload = events.booking(row, booked.lines, more)
        self.outbox.publish(unit, tenant=call.tenant, topic=topic, aggregate=row.booking_no, payload=payload)

    def write_records(self, unit: Unit, call: Call, booked: Booked, *, task_only: bool = False) -> None:
        """Bring the FHIR records of a changed booking up to date."""
        for prepared in self._resources(booked.row, booked.lines, self._place(unit, call, booked.row), unit.now_us):
            if prepared.type == "Task" or not task_only:
                self.repository.update(unit, call, prepared)

    def _look(
        self, unit: Unit, call: Call, request: BookingRequest
    ) -> tuple[BookingRow | None, DatedBook | None, KnownPatient | None]:
        return (
            bookings.find_of_claim(unit, call.tenant, request.facility, request.claim_id),
            self.books.current(unit, call.tenant, request.facility),
            self.people.known(unit, call.tenant, request.patient),
        )

    def _create_anew(self, unit: Unit, call: Call, asked: Asked) -> Booked:
        """Price and write a booking of a claim that has none: contracts changed, or the number was another's."""
        for _ in range(NUMBER_TRIES_MAX):
            booked = self._create(unit, call, asked, self._again(unit, call, asked))
            if booked is not None:
                return booked
        raise AssertionError("no free booking number was drawn; the generator does not draw")

    def _create(self, unit: Unit, call: Call, asked: Asked, draft: Draft) -> Booked | None:
        """Write a draft; None, with nothing written, when it no longer holds or its claim or number is taken."""
        dated = self.books.current(unit, call.tenant, asked.request.facility)
        if dated is None or dated.versions != draft.dated.versions:
            return None
        row = draft.row
        if not bookings.insert(unit, call.tenant, row, draft.lines):
            return None
        booked = Booked(row, draft.lines)
        self.repository.create_all(unit, call, draft.resources)
        if self.follower is not None:
            self.follower.opened(unit, call.tenant, booked, is_new=True)
        if asked.patient is not None and asked.patient.stale:
            self.people.refresh_later(unit, call.tenant, row.patient_cr)
        audit.record(unit, call, "book", kind="booking", id=row.booking_no, person=row.patient_fhir)
        self.tell(unit, call, booked, "booking.created", f"Booked for {row.total}")
        return booked

    def _again(self, unit: Unit, call: Call, asked: Asked) -> Draft:
        """The draft as this unit's contracts make it."""
        dated = self.books.current(unit, call.tenant, asked.request.facility)
        if dated is None:
            raise facility_not_found(asked.request.facility)
        patient = asked.patient
        assert patient is not None
        lines = price(dated.book, asked.request, self.repository.new_id)
        return self._draft(asked.request, asked.kept, asked.fingerprint, dated, lines, patient.fhir_id)

    def _draft(
        self,
        request: BookingRequest,
        kept: bytes,
        fingerprint: bytes,
        dated: DatedBook,
        lines: tuple[BookedLine, ...],
        patient_fhir: str,
    ) -> Draft:
        now_us = self.clock.now_us()
        row = BookingRow(
            booking_no=f"VB{self._rng.getrandbits(48):012X}",
            booking_id=self.repository.new_id(),
            facility=request.facility,
            claim_id=request.claim_id,
            patient_cr=request.patient,
            patient_fhir=patient_fhir,
            mode=request.mode,
            state="pending",
            approval="pending",
            overridden=0,
            revision=1,
            fingerprint=fingerprint,
            request=kept,
            diagnosis=request.diagnosis,
            currency=CURRENCY,
            total_minor=total_of(lines, CURRENCY).minor,
            booked_for_us=min(line.at_us for line in lines),
            claimed_us=None,
            created_us=now_us,
            updated_us=now_us,
        )
        place = _place_of(row, dated)
        return Draft(row, lines, self._resources(row, lines, place, now_us), dated)

    def _revise(self, unit: Unit, call: Call, asked: Asked, existing: BookingRow) -> Booked:
        """Another body for a pending, unclaimed booking: the same number, the old content kept as history."""
        tenant = call.tenant
        old = bookings.lines_of(unit, tenant, existing.booking_no)
        draft = self._again(unit, call, asked)
        lines = _with_known_ids(draft.lines, old)
        row = replace(
            draft.row,
            booking_no=existing.booking_no,
            booking_id=existing.booking_id,
            revision=existing.revision + 1,
            overridden=existing.overridden,
            decided_by_hand=existing.decided_by_hand,
            created_us=existing.created_us,
            updated_us=unit.now_us,
        )
        booked = Booked(row, lines)
        place = _place_of(row, draft.dated)
        kept = {line.line_id for line in lines}
        for line in old:
            if line.line_id not in kept:
                revoked = replace(line, state="cancelled")
                self.repository.update(unit, call, self._records.request(revoked, place, authored_us=row.created_us))
        for prepared in self._resources(row, lines, place, unit.now_us):
            self.repository.update(unit, call, prepared)
        bookings.replace_lines(unit, tenant, existing, old, lines)
        bookings.update(unit, tenant, row)
        if self.follower is not None:
            self.follower.opened(unit, tenant, booked, is_new=False)
        audit.record(unit, call, "revise", kind="booking", id=row.booking_no, person=row.patient_fhir)
        self.tell(unit, call, booked, "booking.revised", f"Revised to {row.total} (revision {row.revision})")
        return booked

    def _resources(
        self, row: BookingRow, lines: Sequence[BookedLine], place: Place, modified_us: int
    ) -> tuple[Prepared, ...]:
        records, created_us = self._records, row.created_us
        requests = [records.request(line, place, authored_us=created_us) for line in lines]
        order = records.task(row.booking_id, place, lines, row.state, authored_us=created_us, modified_us=modified_us)
        return (*requests, order)

    def _place(self, unit: Unit, call: Call, row: BookingRow) -> Place:
        dated = self.books.current(unit, call.tenant, row.facility)
        return _place_of(row, dated)


def _place_of(row: BookingRow, dated: DatedBook | None) -> Place:
    facility = dated.book.facility if dated else None
    return Place(
        booking_no=row.booking_no,
        claim_id=row.claim_id,
        patient=row.patient_fhir,
        facility=row.facility,
        facility_name=facility.name if facility else row.facility,
        organization=facility.organization_fhir if facility else "",
    )


def _with_known_ids(lines: Sequence[BookedLine], old: Sequence[BookedLine]) -> tuple[BookedLine, ...]:
    """A service that stays in a revised booking keeps its id, whatever its time and place in the list."""
    left = list(old)
    named = []
    for line in lines:
        same = next((one for one in left if one.service_code == line.service_code), None)
        if same is not None:
            left.remove(same)
        named.append(line if same is None else replace(line, line_id=same.line_id))
    return tuple(named)


def _is_fixed(row: BookingRow, lines: Sequence[BookedLine]) -> bool:
    """Whether a payer has it, a person or payer has decided about it, or a service of it was delivered."""
    if row.state != "pending" or row.claimed_us is not None:
        return True
    return row.approval != "pending" or any(line.state == "completed" for line in lines)


def _fixed(row: BookingRow) -> Conflict:
    why = "a service of it was delivered"
    if row.state != "pending":
        why = f"it is {row.state}"
    elif row.claimed_us is not None:
        why = "a claim was submitted for it"
    elif row.approval != "pending":
        why = f"it is {row.approval}"
    return Conflict(
        BOOKING_FIXED,
        f"Booking {row.booking_no} for this claim can no longer be changed: {why}",
        field="claimID",
        hint="Send the same services again to get the same booking, or use another claimID for another booking",
    )
