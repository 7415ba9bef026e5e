"""`kill -9` at every commit point of booking, delivery, claim and approval: the restart finishes, once."""

import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from kiungo.domains.payor import roles, sample
from kiungo.domains.payor.registers import Registers
from kiungo.domains.vems.contracting import ContractDesk
from kiungo.domains.vems.events import TOPICS
from kiungo.domains.vems.loading import load_sample
from kiungo.domains.vems.people import People
from kiungo.fhir.repository import Repository
from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.keys import create_key
from kiungo.kernel.database import Unit, open_database
from kiungo.kernel.outbox import Outbox
from kiungo.ports.registry import RegisteredPatient

from .running import Platform, until

POINTS_MAX = 80
JOHN = RegisteredPatient("CR1234567", "John Kamau Mwangi", "", "1985-05-15", "male", "National ID", "12345678")
BOOKING = {
    "patientCR": "CR1234567",
    "paymentMode": "sha",
    "facilityFrCode": "FID-32-121583-3",
    "claimID": "killed-1",
    "diagnosisCode": "8B20",
    "services": [{"serviceCode": "F8735", "serviceDate": "2026-11-02T10:51:00.000Z"}],
}


@dataclass(frozen=True)
class Hospital:
    """A database with both samples, and where its platform will listen."""

    url: str
    folder: Path
    key: str
    port: int

    def platform(self, kill_at: int = 0) -> Platform:
        own = f"http://127.0.0.1:{self.port}/api"
        return Platform(
            self.url, self.folder, kill_at=kill_at, KIUNGO_PORT=str(self.port), KIUNGO_HCMS_BASE_URL=own,
            KIUNGO_HCMS_API_KEY=self.key, KIUNGO_HCMS_REPORTS_PAYMENT="false", KIUNGO_FOLLOW_INTERVAL_S="1",
            KIUNGO_FOLLOW_TICK_S="0.2",
        )  # fmt: skip


@pytest.fixture
def hospital(database_url: str, tmp_path: Path) -> Hospital:
    database = open_database(database_url, stepped=True)
    call, repository = system_call(1, name="test"), Repository(database.clock)
    people = People(database, repository, None)

    def fill(unit: Unit) -> str:
        sample.load(Registers(repository), unit, call)
        load_sample(ContractDesk(Outbox(dict.fromkeys(TOPICS, ()))), unit, call)
        people.keep(unit, call, JOHN)
        _, key = create_key(unit, call, name="h", roles=(roles.PROVIDER.name,), bindings={"provider": "PROV-004"})
        return key

    try:
        key = database.write(fill)
    finally:
        people.close()
        database.close()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    return Hospital(database_url, tmp_path, key, port)


def have_done(platform: Platform) -> str | None:
    """Book, have the service delivered, and wait for the approval; None when the connection broke."""
    try:
        with platform.client() as client:
            answer = client.post("/hmis/v1/bookings/cost-distribution", json=BOOKING)
            assert answer.status_code == 200, answer.text
            number = str(answer.json()["bookingNo"])
            line = client.get(f"/hmis/v1/bookings/{number}").json()["bookedServices"][0]["serviceBookingId"]
            done = client.post(f"/vems/v1/bookings/{number}/services/{line}/complete")
            assert done.status_code == 200, done.text

            def approved() -> bool:
                return bool(client.get(f"/hmis/v1/bookings/{number}").json()["approvalStatus"] == "approved")

            until(approved, what="the approval")
            return number
    except httpx.TransportError:
        return None


def one_run(hospital: Hospital, kill_at: int) -> bool:
    """Be killed at a commit point, restart, do it all again; returns whether the point was reached."""
    with hospital.platform(kill_at) as platform:
        platform.arm()
        before = have_done(platform)
    killed = platform.was_killed
    assert killed or before is not None
    let_a_minute_pass(hospital)
    with hospital.platform() as platform:
        number = have_done(platform)
        assert number is not None, platform.errors
        assert before in (None, number)
        until(lambda: not jobs_left(hospital), what=f"the jobs after a kill at {kill_at}")
    assert effects(hospital, number) == ONCE, f"killed at {kill_at}"
    return killed


