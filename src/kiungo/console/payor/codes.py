"""The code cheat-sheet: what each plan lists, at what price, and what it leaves out."""

from dataclasses import dataclass
from typing import Final

from kiungo.base.money import Money
from kiungo.console.visit import Visit
from kiungo.domains.payor.book import Action, Exclusion, ListedCode, PlanBook, code_set
from kiungo.domains.payor.service import Payor
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Unit
from kiungo.kernel.http import Response

KINDS: Final = (("diagnosis", "Diagnoses"), ("procedure", "Procedures"))
FIRST_SHOWN: Final = "STANDARD"
"""The plan the page opens on where there is one of this name, as in the sample data; otherwise the first."""
SYSTEMS: Final = {
    "icd-10-cm": "ICD-10-CM",
    "icd-10": "ICD-10",
    "icd-11": "ICD-11",
    "cpt": "CPT",
    "hcpcs": "HCPCS",
    "national": "national services",
}
EXCLUDED: Final[dict[Action, str]] = {
    "deny": "Not covered",
    "review": "Not covered; a reviewer decides",
    "accept": "Covered",
}


@dataclass(frozen=True, slots=True)
class CodeRow:
    """One line of the sheet."""

    code: str
    text: str
    price: Money | None
    cover: str


def listed_codes(payor: Payor, unit: Unit, call: Call) -> dict[str, list[ListedCode]]:
    """Every code any plan lists, once each, by kind; for the suggestions of the claim form."""
    found: dict[str, dict[str, ListedCode]] = {kind: {} for kind, _ in KINDS}
    for book in payor.openings.snapshot(unit, call.tenant).plans.values():
        for (kind, code), entries in book.listed.items():
            found[kind].setdefault(code, entries[0])
    return {kind: [entries[code] for code in sorted(entries)] for kind, entries in found.items()}


async def show_codes(payor: Payor, visit: Visit) -> Response:
    """One plan's codes, narrowed to those that hold a word."""
    asked = visit.query.get("q", "")
    plan_id = visit.query.get("plan", "")
    books = (await payor.database.read_async(lambda unit: payor.openings.snapshot(unit, visit.call.tenant))).plans
    book = books.get(plan_id) or books.get(FIRST_SHOWN) or next(iter(books.values()), None)
    today = book.plan.day_of(payor.clock.now_us()) if book else ""
    context = {
        "q": asked,
        "plans": [entry.plan for entry in books.values()],
        "plan": book.plan if book else None,
        "groups": [_group(book, kind, title, asked, today) for kind, title in KINDS] if book else [],
    }
    return visit.page("codes.html", context)


def _group(book: PlanBook, kind: str, title: str, asked: str, today: str) -> dict[str, object]:
    rows = [
        _row(book, kind, entry, today)
        for (listed_kind, _), entries in sorted(book.listed.items())
        if listed_kind == kind
        for entry in entries
        if entry.holds_on(today)
    ]
    rows += [
        CodeRow(exclusion.codes.replace("..", " to "), exclusion.reason, None, EXCLUDED[exclusion.action])
        for exclusion in _exclusions(book, kind, today)
    ]
    systems = (book.plan.diagnosis_system,) if kind == "diagnosis" else book.plan.procedure_systems
    words = asked.casefold().split()
    return {
        "title": title,
        "system": ", ".join(SYSTEMS.get(system, system) for system in systems),
        "has_price": kind == "procedure" and any(row.price for row in rows),
        "codes": [row for row in rows if all(word in f"{row.code} {row.text}".casefold() for word in words)],
    }


def _row(book: PlanBook, kind: str, entry: ListedCode, today: str) -> CodeRow:
    price, cover = None, "Covered"
    if kind == "procedure":
        fee = book.fee_for(entry.code, (), today)
        price = fee.amount if fee else None
        if entry.code in code_set(*book.plan.authorization_codes):
            cover = "Needs prior authorization"
    for exclusion in _exclusions(book, kind, today):
        if entry.code in code_set(exclusion.codes):
            cover = EXCLUDED[exclusion.action]
    return CodeRow(entry.code, entry.description, price, cover)


def _exclusions(book: PlanBook, kind: str, today: str) -> list[Exclusion]:
    return [exclusion for exclusion in book.exclusions if exclusion.kind == kind and exclusion.holds_on(today)]
