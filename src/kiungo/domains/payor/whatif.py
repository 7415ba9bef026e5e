"""What if the plan had been another? Past claims judged again under a changed plan; nothing is written.

Both worlds are run, the plan as it is and the plan as it would be, each with its own accumulators from the same
beginning, so that every difference comes from the change alone. What people decided by hand stays decided.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kiungo.base.errors import NotFound
from kiungo.base.money import Money
from kiungo.domains.payor.book import Plan, PlanBook, Snapshot
from kiungo.domains.payor.errors import PLAN_NOT_FOUND
from kiungo.domains.payor.imports.kinds import build
from kiungo.domains.payor.imports.shown import plan_shown
from kiungo.domains.payor.mapping import claim as claim_mapping
from kiungo.domains.payor.model import Adjudication, Outcome, Ruling
from kiungo.domains.payor.opening import Openings
from kiungo.domains.payor.registers import refuse_foreign, wrong
from kiungo.domains.payor.rules.case import Case
from kiungo.domains.payor.rules.pipeline import adjudicate
from kiungo.domains.payor.snapshot import fees_by_code
from kiungo.domains.payor.store import claims, desk, members, reference
from kiungo.domains.payor.store.claims import ClaimRow
from kiungo.fhir.repository import Repository
from kiungo.kernel import json
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Database, Unit

CLAIMS_A_PAGE = 200
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Side:
    """What a claim comes to in one of the two worlds."""

    outcome: Outcome
    paid: Money
    patient: Money


@dataclass(frozen=True, slots=True)
class Changed:
    """A claim that would have come out differently."""

    claim_id: str
    now: Side
    then: Side


@dataclass(slots=True)
class Comparison:
    """The whole run. Units: the sums are minor units of the plan's currency."""

    currency: str
    claims: int = 0
    changed: list[Changed] = field(default_factory=list)
    paid_now: int = 0
    paid_then: int = 0
    patient_now: int = 0
    patient_then: int = 0


@dataclass(slots=True)
class _World:
    """One plan, and what each family used under it so far."""

    snapshot: Snapshot
    plan_id: str
    used: dict[str, Counter[Key]] = field(default_factory=dict)

    def judge(self, case: Case, beginning: Mapping[Key, int]) -> Adjudication:
        family = case.member.family_id
        used = self.used.setdefault(family, Counter(beginning))
        book = self.snapshot.plans[self.plan_id]
        result = adjudicate(replace(case, book=book, snapshot=self.snapshot, used=used))
        for entry in result.entries:
            used[entry.member_id, entry.bucket, entry.period] += entry.amount
        return result


def changed_plan(plan: Plan, changes: Mapping[str, str]) -> Plan:
    """The plan with some of its columns changed, as the admin API names them.

    Raises: Incorrect REFERENCE_WRONG for an unknown column, a wrong value, or what a plan cannot change.
    """
    for name in ("plan_id", "currency"):
        if name in changes and changes[name] != getattr(plan, name):
            raise wrong(name, f"of plan {plan.plan_id} is {getattr(plan, name)} and cannot change")
    cells: dict[str, str | None] = {
        name: _cell(value) for name, value in plan_shown(plan).items() if name != "benefits"
    }
    built = build("plans", cells | dict(changes))
    if not isinstance(built, Plan):
        raise TypeError("a plan's row builds a plan")
    return replace(built, plan_id=plan.plan_id, benefits=plan.benefits, fhir_id=plan.fhir_id)


def _cell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(value) if isinstance(value, list) else str(value)


def compare(
    database: Database,
    openings: Openings,
    repository: Repository,
    call: Call,
    changed: Plan,
    *,
    since_us: int = 0,
    progress: Callable[[int], None] = lambda _done: None,
) -> Comparison:
    """Judge the plan's claims since a moment in both worlds, in the order they came. Not on the event loop.

    Raises: NotFound PLAN_NOT_FOUND.
    """
    snapshot = database.read(lambda unit: openings.snapshot(unit, call.tenant))
    if changed.plan_id not in snapshot.plans:
        raise NotFound(PLAN_NOT_FOUND, f"There is no plan {changed.plan_id}", field="plan_id")
    book = _book(database, call, snapshot.plans[changed.plan_id], changed)
    now = _World(snapshot, changed.plan_id)
    then = _World(replace(snapshot, plans={**snapshot.plans, changed.plan_id: book}), changed.plan_id)
    beginnings = _Beginnings(database, call.tenant, changed.plan_id, since_us)
    found = Comparison(changed.currency)
    for case in _cases(database, openings, repository, call, changed.plan_id, since_us):
        beginning = beginnings.of(case.case.member.family_id)
        _add(found, case.row, now.judge(case.case, beginning), then.judge(case.case, beginning))
        progress(found.claims)
    return found


