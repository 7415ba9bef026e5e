"""Per payment mode: who collects the money, which event settles, and whose share is paid out.

| mode               | who collects           | settles when              | paid out         | owed to us by     |
| ------------------ | ---------------------- | ------------------------- | ---------------- | ----------------- |
| sha                | the payer sends it     | approval, or remittance   | vendor, facility | the payer         |
| other_insurances   | the payer sends it     | remittance                | vendor, facility | the insurer       |
| mpesa              | we do, at our number   | the patient's payment     | vendor, facility | the patient       |
| cash               | the facility's cashier | the facility's remittance | vendor           | the facility      |
| any, capitated     | the facility holds it  | the facility's remittance | vendor           | the facility      |

The facility keeps its share of what it collects itself, so only the vendor's share and our fee move.
"""

from dataclasses import dataclass

from kiungo.domains.vems.settlement.model import Payable, PaysOn, Role, SettlementPolicy, Share


@dataclass(frozen=True, slots=True)
class ModeRule:
    """How bookings of one mode settle. `pays_on` None: as the policy says."""

    collector: str
    pays_on: PaysOn | None
    paid_out: tuple[Role, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a booking settles: the shares that move, who owes them, and on which event legs are paid."""

    shares: tuple[Share, ...]
    total_minor: int
    owed_by: str
    pays_on: PaysOn


_BOTH: tuple[Role, ...] = ("vendor", "facility")
MODES = {
    "sha": ModeRule("payer", None, _BOTH),
    "other_insurances": ModeRule("payer", "remittance", _BOTH),
    "mpesa": ModeRule("platform", "remittance", _BOTH),
    "cash": ModeRule("facility", "remittance", ("vendor",)),
}
CAPITATED = ModeRule("facility", "remittance", ("vendor",))


def rule_of(mode: str, *, capitated: bool) -> ModeRule:
    """The rule of a mode; capitated services settle alike in every mode. Raises: KeyError for an unknown mode."""
    return CAPITATED if capitated else MODES[mode]


def settles_delivered(mode: str, *, capitated: bool) -> bool:
    """Whether delivering a service settles it, for no payer decides about it."""
    return rule_of(mode, capitated=capitated).collector != "payer"


def plan_of(payable: Payable, policy: SettlementPolicy) -> Plan:
    """What of a booking moves, and when."""
    rule = rule_of(payable.mode, capitated=payable.capitated)
    moving = tuple(share for share in payable.shares if share.role == "fee" or share.role in rule.paid_out)
    facility = next((share.payee_id for share in payable.shares if share.role == "facility"), payable.payer)
    owed_by = {"payer": payable.payer, "platform": "patients", "facility": facility}[rule.collector]
    total = sum(share.amount.minor for share in moving)
    return Plan(moving, total, owed_by, rule.pays_on or policy.sha_pays_on)


def base_minor(approved_minor: int, booked_minor: int, plan_minor: int) -> int:
    """What of the plan's total an approval of the booking covers; never more than all of it."""
    if approved_minor >= booked_minor:
        return plan_minor
    return approved_minor * plan_minor // booked_minor
