"""Put loaded reference rows together into the snapshot adjudication reads."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from kiungo.domains.payor.book import (
    Exclusion,
    Fee,
    Limit,
    ListedCode,
    Pair,
    Plan,
    PlanBook,
    Provider,
    Snapshot,
    UnitLimit,
)

Item = Fee | ListedCode | Exclusion | Limit | Pair | UnitLimit | Provider


class Reference(NamedTuple):
    """One loaded row. Shapes: `owner` is the plan or fee schedule it belongs to, empty where there is none."""

    owner: str
    item: Item


def assemble(version: int, plans: Iterable[Plan], rows: Iterable[Reference]) -> Snapshot:
    """Key everything for lookups. Rows keep their order, so that of two that hold the first one counts."""
    fees: defaultdict[str, list[Fee]] = defaultdict(list)
    listed: defaultdict[str, defaultdict[tuple[str, str], list[ListedCode]]] = defaultdict(lambda: defaultdict(list))
    exclusions: defaultdict[str, list[Exclusion]] = defaultdict(list)
    limits: defaultdict[str, list[Limit]] = defaultdict(list)
    pairs: defaultdict[tuple[str, str], list[Pair]] = defaultdict(list)
    unit_limits: defaultdict[str, list[UnitLimit]] = defaultdict(list)
    providers: defaultdict[str, list[Provider]] = defaultdict(list)
    for owner, item in rows:
        match item:
            case Fee():
                fees[owner].append(item)
            case ListedCode():
                listed[owner][item.kind, item.code].append(item)
            case Exclusion():
                exclusions[owner].append(item)
            case Limit():
                limits[owner].append(item)
            case Pair():
                pairs[item.first, item.second].append(item)
            case UnitLimit():
                unit_limits[item.code].append(item)
            case Provider():
                providers[item.provider_id].append(item)
    return Snapshot(
        version=version,
        plans={
            plan.plan_id: PlanBook(
                plan=plan,
                fees=fees_by_code(fees[plan.fee_schedule]) if plan.fee_schedule else {},
                listed=_frozen(listed[plan.plan_id]),
                exclusions=tuple(exclusions[plan.plan_id]),
                limits=tuple(limits[plan.plan_id]),
            )
            for plan in plans
        },
        providers=_frozen(providers),
        pairs=_frozen(pairs),
        unit_limits=_frozen(unit_limits),
    )


def fees_by_code(fees: Iterable[Fee]) -> dict[tuple[str, str], tuple[Fee, ...]]:
    """The fees of one schedule by code and modifier."""
    keyed: defaultdict[tuple[str, str], list[Fee]] = defaultdict(list)
    for fee in fees:
        keyed[fee.code, fee.modifier].append(fee)
    return _frozen(keyed)


K = TypeVar("K")
V = TypeVar("V")


def _frozen(grouped: Mapping[K, list[V]]) -> dict[K, tuple[V, ...]]:
    return {key: tuple(values) for key, values in grouped.items()}
