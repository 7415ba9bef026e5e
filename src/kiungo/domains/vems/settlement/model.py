"""The values settlement speaks in: what to pay to whom, the legs it takes, and where each of them stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from kiungo.base.money import Money
from kiungo.ports.payment import Destination

Role = Literal["vendor", "facility", "fee"]
PaysOn = Literal["approval", "remittance"]
LegState = Literal[
    "waiting", "held", "submitting", "submitted", "unknown", "posted", "failed", "returned", "carried", "cancelled",
    "replaced",
]  # fmt: skip
SettlementState = Literal["waiting", "paying", "attention", "settled"]

FEE_PAYEE: Final = "platform"
REFERENCE_LENGTH: Final = 13
REFERENCE_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True, slots=True)
class Share:
    """What one side gets of a booking when all of it is approved."""

    payee_id: str
    role: Role
    amount: Money


@dataclass(frozen=True, slots=True)
class Payable:
    """A booking as settlement needs it. Shapes: one share for each payee and role, exactly one of them the fee;
    `payer` is who owes the money: an insurer's name, or the facility that collects it.
    """

    booking_no: str
    claim_ref: str
    payer: str
    mode: str
    currency: str
    shares: tuple[Share, ...]
    capitated: bool = False

    @property
    def total(self) -> Money:
        """All shares together."""
        return Money(sum(share.amount.minor for share in self.shares), self.currency)


@dataclass(frozen=True, slots=True)
class SettlementPolicy:
    """What an operator decides. Units: seconds and minor units as the names say.

    `confirm_above_minor`: a result callback of a larger sum is confirmed by a status query before it is believed.
    `queries_max`: after so many unanswered queries only a callback, the statement or persons close a leg.
    """

    sha_pays_on: PaysOn = "approval"
    details_hold_s: int = 24 * 3_600
    confirm_above_minor: int = 50_000_000
    queries_max: int = 12
    query_after_s_max: int = 6 * 3_600


@dataclass(frozen=True, slots=True)
class Preference:
    """One destination a payee accepts, on one rail; a payee's preferences are in its order of preference."""

    rail: str
    destination: Destination


@dataclass(frozen=True, slots=True)
class PayeeDetails:
    """A version of a payee's payment details. Units: microseconds UTC."""

    payee_id: str
    version: int
    state: Literal["proposed", "active", "refused", "retired"]
    preferences: tuple[Preference, ...]
    proposed_by: str
    proposed_us: int
    decided_by: str | None
    usable_from_us: int | None


@dataclass(frozen=True, slots=True)
class Payee:
    """Who is paid and told about it."""

    payee_id: str
    name: str
    language: str = "en"
    phone: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Leg:
    """One payment to one payee for one booking. `reason` says why it waits, failed or is unknown."""

    reference: str
    booking_no: str
    payee_id: str
    due: Money
    amount: Money
    state: LegState
    reason: str
    cause: str
    rail: str
    destination: Destination
    payee_name: str
    hold_journal: int | None
    paid_journal: int | None
    submit_job: int | None
    attempt: int
    rail_ids: Mapping[str, str]
    receipt: str
    proposed_outcome: str | None = None
    proposed_by: str | None = None
    submitted_us: int | None = None
    updated_us: int = 0


@dataclass(frozen=True, slots=True)
class ShareRow:
    """A share as it stands. Units: minor. `accrued` is owed by decisions so far, `committed` is in legs or set off."""

    payee_id: str
    role: Role
    contract_minor: int
    accrued_minor: int
    committed_minor: int


@dataclass(frozen=True, slots=True)
class SettlementRow:
    """A settlement as it stands. Units: minor, cumulative; the payer kept `kept_minor` back for other claims."""

    booking_no: str
    claim_ref: str
    payer: str
    mode: str
    currency: str
    pays_on: PaysOn
    total_minor: int
    approved_minor: int
    remitted_minor: int
    version: int
    state: SettlementState
    reason: str
    kept_minor: int = 0
    shares: tuple[ShareRow, ...] = field(default=())