ONCE = {
    "bookings": 1,
    "patients": 1,
    "FHIR orders and requests": 2,
    "claims at the payor": 1,
    "claims followed": ["closed/approved/1500000/1"],
    "submissions audited": 1,
    "events": [
        "booking.claim_approved",
        "booking.claim_submitted",
        "booking.completed",
        "booking.created",
        "booking.service_completed",
    ],
    "shares owed": [50_000, 450_000, 1_000_000],
    "payments, none of them sent": ["waiting", "waiting"],
    "out of balance": 0,
}


def effects(hospital: Hospital, number: str) -> dict[str, Any]:
    def column(unit: Unit, sql: str, *given: Any) -> list[Any]:
        return [row[0] for row in unit.rows(sql, given)]

    def ask(unit: Unit) -> dict[str, Any]:
        line = column(unit, "SELECT line_id FROM vems_booking_line WHERE booking_no = ?", number)
        order = column(unit, "SELECT booking_id FROM vems_booking")
        return {
            "bookings": unit.value("SELECT count(*) FROM vems_booking"),
            "patients": unit.value("SELECT count(*) FROM vems_patient"),
            "FHIR orders and requests": unit.value(
                "SELECT count(*) FROM fhir_resource WHERE fid IN (?, ?)", (line[0], order[0])
            ),
            "claims at the payor": unit.value("SELECT count(*) FROM payor_claim"),
            "claims followed": [
                "/".join(str(cell) for cell in row)
                for row in unit.rows("SELECT state, status, approved_minor, version FROM vems_claim")
            ],
            "submissions audited": unit.value(
                "SELECT count(*) FROM audit WHERE action = 'submit' AND kind = 'booking'"
            ),
            "events": sorted(column(unit, "SELECT topic FROM outbox WHERE topic LIKE 'booking.%'")),
            "shares owed": sorted(column(unit, "SELECT accrued_minor FROM settlement_share")),
            "payments, none of them sent": column(unit, "SELECT state FROM settlement_leg"),
            "out of balance": unit.value("SELECT SUM(posted_dr) - SUM(posted_cr) FROM ledger_account"),
        }

    return look(hospital, ask)


def jobs_left(hospital: Hospital) -> int:
    def ask(unit: Unit) -> int:
        return int(unit.value("SELECT count(*) FROM job WHERE kind LIKE 'vems.submit%' OR state = 'dead'"))

    return int(look(hospital, ask))


def let_a_minute_pass(hospital: Hospital) -> None:
    """What the dead process had taken is free again, as it is a minute later."""
    database = open_database(hospital.url, stepped=True)
    try:
        database.write(lambda unit: unit.execute("UPDATE job SET lease_until_us = 0 WHERE state = 'running'"))
    finally:
        database.close()


def look(hospital: Hospital, ask: Any) -> Any:
    database = open_database(hospital.url, stepped=True)
    try:
        return database.read(ask)
    finally:
        database.close()


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_killed_at_every_commit_point_a_booking_is_one_booking(hospital: Hospital, tmp_path: Path) -> None:
    database = Path(hospital.url.removeprefix("sqlite:///"))
    fresh = tmp_path / "fresh.db"
    shutil.copy(database, fresh)
    reached = 0
    for kill_at in range(1, POINTS_MAX):
        for left in database.parent.glob(database.name + "*"):
            left.unlink()
        shutil.copy(fresh, database)
        if not one_run(hospital, kill_at):
            break
        reached += 1
    else:
        raise AssertionError(f"still commit points after {POINTS_MAX}")
    assert reached >= 10, "booking, delivery, lease, claim and decision, each before and after its commit"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.parametrize("kill_at", [1, 2, 5, 8])
def test_killed_on_postgresql_too(hospital: Hospital, kill_at: int) -> None:
    assert one_run(hospital, kill_at)
