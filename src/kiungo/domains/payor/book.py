"""A payer's reference data as adjudication reads it: plans, fees, exclusions, limits, edits, providers.

A `Snapshot` is one version of all of it, built once and shared; nothing in it changes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from kiungo.base.money import Money
from kiungo.base.time import UTC_ZONE, day_in

Action = Literal["accept", "review", "deny"]
LimitUnit = Literal["visits", "units", "amount"]
LimitPeriod = Literal["day", "year", "lifetime"]
ANY_CODE = "*"
DEFAULT_REVIEW_TIME = "24-48 hours"
# National codes contain dashes, so a dash makes a range only between two five-character codes.
_RANGE = re.compile(r"(?:([A-Z0-9]{5})-([A-Z0-9]{5})|([^.]+(?:\.[^.]+)?)\.\.([^.]+(?:\.[^.]+)?))\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class CodeSet:
    """Codes named one by one, by prefix (`992*`) or by range (`15775-15879`, `A00.0..A09.9`).

    A range needs equal lengths, so that comparing texts is comparing codes.
    """

    exact: frozenset[str]
    prefixes: tuple[str, ...]
    ranges: tuple[tuple[str, str], ...]

    def __contains__(self, code: object) -> bool:
        if not isinstance(code, str):
            return False
        if code in self.exact or (self.prefixes and code.startswith(self.prefixes)):
            return True
        for low, high in self.ranges:  # noqa: SIM110 - a plain loop: this runs for every rule of every line
            if low <= code <= high and len(code) == len(low):
                return True
        return False


@lru_cache(maxsize=4096)
def code_set(*patterns: str) -> CodeSet:
    """Read code patterns. Raises: ValueError for a range whose ends differ in length or order."""
    exact, prefixes, ranges = [], [], []
    for pattern in patterns:
        match = _RANGE.match(pattern)
        if match:
            low, high = match[1] or match[3], match[2] or match[4]
            if len(low) != len(high) or low > high:
                raise ValueError(f"code range {pattern!r} needs two codes of one length, the lower first")
            ranges.append((low, high))
        elif pattern.endswith(ANY_CODE):
            prefixes.append(pattern[:-1])
        else:
            exact.append(pattern)
    return CodeSet(frozenset(exact), tuple(prefixes), tuple(ranges))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated:
    """Something that holds from a day until a day, both included; None is open."""

    valid_from: str | None = None
    valid_until: str | None = None

    def holds_on(self, day: str) -> bool:
        """Whether it holds on a day."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_until is None or day <= self.valid_until
        )


@dataclass(frozen=True, slots=True)
class Benefit:
    """How a group of services shares its cost. Units: `coinsurance_bp` is the patient's basis points."""

    name: str
    codes: tuple[str, ...]
    copay: Money | None = None
    coinsurance_bp: int | None = None
    deductible: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """What a plan promises and demands. None means the plan has no such rule; its days are those of `time_zone`."""

    plan_id: str
    name: str
    currency: str
    payor_id: str
    coinsurance_bp: int = 0
    diagnosis_system: str = "icd-10-cm"
    procedure_systems: tuple[str, ...] = ("cpt", "hcpcs")
    procedure_pattern: str | None = None
    filing_days: int | None = None
    deductible_member: Money | None = None
    deductible_family: Money | None = None
    out_of_pocket_member: Money | None = None
    out_of_pocket_family: Money | None = None
    copay: Money | None = None
    copay_counts_to_cap: bool = True
    benefits: tuple[Benefit, ...] = ()
    fee_schedule: str | None = None
    no_fee: Action = "accept"
    unlisted_procedure: Action = "review"
    unlisted_diagnosis: Action = "accept"
    missing_procedure: Action = "review"
    authorization_codes: tuple[str, ...] = ()
    authorization_missing: Action = "review"
    unknown_provider: Action = "review"
    out_of_network: Action = "accept"
    out_of_network_coinsurance_bp: int | None = None
    suspect_within_bp: int | None = None
    review_above: Money | None = None
    four_eyes_above: Money | None = None
    payment_days: int = 7
    payment_method: str = "ACH"
    time_zone: str = UTC_ZONE
    review_time: str = DEFAULT_REVIEW_TIME
    reviewer_contact: str = "claims@payor.com"
    fhir_id: str = ""

    def day_of(self, moment_us: int) -> str:
        """The day a moment falls on where the plan is: what it means by today, and by the day something came in."""
        return day_in(self.time_zone, moment_us).isoformat()

    @property
    def counts_shares(self) -> bool:
        """Whether what a patient paid earlier in the year matters for the next claim."""
        return not (
            self.deductible_member is None
            and self.deductible_family is None
            and self.out_of_pocket_member is None
            and self.out_of_pocket_family is None
        )


