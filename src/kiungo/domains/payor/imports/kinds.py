"""What each kind of row is made of. The names of the cells are the columns of the CSV files."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kiungo.base.errors import KiungoError
from kiungo.base.money import Money, exponent_of
from kiungo.base.time import UTC_ZONE, is_zone
from kiungo.domains.payor.book import (
    Action,
    Benefit,
    Exclusion,
    Fee,
    Limit,
    LimitPeriod,
    LimitUnit,
    ListedCode,
    Pair,
    Plan,
    Provider,
    UnitLimit,
)
from kiungo.domains.payor.imports.fields import Fields
from kiungo.domains.payor.model import Authorization, Coverage, Member
from kiungo.domains.payor.snapshot import Reference

ACTIONS: tuple[Action, ...] = ("accept", "review", "deny")
DIAGNOSIS_SYSTEMS = ("icd-10-cm", "icd-10", "icd-11")
PROCEDURE_SYSTEMS = ("cpt", "hcpcs", "national")
GENDERS = ("male", "female", "other", "unknown")
CODE_KINDS = ("diagnosis", "procedure")
LIMIT_UNITS: tuple[LimitUnit, ...] = ("visits", "units", "amount")
LIMIT_PERIODS: tuple[LimitPeriod, ...] = ("day", "year", "lifetime")


@dataclass(frozen=True, slots=True)
class PlanBenefit:
    """A benefit and the plan it belongs to. Shapes: `currency` must be the plan's."""

    plan_id: str
    currency: str
    benefit: Benefit


@dataclass(frozen=True, slots=True)
class CoverRemoval:
    """A cover to take away: it should not have been written."""

    member_id: str
    plan_id: str
    valid_from: str


Built = Plan | PlanBenefit | Member | CoverRemoval | Authorization | Reference
Builder = Callable[[Fields], Built]


def plan(fields: Fields) -> Plan:
    """A plan without its benefits, which are rows of their own."""
    currency = _currency(fields)
    systems = fields.words("procedure_systems") or ("cpt", "hcpcs")
    for system in systems:
        if system not in PROCEDURE_SYSTEMS:
            fields.add("procedure_systems", f"must be some of {', '.join(PROCEDURE_SYSTEMS)}")
    return Plan(
        plan_id=fields.text("plan_id"),
        name=fields.text("name"),
        currency=currency,
        payor_id=fields.text("payor_id"),
        coinsurance_bp=fields.basis_points("coinsurance_percent") or 0,
        diagnosis_system=fields.choice("diagnosis_system", DIAGNOSIS_SYSTEMS, "icd-10-cm"),
        procedure_systems=systems,
        procedure_pattern=_pattern(fields),
        filing_days=fields.optional_count("filing_days", least=1, most=36_500),
        deductible_member=fields.money("deductible_member", currency),
        deductible_family=fields.money("deductible_family", currency),
        out_of_pocket_member=fields.money("out_of_pocket_member", currency),
        out_of_pocket_family=fields.money("out_of_pocket_family", currency),
        copay=fields.money("copay", currency),
        copay_counts_to_cap=fields.yes("copay_counts_to_cap", usual=True),
        fee_schedule=fields.optional("fee_schedule"),
        no_fee=fields.choice("no_fee", ACTIONS, "accept"),
        unlisted_procedure=fields.choice("unlisted_procedure", ACTIONS, "review"),
        unlisted_diagnosis=fields.choice("unlisted_diagnosis", ACTIONS, "accept"),
        missing_procedure=fields.choice("missing_procedure", ACTIONS, "review"),
        authorization_codes=fields.codes("authorization_codes"),
        authorization_missing=fields.choice("authorization_missing", ACTIONS, "review"),
        unknown_provider=fields.choice("unknown_provider", ACTIONS, "review"),
        out_of_network=fields.choice("out_of_network", ACTIONS, "accept"),
        out_of_network_coinsurance_bp=fields.basis_points("out_of_network_coinsurance_percent"),
        suspect_within_bp=fields.basis_points("suspect_within_percent"),
        review_above=fields.money("review_above", currency),
        four_eyes_above=fields.money("four_eyes_above", currency),
        payment_days=fields.count("payment_days", most=365, usual=7),
        payment_method=fields.optional("payment_method") or "ACH",
        time_zone=_time_zone(fields),
        review_time=fields.optional("review_time") or "24-48 hours",
        reviewer_contact=fields.optional("reviewer_contact") or "claims@payor.com",
    )


