"""What can be done with a claim by hand, as the forms of its page; the desk decides again whether it may."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kiungo.console.visit import Visit
from kiungo.domains.payor.model import LineResult
from kiungo.domains.payor.rebuild import OnFile
from kiungo.domains.payor.review import ReviewDesk
from kiungo.domains.payor.store.claims import ClaimRow
from kiungo.domains.payor.store.desk import DeskStep
from kiungo.kernel.database import Unit

REVIEW, WRITE = "review:claims", "write:claims"
ALLOWED = "allowed_"
DONE: Final = {
    "assign": "You have this claim now.",
    "approve": "Approved.",
    "reject": "Rejected.",
    "request-information": "The provider is asked. The claim stays under review.",
    "provide-information": "Thank you. The claim is back at the desk.",
    "reopen": "Reopened. The claim waits again.",
    "void": "Void. What it used up is given back.",
    "keep": "The claim stands.",
}
FIRST_APPROVAL: Final = "Your approval is kept. A second person has to approve the same amounts."
FIRST_VOID: Final = "The claim was paid, so it stays in force until a second person voids it too."

Act = Callable[[ReviewDesk, Unit, Visit, str, Mapping[str, str]], ClaimRow]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an action's form."""

    name: str
    label: str
    value: str = ""
    hint: str = ""
    is_long: bool = False
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that can be done now."""

    verb: str
    title: str
    fields: Sequence[Field] = ()
    is_open: bool = False
    is_dangerous: bool = False


def _reason(name: str, label: str) -> Field:
    return Field(name, label, is_long=True, is_required=True)


def actions_for(visit: Visit, on_file: OnFile, first_approval: Mapping[int, str]) -> list[Action]:
    """What this visitor can do with this claim in its present state."""
    row = on_file.row
    if row.voided_us is not None:
        return []
    if not visit.can(REVIEW):
        asked = row.state == "under_review" and row.desk == "information_requested" and visit.can(WRITE)
        return (
            [Action("provide-information", "Answer", (_reason("text", "Your answer"),), is_open=True)] if asked else []
        )
    void = Action("void", "Void", (_reason("reason", "Reason"),), is_dangerous=True)
    if row.state != "under_review":
        reopen = Action("reopen", "Reopen", (_reason("reason", "Reason"),))
        if row.desk == "second_approval":
            return [void, Action("keep", "Let it stand", (_reason("reason", "Reason"),))]
        return [void] if row.payment_id is not None else [reopen, void]
    take = [] if row.assigned_to == visit.call.principal.id else [Action("assign", "Take this claim")]
    return [
        *take,
        Action("approve", "Approve", (*_amounts(on_file, first_approval), _note()), is_open=True),
        Action("reject", "Reject", (_reason("reason", "Reason the provider will read"),), is_dangerous=True),
        Action("request-information", "Request information", (_reason("question", "Question to the provider"),)),
        void,
    ]


def first_approval_of(row: ClaimRow, steps: Sequence[DeskStep]) -> Mapping[int, str]:
    """The amounts the first of two people approved, to be approved again."""
    given = [step.ruling for step in steps if step.action == "first_approval" and step.ruling]
    if row.desk != "second_approval" or not given:
        return {}
    return {number: amount.text() for number, amount in given[-1].allowed.items()}


def _amounts(on_file: OnFile, first_approval: Mapping[int, str]) -> list[Field]:
    pairs = zip(on_file.claim.lines, on_file.result.lines, strict=True)
    return [
        Field(
            f"{ALLOWED}{result.number}",
            f"Allow for {stated.procedure or f'line {result.number}'}",
            value=first_approval.get(result.number, ""),
            hint=_hint(result),
        )
        for stated, result in pairs
    ]


def _hint(result: LineResult) -> str:
    if result.denied:
        return f"Denied by the rules. An amount up to {result.charge.text()} lifts that."
    return f"Empty allows {result.allowed.text()}. Less approves a part."


def _note() -> Field:
    return Field("note", "Note the provider will read", is_long=True)


def act(desk: ReviewDesk, unit: Unit, visit: Visit, claim_id: str, verb: str, form: Mapping[str, str]) -> ClaimRow:
    """Do one of DONE. Raises: as the desk; KeyError for a verb that is not there."""
    return ACTS[verb](desk, unit, visit, claim_id, form)


def _approve(desk: ReviewDesk, unit: Unit, visit: Visit, claim_id: str, form: Mapping[str, str]) -> ClaimRow:
    allowed = {
        int(name.removeprefix(ALLOWED)): value
        for name, value in form.items()
        if value and name.startswith(ALLOWED) and name.removeprefix(ALLOWED).isdecimal()
    }
    return desk.approve(unit, visit.call, claim_id, note=form.get("note", ""), allowed=allowed)


ACTS: Final[dict[str, Act]] = {
    "assign": lambda desk, unit, visit, claim_id, _: desk.assign(
        unit, visit.call, claim_id, to=visit.call.principal.id
    ),
    "approve": _approve,
    "reject": lambda desk, unit, visit, claim_id, form: desk.reject(
        unit, visit.call, claim_id, reason=form.get("reason", "")
    ),
    "request-information": lambda desk, unit, visit, claim_id, form: desk.request_information(
        unit, visit.call, claim_id, question=form.get("question", "")
    ),
    "provide-information": lambda desk, unit, visit, claim_id, form: desk.provide_information(
        unit, visit.call, claim_id, text=form.get("text", "")
    ),
    "reopen": lambda desk, unit, visit, claim_id, form: desk.reopen(
        unit, visit.call, claim_id, reason=form.get("reason", "")
    ),
    "void": lambda desk, unit, visit, claim_id, form: desk.void(
        unit, visit.call, claim_id, reason=form.get("reason", "")
    ),
    "keep": lambda desk, unit, visit, claim_id, form: desk.keep(
        unit, visit.call, claim_id, reason=form.get("reason", "")
    ),
}


def name_of(row: ClaimRow, steps: Sequence[DeskStep]) -> str:
    """The name of who has a claim; its id when it was given to somebody who did nothing with it yet."""
    named = (step.principal_name for step in reversed(steps) if step.principal_id == row.assigned_to)
    return next(named, row.assigned_to or "")


def history_of(on_file: OnFile, steps: Sequence[DeskStep]) -> list[dict[str, Any]]:
    """What happened to a claim, oldest first."""
    row = on_file.row
    found: list[dict[str, Any]] = [
        {"text": "Submitted", "at_us": row.submitted_us, "by": on_file.claim.provider_name or row.provider_id}
    ]
    if not any(step.action in ("approve", "reject") for step in steps):
        outcome = {"approved": "Approved by the rules", "rejected": "Rejected by the rules"}.get(row.state)
        at_us = row.decided_us if row.decided_us is not None else row.submitted_us
        found.append({"text": outcome or "Sent to the review desk", "at_us": at_us, "by": ""})
    else:
        found.append({"text": "Sent to the review desk", "at_us": row.submitted_us, "by": ""})
    for step in steps:
        text = STEP_WORDS.get(step.action, step.action.replace("_", " ").capitalize())
        note = f": {step.note}" if step.note and step.action not in ("assign",) else ""
        found.append({"text": text + note, "at_us": step.at_us, "by": step.principal_name})
    return found


STEP_WORDS: Final = {
    "assign": "Taken",
    "approve": "Approved",
    "first_approval": "Approved by the first of two people",
    "first_void": "Void asked for by the first of two people",
    "replacement": "Sent in the place of a paid claim",
    "reject": "Rejected",
    "request_information": "Asked the provider",
    "information": "The provider answered",
    "reopen": "Reopened",
    "keep": "Left standing",
    "void": "Void",
    "replaced": "Replaced",
}