def _book(database: Database, call: Call, known: PlanBook, changed: Plan) -> PlanBook:
    """The changed plan with what was loaded for it. Raises: Incorrect REFERENCE_WRONG for fees in other money."""
    schedule = changed.fee_schedule
    if schedule == known.plan.fee_schedule:
        return replace(known, plan=changed)
    if schedule is None:
        return replace(known, plan=changed, fees={})
    fees = database.read(lambda unit: reference.fees_of(unit, call.tenant, schedule))
    if not fees:
        raise wrong("fee_schedule", f"{schedule} has no fees")
    refuse_foreign(changed, fees)
    return replace(known, plan=changed, fees=fees_by_code(fees))


@dataclass(frozen=True, slots=True)
class _Past:
    row: ClaimRow
    case: Case


def _cases(
    database: Database, openings: Openings, repository: Repository, call: Call, plan_id: str, since_us: int
) -> Iterator[_Past]:
    after: tuple[int, str] | None = (since_us, "")
    earlier: set[str] = set()
    while after is not None:
        position = after

        def read(unit: Unit, position: tuple[int, str] = position) -> list[_Past]:
            rows = claims.page(
                unit,
                call.tenant,
                where=[("plan_id = ?", plan_id), ("voided_us IS NULL", None)],
                before=position,
                limit=CLAIMS_A_PAGE,
                oldest_first=True,
            )
            return [_Past(row, _open(unit, openings, repository, call, row)) for row in rows]

        page = database.read(read, deadline_ms=60_000)
        for past in page:
            neighbours = tuple(n for n in past.case.neighbours if n.claim_id in earlier)
            number = past.case.same_number if past.case.same_number in earlier else None
            earlier.add(past.row.claim_id)
            yield _Past(past.row, replace(past.case, neighbours=neighbours, same_number=number))
        after = (page[-1].row.submitted_us, page[-1].row.claim_id) if len(page) == CLAIMS_A_PAGE else None


def _open(unit: Unit, openings: Openings, repository: Repository, call: Call, row: ClaimRow) -> Case:
    body = repository.read(unit, call, "Claim", row.claim_fhir).body
    claim = claim_mapping.from_fhir(json.loads(body))
    rulings = [step.ruling for step in desk.steps(unit, call.tenant, row.claim_id) if step.ruling is not None]
    ruling: Ruling | None = rulings[-1] if rulings and rulings[-1].kind != "reopen" else None
    return openings.on_file(unit, call.tenant, claim, claim_id=row.claim_id, plan_id=row.plan_id, ruling=ruling)


class _Beginnings:
    """What each family had used before the first of the claims: its totals without those claims' entries."""

    def __init__(self, database: Database, tenant: int, plan_id: str, since_us: int) -> None:
        self._database, self._tenant = database, tenant
        self._plan_id, self._since_us = plan_id, since_us
        self._known: dict[str, Mapping[Key, int]] = {}

    def of(self, family_id: str) -> Mapping[Key, int]:
        """The family's beginning, the same for both worlds."""
        if family_id not in self._known:
            self._known[family_id] = self._database.read(lambda unit: self._read(unit, family_id))
        return self._known[family_id]

    def _read(self, unit: Unit, family_id: str) -> Mapping[Key, int]:
        used = Counter(members.used(unit, self._tenant, family_id))
        used.subtract(members.used_since(unit, self._tenant, family_id, plan_id=self._plan_id, since_us=self._since_us))
        return used


def _add(found: Comparison, row: ClaimRow, now: Adjudication, then: Adjudication) -> None:
    sides = _side(now), _side(then)
    found.claims += 1
    found.paid_now += sides[0].paid.minor
    found.paid_then += sides[1].paid.minor
    found.patient_now += sides[0].patient.minor
    found.patient_then += sides[1].patient.minor
    if sides[0] != sides[1]:
        found.changed.append(Changed(row.claim_id, *sides))


def _side(result: Adjudication) -> Side:
    zero = Money.zero(result.charge.currency)
    return Side(
        result.outcome,
        result.paid if result.outcome == "approved" else zero,
        result.patient if result.outcome != "under_review" else zero,
    )
