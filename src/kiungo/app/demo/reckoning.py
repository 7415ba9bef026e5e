"""The reckoning of the bookings story: what moved against what must have, at the rails and in the books."""

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from kiungo.app.demo.claims import body_of
from kiungo.app.demo.hospital import Visit
from kiungo.app.demo.stage import Stage
from kiungo.app.demo.story import Story
from kiungo.app.registry import BANK, MPESA, TENANT
from kiungo.domains.vems.reconciliation.proof import prove as prove_rail
from kiungo.domains.vems.sample import VENDOR
from kiungo.domains.vems.settlement import accounts
from kiungo.domains.vems.settlement import store as settlement_store
from kiungo.kernel import inbox, jobs, ledger
from kiungo.kernel.database import Unit

MOVED: Final = {
    "approved whole": ("31000.00", "21000.00", "9000.00", "1000.00", "0.00"),
    "approved in part": ("20000.00", "13437.00", "5906.25", "656.25", "0.50"),
    "rejected": ("0.00", "0.00", "0.00", "0.00", "0.00"),
    "answer lost": ("15000.00", "10000.00", "4500.00", "500.00", "0.00"),
    "all": ("66000.00", "44437.00", "19406.25", "2156.25", "0.50"),
}
"""Of each booking: approved, paid to the vendor, paid to the facility, kept as our fee, carried to the next payment."""
HEADS: Final = ("booking", "approved", "vendor by M-Pesa", "facility by bank", "fee kept", "carried")
ZERO: Final = Decimal("0.00")


def shares(stage: Stage, visit: Visit) -> dict[str, Decimal]:
    """What each role is owed of a visit, in all."""
    found = stage.system.database.read(lambda unit: settlement_store.find_settlement(unit, TENANT, visit.booking_no))
    if found is None:
        return {}
    return {share.role: (Decimal(share.accrued_minor) / 100).quantize(ZERO) for share in found.shares}


def kept(stage: Stage, visit: Visit) -> Decimal:
    """Our fee of a visit."""
    return shares(stage, visit).get("fee", ZERO)


def moved(stage: Stage, visit: Visit) -> tuple[Decimal, ...]:
    """The row of a visit. Only what reached its payee counts as paid."""
    legs = stage.system.database.read(lambda unit: settlement_store.legs_of(unit, TENANT, visit.booking_no))
    owed = shares(stage, visit)
    paid = {
        rail: sum((Decimal(leg.amount.minor) / 100 for leg in legs if leg.rail == rail and leg.state == "posted"), ZERO)
        for rail in (MPESA, BANK)
    }
    approved = sum(owed.values(), ZERO)
    row = (approved, paid[MPESA], paid[BANK], owed.get("fee", ZERO), owed.get("vendor", ZERO) - paid[MPESA])
    return tuple(amount.quantize(ZERO) for amount in row)


def prove(story: Story, stage: Stage, rail: str) -> None:
    """A rail's newest statement explains our account there, and debits are credits."""
    database = stage.system.database
    proof = database.read(lambda unit: prove_rail(unit, TENANT, rail, "KES"))
    story.remark(f"our books at {rail} {proof.books}, its statement {proof.statement}")
    story.check("unexplained", proof.unexplained.text(), "0.00")
    story.check("what the ledger's own check finds", database.read(lambda unit: ledger.verify(unit, TENANT)), [])
    with story.http(stage.url, stage.keys["admin"]) as http:
        balance = body_of(http.get("/api/admin/ledger/trial-balance"))
    story.check("balanced", balance["balanced"], True)
    total = next(total for total in balance["totals"] if total["currency"] == "KES")
    story.check("debits are credits", total["debits"], total["credits"])


def deliver(stage: Stage, rail: str, name: str, body: bytes) -> None:
    """A rail's statement file comes in: stored, then understood by a job."""
    message_id = f"{name}#{hashlib.sha256(body).hexdigest()[:16]}"

    def work(unit: Unit) -> None:
        if inbox.receive(unit, tenant=TENANT, source=rail, message_id=message_id, body=body):
            args = {"rail": rail, "message_id": message_id, "name": name}
            jobs.enqueue(unit, "reconciliation.statement", args, tenant=TENANT, key=message_id, lane="money-in")

    stage.system.database.write(work)


def show(story: Story, stage: Stage, visits: Sequence[Visit]) -> None:
    """The table of money moved; a wrong sum fails the story."""
    story.begin("Money moved")
    rows = {visit.title: moved(stage, visit) for visit in visits}
    rows["all"] = tuple(sum(column, ZERO) for column in zip(*rows.values(), strict=True))
    story.table(HEADS, [(title, *(str(amount) for amount in row)) for title, row in rows.items()])
    for title, row in rows.items():
        story.check(title, " ".join(str(amount) for amount in row), " ".join(MOVED[title]))
    approved, vendor, facility, fee, carried = rows["all"]
    story.check("paid, kept and carried", vendor + facility + fee + carried, approved)
    sandbox = stage.sandbox
    story.check("M-Pesa moved", Decimal(sum(one.shillings for one in sandbox.mpesa.payments)).quantize(ZERO), vendor)
    cents = sum(minor for _, minor in sandbox.bank.payments)
    story.check("the bank moved", (Decimal(cents) / 100).quantize(ZERO), facility)
    for what, account, expected in (
        ("fees in the ledger", accounts.FEE, fee),
        ("owed to the vendor", accounts.payable(VENDOR.code), carried),
    ):
        story.check(what, _balance(stage, account), expected)


def _balance(stage: Stage, account: str) -> Decimal:
    """What an account that is owed holds."""
    found = stage.system.database.read(lambda unit: ledger.balance(unit, TENANT, account, "KES"))
    return (Decimal(-found.balance.net_dr) / 100).quantize(ZERO)
