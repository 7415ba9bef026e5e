"""$validate: would this resource be accepted, and what is wrong with it; nothing is written.

The answer is 200 with an OperationOutcome whether or not there is a problem: the operation itself succeeded.
Source: FHIR R4 Resource-operation-validate.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kiungo.base.errors import KiungoError
from kiungo.fhir.guard import authorise, may_read
from kiungo.fhir.http.negotiation import received
from kiungo.fhir.operations.parameters import Arguments, arguments, resource, wrong
from kiungo.fhir.operations.registry import DEFINITIONS, OPERATIONS, Operation, Place
from kiungo.fhir.profiles.findings import Finding
from kiungo.fhir.profiles.references import type_in_text
from kiungo.fhir.profiles.validator import Report, Validator
from kiungo.fhir.store import Store
from kiungo.fhir.validation.positions import Position
from kiungo.fhir.validation.reporting import Places, no_places, outcome, places_in, places_in_xml
from kiungo.kernel import json
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.http import Request, Response

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

MODES = ("create", "update", "delete", "profile")
FETCHES_MAX = 50
BRIEF_BYTES = 8_192
"""What is no larger is judged on the event loop: to hand it to a thread costs more than most resources do."""
PROFILES_MAX = 20
Json = dict[str, Any]


async def validate(store: Store, request: Request, place: Place) -> Response:
    """Judge the resource that was sent, or the one that is stored."""
    asked = arguments(request, ("resource", "mode", "profile"))
    mode = asked.text("mode")
    if mode is not None and mode not in MODES:
        raise wrong("mode", f"is {mode[:40]}", f"Use {', '.join(MODES)}")
    profiles = [url for url in asked.all("profile") if isinstance(url, str)][:PROFILES_MAX]
    sent, places = _sent(request, asked)
    stored = None
    if place.id:
        stored = await store.read(request.call, place.type, place.id)
    if mode == "delete":
        if stored is None:
            raise wrong("mode", "is delete, but no resource is named", "Call Type/id/$validate")
        authorise(request.call, "d", stored)
        return resource(outcome((), None, note="The resource may be deleted"))
    content = sent if sent is not None else json.loads(stored.body) if stored is not None else None
    if content is None:
        raise wrong("resource", "is missing", "Send the resource, or Parameters with it")
    if sent is None and stored is not None:
        places = places_in(stored.body, stored.type)
    if len(request.body) > BRIEF_BYTES or (stored is not None and len(stored.body) > BRIEF_BYTES):
        report = await asyncio.to_thread(judged, store, request.call, content, profiles)
    else:
        report = await store.database.point_read(lambda unit: judged(store, request.call, content, profiles, unit))
    findings = (*_about_the_call(content, place, mode), *report.findings)
    return resource(outcome(findings, content, places, note=_note(report)))


def _sent(request: Request, asked: Arguments) -> tuple[Json | None, Places]:
    """The resource in the body, bare or as a parameter, and where its lines are."""
    is_xml = b"xml" in request.raw_headers.get(b"content-type", b"").lower()
    if asked.body is not None:
        kind = str(asked.body.get("resourceType"))
        return asked.body, places_in_xml(request.body) if is_xml else places_in(request.body, kind)
    sent = asked.thing("resource")
    if sent is None:
        return None, no_places
    inside = places_in_xml(request.body) if is_xml else places_in(request.body, "Parameters")
    return sent, _inside_parameters(json.loads(received(request)), str(sent.get("resourceType")), inside)


def _inside_parameters(parameters: Json, root: str, inside: Places) -> Places:
    listed = parameters.get("parameter", [])
    number = next((i for i, p in enumerate(listed) if isinstance(p, dict) and p.get("name") == "resource"), 0)
    prefix = f"Parameters.parameter[{number}].resource"

    def places(wanted: Iterable[str]) -> Mapping[str, Position]:
        renamed = {prefix + path.removeprefix(root): path for path in wanted}
        found = inside(renamed)
        return {renamed[path]: position for path, position in found.items()}

    return places


def judged(store: Store, call: Call, content: Json, profiles: list[str], unit: "Unit | None" = None) -> Report:
    """The report, with the tenant's profiles; references lead to what the caller may read (in the unit, if any)."""
    policy = store.libraries.policy_of(call.tenant).get(str(content.get("resourceType")), ())
    validator = Validator(store.libraries.of(call.tenant), _fetching(store, call, unit))
    return validator.check(content, dict.fromkeys((*profiles, *policy)))


def _fetching(store: Store, call: Call, own: "Unit | None") -> Callable[[str], Json | None]:
    """Finds what a reference points to in the store, at most so often, only what the caller may see."""
    left = [FETCHES_MAX]

    def fetch(reference: str) -> Json | None:
        text = reference.removeprefix(store.base_url + "/")
        kind = type_in_text(text)
        if kind is None or text.count("/") != 1 or left[0] <= 0:
            return None
        left[0] -= 1

        def look(unit: "Unit") -> Json | None:
            found = store.repository.find(unit, call, kind, text.partition("/")[2])
            if found is None or found.deleted or not may_read(call, found):
                return None
            tree: Json = json.loads(found.body)
            return tree

        try:
            return look(own) if own is not None else store.database.read(look)
        except KiungoError:
            return None  # a reference that cannot be followed now is not a problem of the resource

    return fetch


def _about_the_call(content: Json, place: Place, mode: str | None) -> list[Finding]:
    """What the content says against how it was sent."""
    name = str(content.get("resourceType"))
    found = []
    if place.type and name != place.type:
        found.append(
            Finding("error", "invalid", name, f"{name} was sent to {place.type}/$validate; send it to {name}/$validate")
        )
    if mode == "update":
        own = content.get("id")
        if own is None:
            found.append(Finding("error", "required", f"{name}.id", f"{name}.id is needed for an update"))
        elif place.id and own != place.id:
            found.append(Finding("error", "value", f"{name}.id", f"{name}.id is not {place.id}, the id of the address"))
    return found


def _note(report: Report) -> str:
    against = f" against {', '.join(report.profiles)}" if report.profiles else ""
    return f"{report.type} is valid{against}"


OPERATIONS.add(
    Operation(
        name="validate",
        definition=DEFINITIONS + "Resource-validate",
        handler=validate,
        levels=frozenset({"type", "instance"}),
        interactions="r",
    )
)
