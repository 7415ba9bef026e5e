"""$expand, $lookup, $validate-code, $subsumes and $translate.

Terminology is nobody's record, so a bound credential may ask too; what is needed is the scope to read the type.
Source: FHIR R4 4.7 (terminology service); the OperationDefinitions of CodeSystem, ValueSet and ConceptMap.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from kiungo.base.errors import Incorrect, Unavailable
from kiungo.fhir.operations.codings import CODING, CODINGS, asked_codings
from kiungo.fhir.operations.expansions import expanded
from kiungo.fhir.operations.parameters import Arguments, answer, arguments, resource, wrong
from kiungo.fhir.operations.registry import DEFINITIONS, OPERATIONS, Level, Operation, OperationHandler, Place
from kiungo.fhir.store import SEARCH_DEADLINE_MS, Store
from kiungo.fhir.terminology import Terminology, Validated
from kiungo.fhir.terminology.model import EXPANSION_TOO_COSTLY, ConceptMap, ValueSet
from kiungo.fhir.terminology.shelves import concept_map_of, value_set_of
from kiungo.fhir.terminology.translating import Asked, Match, maps_for, translate
from kiungo.kernel import json
from kiungo.kernel.database.unit import DATABASE_DEADLINE
from kiungo.kernel.http import Request, Response

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

T = TypeVar("T")
COUNT_MAX = 1_000
_EXPAND = (
    *("url", "valueSet", "valueSetVersion", "filter", "offset", "count", "activeOnly", "includeDesignations"),
    *("displayLanguage", "excludeNested", "excludeNotForUI", "excludePostCoordinated", "date"),
)
_VALIDATE = (*CODINGS, "url", "version", "display", "displayLanguage", "date")
_TRANSLATE = (
    *("url", "conceptMap", "conceptMapVersion", "code", "system", "version", "source", "coding", "codeableConcept"),
    *("target", "targetsystem", "reverse"),
)


async def expand(store: Store, request: Request, place: Place) -> Response:
    """The codes of a value set, whole or a page of them."""
    asked = arguments(request, _EXPAND)
    value_set = await _value_set(store, request, place, asked)
    count = asked.number("count")
    offset = asked.number("offset") or 0
    text = asked.text("filter") or ""
    shown = None if count is None else min(count, COUNT_MAX)

    def look(terminology: Terminology, unit: "Unit") -> dict[str, Any]:
        found = terminology.expand(
            value_set,
            filter=text,
            offset=offset,
            count=shown,
            active_only=asked.flag("activeOnly"),
            version=asked.text("valueSetVersion"),
            unit=unit,
        )
        given = {"filter": text, "offset": offset or None, "count": shown}
        return expanded(terminology, unit, found, given, with_terms=asked.flag("includeDesignations"))

    return resource(await _looked(store, request, look))


async def lookup(store: Store, request: Request, place: Place) -> Response:
    """What is known about one code."""
    asked = arguments(request, (*CODING, "date", "displayLanguage", "property"))
    ((system, code, version, _),) = asked_codings(asked, need_system=True)[:1]
    wanted = {part for value in asked.all("property") for part in str(value).split(",")}

    def look(terminology: Terminology, unit: "Unit") -> list[dict[str, Any]]:
        codes, concept = terminology.lookup(system or "", code, version, unit=unit)
        found: list[dict[str, Any]] = [{"name": "name", "valueString": codes.name or codes.url}]
        if codes.version:
            found.append({"name": "version", "valueString": codes.version})
        found.append({"name": "display", "valueString": concept.display})
        found += [_designation(*term) for term in concept.terms if term[0] != "definition"]
        held = [*concept.properties, ("inactive", str(not concept.active).lower())]
        held += [("definition", term) for kind, _, term in concept.terms if kind == "definition"]
        return found + [_property(name, value) for name, value in held if not wanted or name in wanted]

    return answer(await _looked(store, request, look))


async def validate_code(store: Store, request: Request, place: Place) -> Response:
    """Whether a code is a value set's, or a code system's."""
    of_set = place.type == "ValueSet"
    own = ("valueSet", "valueSetVersion") if of_set else ()
    asked = arguments(request, (*_VALIDATE, *own))
    value_set = await _value_set(store, request, place, asked) if of_set else None
    own_url = None if of_set else await _code_system_url(store, request, place, asked)
    codings = asked_codings(asked, need_system=False)

    def look(terminology: Terminology, unit: "Unit") -> list[Validated]:
        return [
            terminology.validate_code(
                code=code,
                system=system or own_url,
                value_set=value_set,
                display=asked.text("display") or display,
                version=version if own_url is None or version else None,
                unit=unit,
            )
            for system, code, version, display in codings
        ]

    return answer(_verdict(await _looked(store, request, look)))


async def subsumes(store: Store, request: Request, place: Place) -> Response:
    """How two codes of one system stand to each other."""
    asked = arguments(request, ("codeA", "codeB", "system", "version", "codingA", "codingB"))
    pair = []
    for name in ("A", "B"):
        coding = asked.thing(f"coding{name}") or {}
        code = asked.text(f"code{name}") or coding.get("code")
        if not code:
            raise wrong(f"code{name}", "is missing", f"Add code{name} with system, or coding{name}")
        pair.append((coding.get("system") or asked.text("system"), code))
    system = pair[0][0]
    if place.id:
        system = await _code_system_url(store, request, place, asked)
    if not system or pair[1][0] not in (None, system):
        raise wrong("system", "is missing, or is not the same for both codes", "Name the one system of both codes")
    version = asked.text("version")
    outcome = await _looked(
        store, request, lambda t, unit: t.subsumes(system, pair[0][1], pair[1][1], version, unit=unit)
    )
    return answer([{"name": "outcome", "valueCode": outcome}])


async def translate_code(store: Store, request: Request, place: Place) -> Response:
    """The codes of other systems that a code corresponds to."""
    asked = arguments(request, _TRANSLATE)
    own: ConceptMap | None = None
    sent = asked.thing("conceptMap") or asked.body
    if place.id:
        stored = await store.read(request.call, "ConceptMap", place.id)
        own = concept_map_of(json.loads(stored.body))
    elif sent is not None:
        own = concept_map_of(sent)
    questions = [
        Asked(
            system or "",
            code,
            asked.text("targetsystem") or "",
            asked.text("source") or "",
            asked.text("target") or "",
            asked.flag("reverse"),
        )
        for system, code, _, _ in asked_codings(asked, need_system=own is None)
    ]
    url = asked.text("url")

    def look(terminology: Terminology, unit: "Unit") -> list[Match]:
        return terminology.read(
            lambda reading: [
                match
                for question in questions
                for match in translate(reading, question, [own] if own else maps_for(reading, question, url))
            ],
            unit,
        )

    return answer(_translated(await _looked(store, request, look)))


async def _looked(store: Store, request: Request, look: "Callable[[Terminology, Unit], T]") -> T:
    """Ask in one snapshot, within the time of a search. Raises: Incorrect EXPANSION_TOO_COSTLY."""
    terminology = store.terminologies.of(request.call.tenant)
    try:
        return await store.database.read_async(lambda unit: look(terminology, unit), deadline_ms=SEARCH_DEADLINE_MS)
    except Unavailable as error:
        if error.code != DATABASE_DEADLINE:
            raise
        raise Incorrect(
            EXPANSION_TOO_COSTLY,
            "The question needs more time than one call may take",
            hint="Narrow it with filter, or ask for a page with count",
        ) from error


async def _value_set(store: Store, request: Request, place: Place, asked: Arguments) -> str | ValueSet:
    """The value set the call is about: by id, sent along, or by address."""
    if place.id:
        stored = await store.read(request.call, "ValueSet", place.id)
        return value_set_of(json.loads(stored.body))
    sent = asked.thing("valueSet") or asked.body
    if sent is not None:
        if sent.get("resourceType") != "ValueSet":
            raise wrong("valueSet", "is not a ValueSet", "Send a ValueSet resource, or name one by url")
        return value_set_of(sent)
    return asked.need("url")


async def _code_system_url(store: Store, request: Request, place: Place, asked: Arguments) -> str | None:
    if place.id:
        stored = await store.read(request.call, "CodeSystem", place.id)
        found: str | None = json.loads(stored.body).get("url")
        return found
    return asked.text("url")


def _verdict(found: list[Validated]) -> list[dict[str, Any]]:
    """Of several codings one right one is enough; what cannot be known is not right, and says so."""
    best = next((v for v in found if v.result), None) or found[0]
    parts: list[dict[str, Any]] = [{"name": "result", "valueBoolean": bool(best.result)}]
    if best.message:
        parts.append({"name": "message", "valueString": best.message})
    if best.display is not None:
        parts.append({"name": "display", "valueString": best.display})
    return parts


def _translated(found: list[Match]) -> list[dict[str, Any]]:
    matched = any(match.is_match for match in found)
    parts: list[dict[str, Any]] = [{"name": "result", "valueBoolean": matched}]
    if not matched:
        parts.append({"name": "message", "valueString": "No concept map has a target for this code"})
    for match in found:
        coding = {"system": match.system, "code": match.code, "display": match.display}
        part: list[dict[str, Any]] = [{"name": "equivalence", "valueCode": match.equivalence}]
        if match.code:
            part.append({"name": "concept", "valueCoding": {key: value for key, value in coding.items() if value}})
        if match.source:
            part.append({"name": "source", "valueUri": match.source})
        parts.append({"name": "match", "part": part})
    return parts


def _designation(kind: str, language: str, term: str) -> dict[str, Any]:
    part: list[dict[str, Any]] = [{"name": "language", "valueCode": language}] if language else []
    if kind:
        part.append({"name": "use", "valueCoding": {"code": kind}})
    return {"name": "designation", "part": [*part, {"name": "value", "valueString": term}]}


def _property(name: str, value: str) -> dict[str, Any]:
    typed = {"valueBoolean": value == "true"} if value in ("true", "false") else {"valueString": value}
    if name in ("parent", "child"):
        typed = {"valueCode": value}
    return {"name": "property", "part": [{"name": "code", "valueCode": name}, {"name": "value", **typed}]}


_BOTH: frozenset[Level] = frozenset({"type", "instance"})
_TYPE: frozenset[Level] = frozenset({"type"})
_OFFERED: tuple[tuple[str, str, OperationHandler, frozenset[Level]], ...] = (
    ("ValueSet", "expand", expand, _BOTH),
    ("ValueSet", "validate-code", validate_code, _BOTH),
    ("CodeSystem", "lookup", lookup, _TYPE),
    ("CodeSystem", "validate-code", validate_code, _BOTH),
    ("CodeSystem", "subsumes", subsumes, _BOTH),
    ("ConceptMap", "translate", translate_code, _BOTH),
)
for _type, _name, _handler, _levels in _OFFERED:
    OPERATIONS.add(Operation(_name, f"{DEFINITIONS}{_type}-{_name}", _handler, _levels, (_type,)))
