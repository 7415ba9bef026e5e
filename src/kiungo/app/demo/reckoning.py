"""The reckoning of the bookings story: what moved against what must have, at the rails and in the books."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from kiungo.app.demo.claims import body_of
from kiungo.app.demo.hospital import Hospital, Visit
from kiungo.app.registry import BANK, MPESA
from kiungo.domains.vems.sample import VENDOR
from kiungo.domains.vems.settlement import accounts

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


def owed(settlement: Any) -> dict[str, Decimal]:
    """What each role of a settlement is owed in all."""
    return {share["role"]: share["owedAmount"] for share in settlement["shares"]} if settlement else {}


def moved(hospital: Hospital, visit: Visit) -> tuple[Decimal, ...]:
    """The row of a visit. Only what reached its payee counts as paid."""
    settlement, legs = hospital.settlement(visit, quietly=True), hospital.legs(visit)
    shares = owed(settlement)
    paid = {
        rail: sum((leg.amount for leg in legs if leg.rail == rail and leg.state == "posted"), ZERO)
        for rail in (MPESA, BANK)
    }
    approved = settlement["approvedAmount"] if settlement else ZERO
    return (
        approved,
        paid[MPESA],
        paid[BANK],
        shares.get("fee", ZERO),
        shares.get("vendor", ZERO) - paid[MPESA],
    )


def prove(hospital: Hospital, rail: str) -> None:
    """A rail's newest statement explains our account there, and debits are credits."""
    story = hospital.story
    proof = body_of(hospital.office.get(f"/vems/v1/rails/{rail}/proof"))["data"]
    story.check("the books are proved", proof["isProven"], True)
    story.check("unexplained", proof["unexplained"], ZERO)
    balance = trial_balance(hospital)
    story.check("balanced", balance["balanced"], True)
    total = next(total for total in balance["totals"] if total["currency"] == "KES")
    story.check("debits are credits", total["debits"], total["credits"])


def trial_balance(hospital: Hospital) -> Any:
    """Every account's debits and credits."""
    with hospital.story.http(hospital.stage.url, hospital.stage.keys["admin"]) as http:
        return body_of(http.get("/api/admin/ledger/trial-balance"))


def show(hospital: Hospital, visits: Sequence[Visit]) -> None:
    """The table of money moved; a wrong sum fails the story."""
    story, sandbox = hospital.story, hospital.stage.sandbox
    story.begin("Money moved")
    rows = {visit.title: moved(hospital, visit) for visit in visits}
    rows["all"] = tuple(sum(column, ZERO) for column in zip(*rows.values(), strict=True))
    books = {one["account"]: one["credits"] - one["debits"] for one in trial_balance(hospital)["accounts"]}
    story.table(HEADS, [(title, *(str(amount) for amount in row)) for title, row in rows.items()])
    for title, row in rows.items():
        story.check(title, " ".join(str(amount) for amount in row), " ".join(MOVED[title]))
    approved, vendor, facility, fee, carried = rows["all"]
    story.check("paid, kept and carried", vendor + facility + fee + carried, approved)
    story.check("M-Pesa moved", Decimal(sum(one.shillings for one in sandbox.mpesa.payments)).quantize(ZERO), vendor)
    cents = sum(minor for _, minor in sandbox.bank.payments)
    story.check("the bank moved", (Decimal(cents) / 100).quantize(ZERO), facility)
    story.check("fees in the ledger", books.get(accounts.FEE), fee)
    story.check("owed to the vendor", books.get(accounts.payable(VENDOR.code)), carried)