def _time_zone(fields: Fields) -> str:
    """Where a plan's days begin and end."""
    name = fields.optional("time_zone") or UTC_ZONE
    if not is_zone(name):
        fields.add("time_zone", "must be the name of a time zone such as Africa/Nairobi or UTC")
        return UTC_ZONE
    return name


def _pattern(fields: Fields) -> str | None:
    """A plan's own form of national codes; a pattern that could run for long is refused."""
    pattern = fields.optional("procedure_pattern")
    if pattern is None:
        return None
    if len(pattern) > 200 or re.search(r"[*+]\)?[*+{]|\(\?|\\[0-9]|\)[*+{]", pattern):
        fields.add("procedure_pattern", "must be a short pattern without repeated groups")
        return None
    try:
        re.compile(pattern)
    except re.error:
        fields.add("procedure_pattern", "is not a regular expression")
        return None
    return pattern


def benefit(fields: Fields, currency: str) -> Benefit:
    """How a group of a plan's services shares its cost."""
    return Benefit(
        name=fields.text("name"),
        codes=fields.codes("codes", required=True),
        copay=fields.money("copay", currency),
        coinsurance_bp=fields.basis_points("coinsurance_percent"),
        deductible=fields.yes("deductible", usual=True),
    )


def plan_benefit(fields: Fields) -> PlanBenefit:
    """A benefit as a row of its own, after its plan."""
    currency = _currency(fields)
    return PlanBenefit(fields.text("plan_id"), currency, benefit(fields, currency))


def member(fields: Fields) -> Member | CoverRemoval:
    """A member with one cover, rows of one member add up; or with `remove` a cover that is to go."""
    cover = Coverage(
        plan_id=fields.text("plan_id"),
        valid_from=fields.required_day("valid_from"),
        valid_until=fields.day("valid_until"),
        order=fields.count("order", least=1, most=9, usual=1),
    )
    if cover.valid_until is not None and cover.valid_until < cover.valid_from:
        fields.add("valid_until", "is before valid_from")
    member_id = fields.text("insurance_id")
    removed = fields.yes("remove")
    built = Member(
        member_id=member_id,
        family_id=fields.optional("family_id") or member_id,
        name=(fields.optional("name") or "") if removed else fields.text("name"),
        coverages=(cover,),
        birth_date=fields.day("birth_date"),
        gender=fields.choice("gender", GENDERS) if fields.optional("gender") else None,
        identifiers=fields.words("identifiers"),
    )
    return CoverRemoval(member_id, cover.plan_id, cover.valid_from) if removed else built


def authorization(fields: Fields) -> Authorization:
    """A prior authorization."""
    return Authorization(
        number=fields.text("number"),
        member_id=fields.text("insurance_id"),
        codes=fields.codes("codes"),
        valid_from=fields.required_day("valid_from"),
        valid_until=fields.day("valid_until"),
        units=fields.optional_count("units", least=1),
    )


def fee(fields: Fields) -> Reference:
    """The fee of one unit of a service."""
    amount = _money(fields, "amount")
    item = Fee(fields.text("code"), amount, fields.optional("modifier") or "", **_dates(fields))
    return Reference(fields.text("fee_schedule"), item)


def _money(fields: Fields, name: str) -> Money:
    return fields.required_money(name, _currency(fields))


def _currency(fields: Fields) -> str:
    currency = fields.text("currency")
    try:
        exponent_of(currency)
    except KiungoError as error:
        fields.add("currency", error.message)
        return "USD"
    return currency


def code(fields: Fields) -> Reference:
    """A code a plan names as its own."""
    item = ListedCode(
        fields.choice("kind", CODE_KINDS), fields.text("code"), fields.optional("description") or "", **_dates(fields)
    )
    return Reference(fields.text("plan_id"), item)


