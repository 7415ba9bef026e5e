"""The dashboard on a real server, over a small world with months of bookings in every state."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from kiungo.base.time import TurnedClock, date_of, iso_millis
from kiungo.console.access import Access
from kiungo.console.assets import ROUTES as ASSET_ROUTES
from kiungo.console.vems.pages import VemsPages
from kiungo.domains.vems.service import Vems
from kiungo.domains.vems.settlement import payees
from kiungo.domains.vems.settlement.model import Payee
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel.http import ErrorShape, Route
from kiungo.kernel.http.front import Front
from kiungo.ports.payment import Rail
from tests.conftest import START
from tests.console.conftest import Visitor
from tests.domains.vems.routes.conftest import Office, open_office
from tests.domains.vems.routes.test_statements import camt, statement
from tests.domains.vems.settlement.world import BANK, FACILITY, VENDOR, person

PUBLIC = (
    "GET /console/", "GET /console/sign-in", "POST /console/sign-in", "POST /console/sign-out",
    "GET /console/static/{name}",
)  # fmt: skip
DAY_S = 86_400


@dataclass
class Dashboard:
    """The running dashboard, and visitors of it."""

    office: Office
    clients: list[httpx.Client] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.office.url

    def key(self, name: str, role: str, **bindings: str) -> str:
        return self.office.key(name=name, roles=(role,), bindings=bindings)["X-API-Key"]

    def signed_in(self, name: str, role: str, **bindings: str) -> Visitor:
        client = httpx.Client(base_url=self.url, follow_redirects=True, timeout=20, headers={"origin": self.url})
        self.clients.append(client)
        visitor = Visitor(client)
        visitor.sign_in(self.key(name, role, **bindings))
        assert visitor.status == 200, visitor.page
        return visitor


def pages(
    front: Front, vems: Vems, settlements: Settlements, rails: Mapping[str, Rail]
) -> tuple[Sequence[Route], Sequence[ErrorShape], Sequence[str]]:
    access = Access(front.database, secure=False, is_dev=True)
    dashboard = VemsPages(vems, settlements, rails, front.reads)
    return (*access.routes(), *ASSET_ROUTES, *dashboard.routes()), (access.error_shape(),), PUBLIC


@contextmanager
def open_dashboard(database_url: str, folder: Path) -> Iterator[Dashboard]:
    with open_office(database_url, folder, TurnedClock(START), pages) as office:
        dashboard = Dashboard(office)
        yield dashboard
        for client in dashboard.clients:
            client.close()


def fill(office: Office) -> dict[str, str]:
    """Bookings of three months: paid, approved in part, rejected, waiting, with an unknown and a failed payment.

    Returns the references of what the desk has to do.
    """
    world = office.world
    world.fund("900000.00")
    for month in range(3):
        for number in range(4):
            days = [
                {"serviceCode": code, "serviceDate": iso_millis(world.clock.now_us())} for code in ("F8735", "F8736")
            ]
            booked = office.booked(claimID=f"CLAIM-{month}-{number}", services=days[number % 2 :])
            world.clock.turn(seconds=(2 + month) * DAY_S)
            decision: dict[str, Any] = {"reason": "the fund's letter", "approvalStatus": "approved"}
            if number == 2:
                decision = {**decision, "approvalStatus": "partially_paid", "approvedAmount": "9000.00"}
            if number == 3:
                decision = {**decision, "approvalStatus": "rejected"}
            if number == 1:
                office.post(f"/bookings/{booked}/confirm")
                for line in office.client.get(f"/hmis/v1/bookings/{booked}").json()["bookedServices"]:
                    office.post(f"/bookings/{booked}/services/{line['serviceBookingId']}/complete")
            if number == 3:
                office.post(f"/bookings/{booked}/override", decision)
            else:
                office.overridden(booked, decision)
            world.settle(seconds=3_600 * (month + 1), steps=6)
        world.clock.turn(seconds=20 * DAY_S)
    world.twin.faults.plan("lost_request", times=2)
    office.approved(claimID="CLAIM-LOST")
    world.settle()
    unknown = office.get("/legs", legStatus="unknown")["data"]
    world.database.write(_to_the_bank)
    office.post("/rails/bank/fundings", {"key": "OWN1", "amount": "10000.00"})
    office.approved(claimID="CLAIM-BANK")
    world.settle()
    waiting = office.get("/legs", legStatus="waiting")["data"]
    submitted = office.get("/legs", legStatus="submitted")["data"]
    lines = [
        (1_000_000, "", "OWN1"),
        (-round(submitted[0]["amount"] * 100), "", "MNAZI MOJA HOSP"),
        (-4_500, "", "LEDGER FEE"),
        (12_345, "", "?"),
    ]
    body = camt(statement(*lines, day=date_of(world.clock.now_us())))
    answer = office.client.post("/vems/v1/rails/bank/statements", content=body, headers=office.person("ann"))
    assert answer.status_code == 200, answer.text
    office.booked(claimID="CLAIM-OPEN")
    return {
        "unknown": unknown[0]["reference"],
        "unknown_too": unknown[1]["reference"],
        "waiting": waiting[0]["reference"],
        "submitted": submitted[0]["reference"],
        "booking": unknown[0]["bookingNo"],
    }


def _to_the_bank(unit: Any) -> None:
    for payee in (VENDOR, FACILITY):
        version = payees.propose_details(unit, person("ann"), payee, [BANK])
        payees.approve_details(unit, person("ben"), payee, version, hold_s=0)
    payees.put_payee(unit, person("ann"), Payee("V777", "Neema Renal Care", "sw", "+254700000777", ""))
    payees.propose_details(unit, person("ann"), "V777", [BANK])


@pytest.fixture(scope="module")
def dashboard(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """One dashboard for a module's tests; its pages are the same on both engines, its queries are tested on both."""
    folder = tmp_path_factory.mktemp("dashboard")
    shutil.copy(sqlite_template, folder / "kiungo.db")
    with open_dashboard(f"sqlite:///{folder / 'kiungo.db'}", folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def references(dashboard: Dashboard) -> dict[str, str]:
    """What the desk has to do."""
    return fill(dashboard.office)
