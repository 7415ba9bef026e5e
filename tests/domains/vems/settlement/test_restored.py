"""After a restore nothing is paid twice: what left since the backup is learned from statements, by persons."""

from datetime import date
from random import Random

from kiungo.domains.vems.reconciliation.service import explain, open_lines
from kiungo.domains.vems.settlement import desk
from kiungo.domains.vems.settlement.restored import hold_payments
from kiungo.formats.bank_statements import camt053
from kiungo.formats.bank_statements.model import Entry, Part, Statement
from kiungo.kernel.database import Unit
from tests.domains.vems.settlement.test_settling import paid_to
from tests.domains.vems.settlement.world import BANK, FACILITY, TENANT, VENDOR, World, booking, kes, person


def restored(world: World) -> World:
    """A world whose books are of an earlier moment, and whose outside went on without them."""
    other = World(world.database, world.clock, Random(2), given_twin=world.twin, given_bank=world.bank_twin)
    assert other.database.write(hold_payments) == ["mpesa"]
    return other


def test_an_order_that_was_about_to_leave_is_unknown_and_never_sent_again(world: World) -> None:
    world.fund("90000.00")
    world.decide(booking(), "31000.00")
    assert {leg.state for leg in world.legs()} == {"held"}
    after = restored(world)
    after.settle(seconds=600, steps=20)
    assert {leg.state for leg in after.legs()} == {"unknown"}
    assert after.twin.payments == []
    after.database.write(lambda unit: desk.resume_rail(after.settlements, unit, person("ann"), "mpesa"))
    after.settle(seconds=600, steps=20)
    assert after.twin.payments == [], "two persons, a callback or the statement say what became of it"


def test_what_is_decided_again_waits_for_the_rail_to_be_resumed(world: World) -> None:
    world.fund("90000.00")
    after = restored(world)
    after.decide(booking(), "31000.00")
    after.settle()
    assert {leg.state for leg in after.legs()} == {"waiting"}
    assert "restored from a backup" in after.leg(VENDOR).reason
    after.database.write(lambda unit: desk.resume_rail(after.settlements, unit, person("ann"), "mpesa"))
    after.settle()
    assert paid_to(after)["600200"] == 21_000


def test_what_was_paid_since_is_booked_against_the_payee_and_not_paid_again(world: World) -> None:
    """The payment's leg was made after the backup, so its line has a reference that nobody knows."""
    world.payee(FACILITY, "Mnazi Moja", BANK)
    world.clock.turn(days=2)
    world.fund("100000.00", rail="bank", key="F2")
    world.database.write(hold_payments)
    day = date(2026, 3, 4)
    part = Part(kes("9000.00"), "ABCDEFGHJKLMN", "Mnazi Moja", "")
    paid = Entry(day, day, kes("9000.00"), "debit", "FT1", parts=(part,))
    found = Statement("0110001234", "S1", 1, kes("100000.00"), day, kes("91000.00"), day, (paid,))
    world.statement("bank", camt053.render((found,), message_id="M1"))
    (line,) = world.database.read(lambda unit: open_lines(unit, TENANT, "bank"))
    world.decide(booking(), "31000.00")

    def book(unit: Unit) -> None:
        explain(
            unit, person("ann"), "bank", line.line_id, account=f"payable:{FACILITY}", memo="paid before the restore"
        )

    world.database.write(book)
    world.database.write(lambda unit: desk.resume_rail(world.settlements, unit, person("ann"), "bank"))
    world.settle(seconds=60, steps=10)
    assert world.bank_twin.payments == []
    assert world.leg(FACILITY).state == "waiting"
    assert world.balance(f"payable:{FACILITY}") == 0
