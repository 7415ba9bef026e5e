"""Plans and members as the admin API shows them: the columns they are written with."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from kiungo.base.money import Money
from kiungo.domains.payor.book import Benefit, Plan
from kiungo.domains.payor.model import FAMILY, Member
from kiungo.domains.payor.rules.benefit import VISITS
from kiungo.domains.payor.rules.case import COPAY

Key = tuple[str, str, str]
_PERCENTS = {
    "coinsurance_bp": "coinsurance_percent",
    "out_of_network_coinsurance_bp": "out_of_network_coinsurance_percent",
    "suspect_within_bp": "suspect_within_percent",
}


def plan_shown(plan: Plan) -> dict[str, Any]:
    """A plan by the columns it is written with, so that what GET shows, PUT takes."""
    return _shown(plan) | {"benefits": [_shown(benefit) for benefit in plan.benefits]}


def _shown(value: Plan | Benefit) -> dict[str, Any]:
    shown = {}
    for field in fields(value):
        content = getattr(value, field.name)
        if field.name in ("benefits", "fhir_id"):
            continue
        name = _PERCENTS.get(field.name, field.name)
        shown[name] = _cell(content, percent=field.name in _PERCENTS)
    return shown


def _cell(content: Any, *, percent: bool) -> Any:
    if isinstance(content, Money):
        return content.text()
    if percent and content is not None:
        return f"{content // 100}.{content % 100:02d}".removesuffix(".00")
    return list(content) if isinstance(content, tuple) else content


def member_shown(member: Member, used: Mapping[Key, int] | None = None) -> dict[str, Any]:
    """A member, with the accumulators when they are given. Units: minor units of the plan's currency, or counts."""
    shown: dict[str, Any] = {
        "insurance_id": member.member_id,
        "family_id": member.family_id,
        "name": member.name,
        "birth_date": member.birth_date,
        "gender": member.gender,
        "identifiers": list(member.identifiers),
        "patient": f"Patient/{member.fhir_id}",
        "coverages": [
            {
                "plan_id": cover.plan_id,
                "valid_from": cover.valid_from,
                "valid_until": cover.valid_until,
                "order": cover.order,
            }
            for cover in member.coverages
        ],
    }
    if used is not None:
        shown["accumulators"] = [
            {"whose": "family" if who == FAMILY else "member", "bucket": bucket, "period": period, "used": amount}
            for (who, bucket, period), amount in sorted(_by_year(used).items())
            if who in (FAMILY, member.member_id)
        ]
    return shown


def _by_year(used: Mapping[Key, int]) -> dict[Key, int]:
    """Accumulators for people: visits and their copays, which are kept by the day, summed up for each year."""
    summed: dict[Key, int] = {}
    for (who, bucket, period), amount in used.items():
        visits = bucket.startswith(VISITS)
        key = (who, bucket, period[:4] if visits or bucket.startswith(COPAY) else period)
        summed[key] = summed.get(key, 0) + (int(amount > 0) if visits else amount)
    return summed
