"""From what happens to bookings to what is settled: the subscribers that app/flows.py lists.

    booking.claim_approved, booking.claim_partially_paid, booking.claim_rejected    -> decided
    booking.claim_paid                                                              -> remitted
    booking.completed   -> decided in full, for money a facility or we collect: cash, mpesa, capitated services

Lines of one vendor settle together, those of another vendor apart: a rejected line never shares what another one was
approved. Each line is shared by itself, then the lines of a settlement are added up.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kiungo.base.money import Money
from kiungo.domains.vems.rules.settlement_modes import settles_delivered
from kiungo.domains.vems.rules.settlement_shares import entitlements
from kiungo.domains.vems.settlement import excess, store
from kiungo.domains.vems.settlement.model import FEE_PAYEE, Payable, Role, Share
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.domains.vems.settlement.told import Told, apply_told
from kiungo.kernel.database import Unit
from kiungo.kernel.outbox import Event

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decided:
    """One settlement of a booking: what is to be settled, and what each share gets of the approval."""

    payable: Payable
    by_share: Mapping[tuple[str, Role], int]

    @property
    def approved(self) -> Money:
        """All shares' parts together."""
        return Money(sum(self.by_share.values()), self.payable.currency)


@dataclass(frozen=True, slots=True)
class SettlementFlows:
    """The subscribers. `collection_rail` is the account payers send money to."""

    settlements: Settlements
    collection_rail: str

    def on_decision(self, unit: Unit, event: Event) -> None:
        """A payer decided about a booking's claim."""
        said = event.payload
        lines = [line for line in said["lines"] if not line["isCapitated"]]
        self._decide(unit, event, lines, payer=str(said["payer"]), version=int(said["version"]), capitated=False)

    def on_completed(self, unit: Unit, event: Event) -> None:
        """Every service was delivered: what needs no payer's decision is settled now."""
        said = event.payload
        whole = [{**line, "approvedMinor": line["totalMinor"]} for line in said["lines"]]
        mode, facility = str(said["mode"]), str(said["facility"])
        kinds = [
            (capitated, [line for line in whole if line["isCapitated"] is capitated])
            for capitated in (True, False)
            if settles_delivered(mode, capitated=capitated)
        ]
        parts = [one for capitated, lines in kinds for one in decided_of(said, lines, facility, capitated)]
        self.settlements.take(unit, event.tenant, [decided.payable for decided in parts])
        for capitated, lines in kinds:
            self._decide(unit, event, lines, payer=facility, version=1, capitated=capitated)

    def on_paid(self, unit: Unit, event: Event) -> None:
        """A payer says how much it has sent, and kept back for other claims, in all; see told.py."""
        said = event.payload
        if said.get("paidMinor") is None:
            return
        currency = str(said["currency"])
        rows = [
            row for decided in decided_of(said, [line for line in said["lines"] if not line["isCapitated"]], "", False)
            if (row := store.find_settlement(unit, event.tenant, decided.payable.booking_no)) is not None
        ]  # fmt: skip
        sent, kept = Money(int(said["paidMinor"]), currency), Money(int(said.get("keptMinor") or 0), currency)
        told = Told(sent, kept, int(said["version"]))
        apply_told(self.settlements, unit, event.tenant, rows, told, rail=self.collection_rail)

    def _decide(
        self, unit: Unit, event: Event, lines: Sequence[Line], *, payer: str, version: int, capitated: bool
    ) -> None:
        parts = decided_of(event.payload, lines, payer, capitated)
        kept = [] if capitated else excess.uncovered(unit, event.tenant, payer, str(event.payload["currency"]))
        self.settlements.take(unit, event.tenant, [*(decided.payable for decided in parts), *kept])
        for decided in parts:
            self.settlements.decide(
                unit, event.tenant, decided.payable, decided.approved, version, by_share=decided.by_share
            )
        numbers = [decided.payable.booking_no for decided in parts]
        if len(parts) > 1:
            self.settlements.even_out(unit, event.tenant, numbers)
        self.settlements.cover_kept(unit, event.tenant, [row.booking_no for row in kept], numbers)


def decided_of(said: Mapping[str, Any], lines: Iterable[Line], payer: str, capitated: bool) -> list[Decided]:
    """The settlements of a booking's lines, one for each vendor, in the order of their lines. Pure."""
    by_vendor: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_vendor[str(line["vendorPayee"] or line["vendor"])].append(line)
    booking_no = str(said["bookingNo"]) + ("/C" if capitated else "")
    several = len(by_vendor) > 1
    return [
        _decided(said, f"{booking_no}/{vendor}" if several else booking_no, vendor, found, payer, capitated)
        for vendor, found in by_vendor.items()
    ]


def _decided(
    said: Mapping[str, Any], number: str, vendor: str, lines: Sequence[Line], payer: str, capitated: bool
) -> Decided:
    currency = str(said["currency"])
    contract: Counter[tuple[str, Role]] = Counter()
    gets: Counter[tuple[str, Role]] = Counter()
    for line in lines:
        facility = str(line["facilityPayee"] or said["facility"])
        keys: tuple[tuple[str, Role], ...] = ((vendor, "vendor"), (facility, "facility"), (FEE_PAYEE, "fee"))
        amounts = (int(line["vendorMinor"]), int(line["facilityMinor"]), int(line["feeMinor"]))
        base = min(int(line.get("approvedMinor", line["totalMinor"])), sum(amounts))
        parts = entitlements([(role, minor) for (_, role), minor in zip(keys, amounts, strict=True)], base)
        for key, minor, part in zip(keys, amounts, parts, strict=True):
            contract[key] += minor
            gets[key] += part
    shares = tuple(Share(payee, role, Money(minor, currency)) for (payee, role), minor in contract.items())
    payable = Payable(
        number, str(said["claimID"]), payer, str(said["mode"]), currency, shares, capitated=capitated
    )  # fmt: skip
    return Decided(payable, dict(gets))
