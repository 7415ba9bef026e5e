"""A part of a file into prepared resources, in a worker process: everything that needs no database."""

import gc
from dataclasses import dataclass, field, replace
from typing import Any

from kiungo.base.errors import Incorrect, KiungoError
from kiungo.fhir.loading.conditions import REFERENCE_UNRESOLVED, Problem, Resolved
from kiungo.fhir.loading.entries import Refused, entries, refusal
from kiungo.fhir.loading.sources import Part
from kiungo.fhir.model import Prepared
from kiungo.fhir.prepare import prepare
from kiungo.fhir.references import rewritten, texts

_URNS = ("urn:uuid:", "urn:oid:")


@dataclass(slots=True)
class PreparedPart:
    """What is left to write. Shapes: `found` has the line of each resource, whose tree stayed in the worker."""

    file: str
    number: int
    read_bytes: int
    found: list[tuple[int, Prepared]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


def without_collector() -> None:
    """For a worker, once: what it makes has no cycles but those of errors, which `prepare_part` collects."""
    gc.disable()


def is_started() -> bool:
    """What a worker answers first: from then on parts are worth sending to it."""
    return True


def prepare_part(part: Part, base_url: str, resolved: Resolved) -> PreparedPart:
    """Parse, validate and index every resource of a part; what is wrong is told and left out."""
    done = PreparedPart(part.source.name, part.number, part.read_bytes)
    for entry in entries(part, done.refused):
        try:
            names = {**entry.names, **resolved.names} if resolved.names else entry.names
            body = rewritten(entry.text, names, base_url)
            problem = _unresolved(body, resolved)
            if problem is not None:
                done.refused.append(Refused(part.source.name, entry.line, *problem))
                continue
            prepared = prepare(body)
            prepared = replace(prepared, id=prepared.body_id or entry.id, tree={})
        except KiungoError as error:
            done.refused.append(refusal(part.source.name, entry.line, error))
        else:
            done.found.append((entry.line, prepared))
    if done.refused and not gc.isenabled():
        gc.collect()
    return done


def _unresolved(body: bytes, resolved: Resolved) -> Problem | None:
    """What is wrong with a reference that nothing explains: it would lead nowhere."""
    if b"urn:" not in body and b"?" not in body:
        return None
    for reference in texts(body):
        if reference in resolved.problems:
            return resolved.problems[reference]
        if reference.startswith(_URNS) or "?" in reference:
            what = reference.partition("?")[0][:80]
            error = Incorrect(
                REFERENCE_UNRESOLVED,
                f"The reference {what!r} has no resource in this file",
                hint="Load the Bundle that has it, or refer to it as Type/id",
            )
            return error.code, error.told
    return None


def plain(refused: Refused) -> dict[str, Any]:
    """A refusal as a line of the report file."""
    details = [{"field": one.field, "message": one.message} for one in refused.details]
    told = {"file": refused.file, "line": refused.line, "code": refused.code, "message": refused.message}
    return told | ({"details": details} if details else {})