def exclusion(fields: Fields) -> Reference:
    """Services or diagnoses a plan does not cover."""
    codes = fields.codes("codes", required=True)
    if len(codes) > 1:
        fields.add("codes", "must be one code, prefix or range; write one row for each")
    kind = fields.choice("kind", CODE_KINDS)
    usual = f"{kind.capitalize()} not covered under patient's current plan"
    item = Exclusion(
        kind,
        codes[0] if codes else "",
        fields.choice("action", ACTIONS, "review"),
        fields.optional("reason") or usual,
        **_dates(fields),
    )
    return Reference(fields.text("plan_id"), item)


def limit(fields: Fields) -> Reference:
    """At most so much of a group of services in a period: a count, or an amount with its currency."""
    codes = fields.codes("codes", required=True)
    if len(codes) > 1:
        fields.add("codes", "must be one code, prefix or range")
    unit = fields.choice("unit", LIMIT_UNITS)
    currency = fields.optional("currency")
    if unit == "amount":
        money = _money(fields, "most")
        most, currency = money.minor, money.currency
    else:
        most = fields.count("most")
        if currency is not None:
            fields.add("currency", f"belongs to a limit of amount, not of {unit}")
    item = Limit(
        fields.text("limit_id"),
        codes[0] if codes else "",
        unit,
        fields.choice("period", LIMIT_PERIODS),
        most,
        currency,
        **_dates(fields),
    )
    return Reference(fields.text("plan_id"), item)


def pair(fields: Fields) -> Reference:
    """Two services not paid together."""
    item = Pair(fields.text("first"), fields.text("second"), fields.yes("bypass"), **_dates(fields))
    if item.first == item.second:
        fields.add("second", "must be another code than first")
    return Reference("", item)


def unit_limit(fields: Fields) -> Reference:
    """The most units of a service in a day."""
    item = UnitLimit(fields.text("code"), fields.count("most", least=0), fields.yes("per_line"), **_dates(fields))
    return Reference("", item)


def provider(fields: Fields) -> Reference:
    """Who may be paid."""
    npi, dates = fields.optional("npi"), _dates(fields)
    if npi is not None and not npi_is_sound(npi):
        fields.add("npi", "is not a provider number: ten digits with a check digit")
    item = Provider(
        fields.text("provider_id"),
        fields.text("name"),
        npi,
        fields.optional("facility"),
        fields.words("networks") or ("*",),
        fields.yes("sanctioned"),
        valid_from=dates["valid_from"],
        valid_until=dates["valid_until"],
    )
    return Reference("", item)


def npi_is_sound(npi: str) -> bool:
    """Whether a US provider number has its check digit. Source: NPI standard, Luhn over 80840 and the number."""
    if len(npi) != 10 or not (npi.isascii() and npi.isdigit()):
        return False
    total = 24
    for position, digit in enumerate(reversed(npi)):
        value = int(digit) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _dates(fields: Fields) -> dict[str, str | None]:
    valid_from, valid_until = fields.day("valid_from"), fields.day("valid_until")
    if valid_from and valid_until and valid_until < valid_from:
        fields.add("valid_until", "is before valid_from")
    return {"valid_from": valid_from, "valid_until": valid_until}


BUILDERS: Mapping[str, Builder] = {
    "plans": plan,
    "benefits": plan_benefit,
    "members": member,
    "authorizations": authorization,
    "fees": fee,
    "codes": code,
    "exclusions": exclusion,
    "limits": limit,
    "pairs": pair,
    "unit-limits": unit_limit,
    "providers": provider,
}


def build(kind: str, cells: Mapping[str, str | None]) -> Built:
    """One row of a kind. Raises: Incorrect REFERENCE_WRONG with every problem."""
    fields = Fields(cells)
    built = BUILDERS[kind](fields)
    fields.finish()
    return built


def columns(kind: str) -> tuple[str, ...]:
    """The columns a kind knows, for the help and for an empty file."""
    fields = Fields({})
    BUILDERS[kind](fields)
    return fields.asked
