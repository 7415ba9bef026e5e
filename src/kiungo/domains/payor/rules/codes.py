"""Do the codes have the shape their system demands, and are they valid on the date of service?

Only shapes are known here: no code list with licensed text is shipped. A plan's own lists win over shapes.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from kiungo.domains.payor.book import Action, Plan, PlanBook, code_set
from kiungo.domains.payor.model import Claim, Finding, Line
from kiungo.domains.payor.rules.case import Case, Sheet

STEP = "codes"
DIAGNOSIS_SHAPES = {
    "icd-10-cm": re.compile(r"[A-Z][0-9][0-9A-Z](?:\.[0-9A-Z]{1,4})?\Z", re.ASCII),
    "icd-10": re.compile(r"[A-Z][0-9]{2}(?:\.[0-9]{1,2})?\Z", re.ASCII),
    "icd-11": re.compile(r"[0-9A-HJ-NP-X][A-HJ-NP-Z][0-9][0-9A-HJ-NP-Z](?:\.[0-9A-HJ-NP-Z]{1,2})?\Z", re.ASCII),
}
DIAGNOSIS_NAMES = {"icd-10-cm": "ICD-10-CM", "icd-10": "ICD-10", "icd-11": "ICD-11"}
PROCEDURE_SHAPES = {
    "cpt": re.compile(r"[0-9]{4}[0-9FTUM]\Z", re.ASCII),
    "hcpcs": re.compile(r"[A-V][0-9]{4}\Z", re.ASCII),
}
MODIFIER_SHAPE = re.compile(r"[A-Z0-9]{2}\Z", re.ASCII)
NATIONAL = "national"


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{text})\Z", re.ASCII)


def procedure_system(plan: Plan, code: str) -> str | None:
    """Which of the plan's systems a procedure code has the shape of, or None."""
    for system in plan.procedure_systems:
        if system == NATIONAL:
            if plan.procedure_pattern and _pattern(plan.procedure_pattern).match(code):
                return NATIONAL
        elif PROCEDURE_SHAPES[system].match(code):
            return system
    return None


def check_shape(case: Case, _sheet: Sheet) -> Iterator[Finding]:
    """Refuse a claim whose codes cannot be codes at all; those go back to the sender, not to adjudication."""
    claim, book = case.claim, case.book
    shape = DIAGNOSIS_SHAPES[book.plan.diagnosis_system]
    for index, diagnosis in enumerate(claim.diagnoses):
        if not shape.match(diagnosis) and not _listed_once(book, claim, diagnosis):
            name = DIAGNOSIS_NAMES[book.plan.diagnosis_system]
            field = "diagnosis_code" if index == 0 else f"diagnosis_codes[{index}]"
            text = f"{field} {diagnosis} does not have the form of an {name} code"
            yield Finding(STEP, "refuse", text, reason="146", field=field)
    for line in claim.lines:
        where = "procedure_code" if len(claim.lines) == 1 else f"lines[{line.number - 1}].procedure_code"
        if line.procedure is not None and not _known_procedure(book, line.procedure, line.service_date):
            names = " or ".join(name.upper() for name in book.plan.procedure_systems)
            text = f"{where} {line.procedure} does not have the form of a {names} code"
            yield Finding(STEP, "refuse", text, line=line.number, reason="181", field=where)
        for modifier in line.modifiers:
            if not MODIFIER_SHAPE.match(modifier):
                field = f"lines[{line.number - 1}].modifiers"
                text = f"{field} {modifier} is not two capitals or digits"
                yield Finding(STEP, "refuse", text, line=line.number, reason="4", field=field)


def _listed_once(book: PlanBook, claim: Claim, diagnosis: str) -> bool:
    """Whether the plan names the diagnosis as its own on the day of any of the services."""
    return any(book.lists("diagnosis", diagnosis, line.service_date) for line in claim.lines)


def _known_procedure(book: PlanBook, code: str, day: str) -> bool:
    return procedure_system(book.plan, code) is not None or book.lists("procedure", code, day)


def check(case: Case, sheet: Sheet) -> Iterator[Finding]:
    """Judge codes the plan does not list, codes listed for other dates, and lines without a procedure."""
    for diagnosis in case.claim.diagnoses:
        yield from _diagnosis(case, sheet, diagnosis)
    for line_sheet in sheet.open_lines():
        yield from _procedure(case, sheet, line_sheet.line)


_RESOLVE = "Correct the code, or approve the service as it is"


def _diagnosis(case: Case, sheet: Sheet, diagnosis: str) -> Iterator[Finding]:
    """Each line is judged on its own day; what is true of all lines is said once, of the claim."""
    book = case.book
    listed = book.listed.get(("diagnosis", diagnosis), ())
    lines = [one for one in sheet.open_lines() if not any(code.holds_on(one.line.service_date) for code in listed)]
    action: Action = "review" if listed else book.plan.unlisted_diagnosis
    text = f"Diagnosis code {diagnosis} is not on the plan's list for the date of service"
    if action == "deny":
        for one in lines:
            number, amount = one.line.number, sheet.money(one.left)
            yield Finding(STEP, "deny", text, number, group="CO", reason="146", amount=amount, about_cover=True)
    elif action == "review" and lines:
        review = "Diagnosis not on the list of the patient's plan"
        for number in [0] if len(lines) == len(sheet.lines) else [one.line.number for one in lines]:
            yield Finding(STEP, "pend", text, number, reason="146", review=review, resolve=_RESOLVE, about_cover=True)


def _excluded(book: PlanBook, line: Line) -> bool:
    """A code the plan names as excluded is known to it; the benefit step says what that means."""
    return any(
        exclusion.kind == "procedure"
        and exclusion.holds_on(line.service_date)
        and line.procedure in code_set(exclusion.codes)
        for exclusion in book.exclusions
    )


def _procedure(case: Case, sheet: Sheet, line: Line) -> Iterator[Finding]:
    book = case.book
    if line.procedure is None:
        action, reason, text = book.plan.missing_procedure, "16", "The claim names no procedure"
        review = "A procedure code is needed to decide"
    else:
        listed = book.listed.get(("procedure", line.procedure), ())
        if any(code.holds_on(line.service_date) for code in listed) or _excluded(book, line):
            return
        action, reason = book.plan.unlisted_procedure, "181"
        text = f"Procedure code {line.procedure} is not on the plan's list for the date of service"
        review = "Procedure not on the list of the patient's plan"
        if listed and action == "accept":
            action = "review"
    if action == "review":
        yield Finding(STEP, "pend", text, line.number, reason=reason, review=review, resolve=_RESOLVE, about_cover=True)
    elif action == "deny":
        left = sheet.money(sheet.by_number[line.number].left)
        yield Finding(STEP, "deny", text, line.number, group="CO", reason=reason, amount=left, about_cover=True)
