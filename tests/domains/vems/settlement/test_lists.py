"""Lists of money are read along their index, whatever their length; what one booking has is found by its number."""

from collections.abc import Callable

import pytest

from kiungo.domains.vems.notifications import listing as messages
from kiungo.domains.vems.notifications.service import about as messages_about
from kiungo.domains.vems.routes.shapes import read_cursor
from kiungo.domains.vems.settlement import listing, store
from kiungo.kernel.database import Database, Unit
from tests.domains.vems.settlement.world import World, booking
from tests.plans import plan_of

TENANT = 1


@pytest.mark.parametrize(
    ("index", "work"),
    [
        ("settlement_made", lambda unit: listing.settlements_page(unit, TENANT, limit=26)),
        ("settlement_made", lambda unit: listing.settlements_page(unit, TENANT, before=(9, "VB1"), limit=26)),
        ("settlement_leg_made", lambda unit: listing.legs_page(unit, TENANT, limit=26)),
        ("settlement_leg_made", lambda unit: listing.legs_page(unit, TENANT, after=(9, "ABC"), limit=26)),
        ("notification_made", lambda unit: messages.page(unit, TENANT, limit=26)),
        ("notification_made", lambda unit: messages.page(unit, TENANT, before=(9, "n"), limit=26)),
    ],
)
def test_a_page_of_a_list_is_read_in_its_order(database: Database, index: str, work: Callable[[Unit], object]) -> None:
    plan = plan_of(database, work)
    assert index in plan, plan
    assert "TEMP B-TREE" not in plan, plan
    assert "Sort" not in plan, plan


@pytest.mark.parametrize(
    ("index", "work"),
    [
        ("settlement_leg_booking", lambda unit: store.legs_of(unit, TENANT, "VB1")),
        ("settlement_leg_open", lambda unit: store.legs_in(unit, TENANT, ("held",), rail="bank", limit=10)),
        ("settlement_leg_open", lambda unit: store.waiting_legs(unit, TENANT)),
        ("settlement_leg_open", lambda unit: store.legs_in(unit, TENANT, ("held", "unknown"), rail="bank", limit=10)),
        ("settlement_state", lambda unit: listing.settlements_page(unit, TENANT, state="attention", limit=26)),
        ("notification_about", lambda unit: messages_about(unit, TENANT, "VB1")),
        ("settlement_leg_payee", lambda unit: listing.legs_page(unit, TENANT, payee="V364", limit=26)),
        ("notification_recipient", lambda unit: messages.page(unit, TENANT, recipient="V364", channel="sms", limit=26)),
    ],
)
def test_what_is_asked_of_one_is_not_read_along_all(
    database: Database, index: str, work: Callable[[Unit], object]
) -> None:
    if database.engine == "sqlite":
        assert index in plan_of(database, work)


@pytest.mark.parametrize("vendor", ["V364", "V" * 64])
def test_the_cursor_of_a_list_reads_what_was_made_in_one_moment(world: World, vendor: str) -> None:
    numbers = {f"VB00112233440{place}/C/{vendor}" for place in range(5)}
    for number in numbers:
        world.decide(booking(number, vendor="1.00", facility="1.00", fee="0.00"), "2.00")
    found: list[str] = []
    before = None
    while page := world.database.read(lambda unit, b=before: listing.settlements_page(unit, 1, before=b, limit=2)):
        found += [one.row.booking_no for one in page]
        before = read_cursor(f"{page[-1].created_us}_{page[-1].row.booking_no}")
    assert sorted(found) == sorted(numbers)
