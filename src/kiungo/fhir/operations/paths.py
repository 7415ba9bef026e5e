"""$fhirpath: the value of an expression on a resource that is sent along; nothing is written.

References are followed, value sets and profiles asked, as far as the caller may read what they lead to.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kiungo.base.errors import KiungoError
from kiungo.fhir.fhirpath import Collection, Limits, Node, Offline, compile, evaluation
from kiungo.fhir.fhirpath.results import as_parts
from kiungo.fhir.guard import admit, may_read
from kiungo.fhir.model import Stored
from kiungo.fhir.operations.parameters import Arguments, answer, arguments, wrong
from kiungo.fhir.operations.registry import OPERATIONS, Operation, Place
from kiungo.fhir.profiles.references import type_in_text
from kiungo.fhir.profiles.validator import Validator
from kiungo.fhir.store import Store
from kiungo.kernel import json
from kiungo.kernel.auth.decision import require
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.http import Request, Response

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

DEFINITION = "urn:kiungo:operation:fhirpath"
LIMITS = Limits(steps_max=1_000_000, time_max_s=2.0)
RESULTS_MAX = 10_000
ANSWER_BYTES_MAX = 16 * 2**20
FETCHES_MAX = 50
_TAKEN = ("expression", "resource", "context", "variables", "strict")
Json = dict[str, Any]


async def fhirpath(store: Store, request: Request, place: Place) -> Response:
    """Each item of the value as a parameter named result, what trace() saw as parameters named trace.

    Raises: Incorrect (FHIRPATH_SYNTAX, FHIRPATH_SEMANTIC, FHIRPATH_EXECUTION, FHIRPATH_TOO_COSTLY), Forbidden.
    """
    admit(request.call)
    asked = arguments(request, _TAKEN)
    text = asked.need("expression")
    resource = await _resource(store, request.call, asked.find("resource"))
    host = StoreHost(store, request.call)
    found = await asyncio.to_thread(_answered, host, text, resource, asked)
    for stored in host.followed:
        store.note(request.call, "read", stored.type, (stored,))
    return found


async def _resource(store: Store, call: Call, given: Any) -> Json | None:
    """The resource that was sent, or the stored one that was named; the caller needs the scope to read it.

    Raises: Incorrect, Forbidden, NotFound.
    """
    name = given.get("reference") if isinstance(given, dict) and "resourceType" not in given else given
    if isinstance(name, str):
        text = name.removeprefix(store.base_url + "/")
        kind = type_in_text(text)
        if kind is None or text.count("/") != 1:
            raise wrong("resource", "names no resource of this server", "Write Patient/p1, or send the resource itself")
        require(call.principal, f"system/{kind}.r")
        stored = await store.read(call, kind, text.partition("/")[2])
        found: Json = json.loads(stored.body)
        return found
    if given is None:
        return None
    if not isinstance(given, dict):
        raise wrong("resource", "is not a resource", "Send a FHIR resource")
    require(call.principal, f"system/{_type_of(given)}.r")
    return given


def _type_of(resource: Json) -> str:
    name = resource.get("resourceType")
    if not isinstance(name, str) or not name.isalnum():
        raise wrong("resource", "has no resourceType", "Send a FHIR resource")
    return name


def _answered(host: "StoreHost", text: str, resource: Json | None, asked: Arguments) -> Response:
    strict = asked.flag("strict", default=True)
    variables = {name: value for pairs in asked.all("variables") for name, value in _pairs(pairs)}
    parameters: list[Json] = []
    room = _Room()
    for focus in _focuses(resource, asked.text("context"), host, strict=strict):
        kind = focus.type.name if isinstance(focus, Node) else focus["resourceType"] if focus else None
        run = evaluation(focus, environment=variables, host=host, limits=LIMITS)
        found = compile(text, type=kind, strict=strict).items(run)
        parameters += [{"name": "result", "part": part} for part in _parts(found, room)]
    for name, items in host.traced:
        traced = [{"name": "item", "part": part} for part in _parts(items, room)]
        parameters.append({"name": "trace", "part": [{"name": "name", "valueString": name}, *traced]})
    return answer(parameters)


def _pairs(value: Any) -> list[tuple[str, Any]]:
    """The parts of the parameter `variables`."""
    if not isinstance(value, list):
        raise wrong("variables", "has no parts", "Give each variable as a part with its name and value")
    return [(name, one) for name, one in value if not isinstance(one, list)]


def _focuses(about: Json | None, context: str | None, host: "StoreHost", *, strict: bool) -> list[Node | Json | None]:
    """Where the expression is evaluated: the resource, each element that `context` finds, or nowhere."""
    if context is None:
        return [about]
    if about is None:
        raise wrong("context", "needs a resource", "Send the resource it is a path of")
    found = compile(context, type=about.get("resourceType"), strict=strict)(about, host=host, limits=LIMITS)
    return [item for item in found if isinstance(item, Node)]


class _Room:
    """How much may still be answered: the same large element can be a result many times."""

    def __init__(self) -> None:
        self.items, self.size_bytes = RESULTS_MAX, ANSWER_BYTES_MAX

    def take(self, part: list[Json]) -> None:
        """Account for one item. Raises: Incorrect when there is no room left."""
        self.items -= 1
        self.size_bytes -= len(json.dumps(part))
        if self.items < 0 or self.size_bytes < 0:
            raise wrong(
                "expression",
                f"gives more than {RESULTS_MAX:,} items or {ANSWER_BYTES_MAX // 2**20} MiB",
                "Narrow it with where(), take() or a longer path",
            )


def _parts(items: Collection, room: _Room) -> Iterator[list[Json]]:
    for item in items:
        part = as_parts(item)
        room.take(part)
        yield part


class StoreHost(Offline):
    """Answers from the store, the terminology and the installed profiles, as the caller may read them."""

    def __init__(self, store: Store, call: Call) -> None:
        super().__init__()
        self._store = store
        self._call = call
        self._fetches = 0
        self.followed: list[Stored] = []

    def resolve(self, reference: str, at: Node) -> Mapping[str, Any] | Node | None:
        """The stored resource a reference points to; None when it is not there or not for this caller."""
        text = reference.removeprefix(self._store.base_url + "/").split("/_history/", 1)[0]
        kind = type_in_text(text)
        if kind is None or text.count("/") != 1 or self._fetches >= FETCHES_MAX:
            return None
        self._fetches += 1

        def look(unit: "Unit") -> Json | None:
            found = self._store.repository.find(unit, self._call, kind, text.partition("/")[2])
            if found is None or found.deleted or not may_read(self._call, found):
                return None
            self.followed.append(found)
            tree: Json = json.loads(found.body)
            return tree

        return self._store.database.read(look)

    def member_of(self, item: Node | str, value_set: str) -> bool | None:
        """Membership as the tenant's terminology has it; R4's required value sets are known in any case."""
        known = super().member_of(item, value_set)
        if known is not None:
            return known
        answers = [self._member(value_set, system, code) for system, code in _codings(item)]
        return True if True in answers else None if None in answers or not answers else False

    def _member(self, value_set: str, system: str | None, code: str) -> bool | None:
        return self._store.terminologies.of(self._call.tenant).member(value_set, system, code)

    def conforms_to(self, node: Node, profile: str) -> bool | None:
        """A base type at once; an installed profile by validating."""
        known = super().conforms_to(node, profile)
        if known is not None or not node.type.is_resource:
            return known
        library = self._store.libraries.of(self._call.tenant)
        if library.plan(profile).problem:
            return None
        report = Validator(library, lambda reference: None).check(node.value, [profile])
        return all(finding.severity != "error" for finding in report.findings)

    def subsumes(self, general: Node, specific: Node) -> bool | None:
        """By the code system's own hierarchy."""
        known = super().subsumes(general, specific)
        if known is not None:
            return known
        terminology = self._store.terminologies.of(self._call.tenant)
        answers: list[bool] = []
        for system, code in _codings(general):
            for other_system, other in _codings(specific):
                if system and system == other_system:
                    try:
                        answers.append(terminology.subsumes(system, code, other) in ("equivalent", "subsumes"))
                    except KiungoError:
                        return None  # a code system that is not here leaves it open
        return any(answers) if answers else None


def _codings(item: Node | str) -> list[tuple[str | None, str]]:
    value = item.value if isinstance(item, Node) else item
    if isinstance(value, str):
        return [(None, value)]
    listed = value.get("coding", [value]) if isinstance(value, dict) else []
    return [(coding.get("system"), coding["code"]) for coding in listed if isinstance(coding.get("code"), str)]


OPERATIONS.add(
    Operation(
        name="fhirpath",
        definition=DEFINITION,
        handler=fhirpath,
        levels=frozenset({"system"}),
        methods=("POST",),
        is_open=True,
    )
)