@dataclass(frozen=True, slots=True)
class Fee(Dated):
    """The most a plan pays for one unit of a service, before cost sharing."""

    code: str
    amount: Money
    modifier: str = ""


@dataclass(frozen=True, slots=True)
class ListedCode(Dated):
    """A code a plan names as its own. Shapes: `kind` is "diagnosis" or "procedure"."""

    kind: str
    code: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Exclusion(Dated):
    """Services or diagnoses a plan does not cover, and whether that denies or asks a person."""

    kind: str
    codes: str
    action: Action = "review"
    reason: str = "Procedure not covered under patient's current plan"


@dataclass(frozen=True, slots=True)
class Limit(Dated):
    """At most so many visits, units or money for a group of services in a period, per member.

    Units: `most` is a count, or minor units of `currency`, which a limit of money has.
    """

    limit_id: str
    codes: str
    unit: LimitUnit
    period: LimitPeriod
    most: int
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Pair(Dated):
    """Two services not paid together. Shapes: `bypass` means a modifier on the second may lift it."""

    first: str
    second: str
    bypass: bool = False


@dataclass(frozen=True, slots=True)
class UnitLimit(Dated):
    """The most units of a service in a day. Shapes: `per_line` counts each line alone."""

    code: str
    most: int
    per_line: bool = False


@dataclass(frozen=True, slots=True)
class Provider(Dated):
    """Who may be paid. Shapes: `networks` are plan ids, or `*` for every plan."""

    provider_id: str
    name: str
    npi: str | None = None
    facility: str | None = None
    networks: tuple[str, ...] = (ANY_CODE,)
    sanctioned: bool = False
    fhir_id: str = ""

    def in_network(self, plan_id: str) -> bool:
        """Whether the provider has a contract for this plan."""
        return ANY_CODE in self.networks or plan_id in self.networks


@dataclass(frozen=True, slots=True)
class PlanBook:
    """One plan with everything that was loaded for it, keyed for lookups."""

    plan: Plan
    fees: Mapping[tuple[str, str], tuple[Fee, ...]] = field(default_factory=dict)
    listed: Mapping[tuple[str, str], tuple[ListedCode, ...]] = field(default_factory=dict)
    exclusions: tuple[Exclusion, ...] = ()
    limits: tuple[Limit, ...] = ()

    def fee_for(self, code: str, modifiers: tuple[str, ...], day: str) -> Fee | None:
        """The fee on a day; one for the line's modifier wins over the plain one."""
        for modifier in (*modifiers, ""):
            for fee in self.fees.get((code, modifier), ()):
                if fee.holds_on(day):
                    return fee
        return None

    def lists(self, kind: str, code: str, day: str) -> bool:
        """Whether the plan names this code as its own on a day."""
        return any(listed.holds_on(day) for listed in self.listed.get((kind, code), ()))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of all reference data of a tenant."""

    version: int
    plans: Mapping[str, PlanBook]
    providers: Mapping[str, tuple[Provider, ...]] = field(default_factory=dict)
    pairs: Mapping[tuple[str, str], tuple[Pair, ...]] = field(default_factory=dict)
    unit_limits: Mapping[str, tuple[UnitLimit, ...]] = field(default_factory=dict)

    def provider_on(self, provider_id: str, day: str) -> Provider | None:
        """What holds of a provider on a day."""
        for row in self.providers.get(provider_id, ()):
            if row.holds_on(day):
                return row
        return None

    def provider(self, provider_id: str, day: str) -> Provider | None:
        """Who a provider is, by what holds on a day, else by what was said last."""
        rows = self.providers.get(provider_id, ())
        return self.provider_on(provider_id, day) or (rows[0] if rows else None)
