"""Who is paid in `dev` and `demo`: the sample's vendors by M-Pesa, its facility at its bank, from two funded floats."""

from typing import Final

from kiungo.app.registry import BANK, MPESA, TENANT
from kiungo.base.money import Money
from kiungo.domains.vems.sample import FACILITY, RENAL_VENDOR, VENDOR
from kiungo.domains.vems.settlement.model import Payee, Preference
from kiungo.domains.vems.settlement.payees import approve_details, find_payee, propose_details, put_payee
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel.auth import system_call
from kiungo.kernel.database import Unit
from kiungo.ports.payment import Destination

PAYEES: Final = (
    (
        Payee(VENDOR.code, VENDOR.name, phone="+254700000364", email="accounts@imaging.example"),
        Preference(MPESA, Destination("shortcode", "600364")),
    ),
    (
        Payee(RENAL_VENDOR.code, RENAL_VENDOR.name, phone="+254700000412", email="accounts@renal.example"),
        Preference(MPESA, Destination("till", "600412")),
    ),
    (
        Payee(FACILITY.fr_code, FACILITY.name, language="sw", phone="+254700000032", email="finance@harbour.example"),
        Preference(BANK, Destination("bank_account", "0110121583", "01", "032")),
    ),
)
FLOATS: Final = ((MPESA, "5000000.00"), (BANK, "5000000.00"))
FUNDED: Final = "sample-float"


def load_payees(settlements: Settlements, unit: Unit) -> None:
    """Write payees, their approved details and the floats; again without harm."""
    one, other = system_call(TENANT, name="sample"), system_call(TENANT, name="sample approver")
    for payee, preference in PAYEES:
        if find_payee(unit, TENANT, payee.payee_id) is None:
            put_payee(unit, one, payee)
            version = propose_details(unit, one, payee.payee_id, [preference])
            approve_details(unit, other, payee.payee_id, version, hold_s=0)
    for rail, amount in FLOATS:
        settlements.fund(unit, TENANT, rail=rail, amount=Money.parse(amount, "KES"), key=f"{FUNDED}-{rail}")
