"""$expand, $lookup, $validate-code, $subsumes and $translate.

Terminology is nobody's record, so a bound credential may ask too; what is needed is the scope to read the type.
Source: FHIR R4 4.7 (terminology service); the OperationDefinitions of CodeSystem, ValueSet and ConceptMap.
"""

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from kiungo.base.errors import Incorrect, Unavailable
from kiungo.fhir.operations.codings import CODING, CODINGS, asked_codings
from kiungo.fhir.operations.expansions import Words, expanded
from kiungo.fhir.operations.parameters import Arguments, answer, arguments, resource, wrong
from kiungo.fhir.operations.registry import DEFINITIONS, OPERATIONS, Level, Operation, OperationHandler, Place
from kiungo.fhir.store import SEARCH_DEADLINE_MS, Store
from kiungo.fhir.terminology import Terminology, Validated
from kiungo.fhir.terminology.displays import DEFINITION, designations, display_in, use_of
from kiungo.fhir.terminology.model import EXPANSION_TOO_COSTLY, Concept, ConceptMap, ValueSet
from kiungo.fhir.terminology.shelves import concept_map_of, value_set_of
from kiungo.fhir.terminology.translating import Asked, Match, maps_for, translate
from kiungo.fhir.terminology.tree import of_resource
from kiungo.kernel import json
from kiungo.kernel.database.unit import DATABASE_DEADLINE
from kiungo.kernel.http import Request, Response

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

T = TypeVar("T")
COUNT_MAX = 1_000
NEIGHBOURS_MAX = 1_000
_EXPAND = (
    *("url", "valueSet", "valueSetVersion", "filter", "offset", "count", "activeOnly", "includeDesignations"),
    *("displayLanguage", "designation", "excludeNested", "excludeNotForUI", "excludePostCoordinated"),
    *("exclude-system", "includeDefinition"),
)
_VALIDATE = (*CODINGS, "url", "version", "display", "displayLanguage", "abstract")
_TRANSLATE = (
    *("url", "conceptMap", "conceptMapVersion", "code", "system", "version", "source", "coding", "codeableConcept"),
    *("target", "targetsystem", "reverse", "dependency"),
)
# R4's own parameters that are refused by name, and why.
_NOT_OFFERED = {
    "date": (
        "asks for the content of another day; only the current one is kept",
        "Leave it out, or name a version",
    ),
    "context": ("names an element of a profile", "Name the value set of its binding by url"),
    "contextDirection": ("says which way context is meant", "Name the value set by url"),
    "profile": ("names an expansion profile", "Give its parameters one by one"),
    **dict.fromkeys(
        ("system-version", "check-system-version", "force-system-version"),
        ("fixes a version that the value set leaves open", "Write the version in ValueSet.compose, and send valueSet"),
    ),
}


async def expand(store: Store, request: Request, place: Place) -> Response:
    """The codes of a value set, whole or a page of them; always flat, and never post-coordinated."""
    asked = _asked(request, _EXPAND)
    if asked.flag("includeDefinition"):
        raise wrong("includeDefinition", "is not offered with an expansion", "Read the ValueSet for its definition")
    for name in ("excludeNested", "excludePostCoordinated"):
        asked.flag(name)  # nothing is nested or post-coordinated here, whichever is asked for
    value_set = await _value_set(store, request, place, asked)
    language = asked.text("displayLanguage")
    wanted = tuple(str(token) for token in asked.all("designation"))
    without = tuple(str(url).partition("|")[0] for url in asked.all("exclude-system"))
    words = Words(language, asked.flag("includeDesignations") or bool(wanted), wanted)
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
            selectable_only=asked.flag("excludeNotForUI"),
            without_systems=without,
            unit=unit,
        )
        given: dict[str, str | int | bool | None] = {
            **{"filter": text, "offset": offset or None, "count": shown, "displayLanguage": language},
            **{name: asked.flag(name) for name in ("activeOnly", "excludeNotForUI", "includeDesignations")},
        }
        return expanded(terminology, unit, found, given, words)

    return resource(await _looked(store, request, look))


async def lookup(store: Store, request: Request, place: Place) -> Response:
    """What is known about one code."""
    asked = _asked(request, (*CODING, "displayLanguage", "property"))
    language = asked.text("displayLanguage")
    ((system, code, version, _),) = asked_codings(asked, need_system=True)[:1]
    wanted = {part for value in asked.all("property") for part in str(value).split(",")}

    def look(terminology: Terminology, unit: "Unit") -> list[dict[str, Any]]:
        codes, concept = terminology.lookup(system or "", code, version, unit=unit)
        found: list[dict[str, Any]] = [{"name": "name", "valueString": codes.name or codes.url}]
        if codes.version:
            found.append({"name": "version", "valueString": codes.version})
        found.append({"name": "display", "valueString": display_in(concept, language)})
        if not wanted or "designation" in wanted:
            found += [_designation(*term, concept) for term in designations(concept)]
        held = [_property(name, _typed(value)) for name, value in concept.properties if not concept.typed]
        held += [_property(name, {key: value}) for name, key, value in concept.typed]
        if not any(name == "inactive" for name, _ in concept.properties):
            held.append(_property("inactive", {"valueBoolean": not concept.active}))
        held += [
            _property("definition", {"valueString": term}) for kind, _, term in concept.terms if kind == DEFINITION
        ]
        stated = {value for name, value in concept.properties if name in ("parent", "child")}
        neighbours = islice(codes.neighbours(concept.code), NEIGHBOURS_MAX)
        held += [_property(name, {"valueCode": other}) for name, other in neighbours if other not in stated]
        return found + [one for one in held if not wanted or one["part"][0]["valueCode"] in wanted]

    return answer(await _looked(store, request, look))


async def validate_code(store: Store, request: Request, place: Place) -> Response:
    """Whether a code is a value set's, or a code system's."""
    of_set = place.type == "ValueSet"
    own = ("valueSet", "valueSetVersion") if of_set else ("codeSystem",)
    asked = _asked(request, (*_VALIDATE, *own))
    value_set = await _value_set(store, request, place, asked) if of_set else None
    sent = None if of_set else asked.thing("codeSystem")
    own_url = None if of_set or sent is not None else await _code_system_url(store, request, place, asked)
    code_system = of_resource(sent) if sent is not None else None
    codings = asked_codings(asked, need_system=False)

    def look(terminology: Terminology, unit: "Unit") -> list[Validated]:
        return [
            terminology.validate_code(
                code=code,
                system=system or own_url,
                value_set=value_set,
                code_system=code_system,
                display=asked.text("display") or display,
                version=version,
                language=asked.text("displayLanguage"),
                abstract_is_right=asked.flag("abstract", default=True),
                unit=unit,
            )
            for system, code, version, display in codings
        ]

    return answer(_verdict(await _looked(store, request, look)))


async def subsumes(store: Store, request: Request, place: Place) -> Response:
    """How two codes of one system stand to each other."""
    asked = _asked(request, ("codeA", "codeB", "system", "version", "codingA", "codingB"))
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
    asked = _asked(request, _TRANSLATE)
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
            version or "",
            _dependencies(asked),
        )
        for system, code, version, _ in asked_codings(asked, need_system=own is None)
    ]
    url = _with_version(asked.text("url"), asked.text("conceptMapVersion"))

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


def _asked(request: Request, allowed: tuple[str, ...]) -> Arguments:
    """The arguments; those of R4 that are not offered are refused with their reason. Raises: Incorrect."""
    asked = arguments(request, (*allowed, *_NOT_OFFERED))
    for name in sorted(asked.names() & (_NOT_OFFERED.keys() - set(allowed))):
        problem, way_out = _NOT_OFFERED[name]
        raise wrong(name, f"{problem}: not offered", way_out)
    return asked


def _with_version(url: str | None, version: str | None) -> str | None:
    return f"{url}|{version}" if url and version and "|" not in url else url


def _dependencies(asked: Arguments) -> frozenset[tuple[str, str]]:
    """What the asker knows beside the code: (element, code) pairs."""
    found: set[tuple[str, str]] = set()
    for parts in asked.all("dependency"):
        held = dict(parts) if isinstance(parts, list) else {}
        concept = held.get("concept")
        codings = concept.get("coding", []) if isinstance(concept, dict) else []
        found.update((str(held.get("element", "")), str(c["code"])) for c in codings if "code" in c)
    return frozenset(found)


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
    url = asked.need("url")
    return _with_version(url, asked.text("valueSetVersion")) or url


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
        for element, system, code in match.products:
            coded = {"name": "concept", "valueCoding": {**({"system": system} if system else {}), "code": code}}
            part.append({"name": "product", "part": [{"name": "element", "valueUri": element}, coded]})
        if match.source:
            part.append({"name": "source", "valueUri": match.source})
        parts.append({"name": "match", "part": part})
    return parts


def _designation(kind: str, language: str, term: str, concept: Concept) -> dict[str, Any]:
    part: list[dict[str, Any]] = [{"name": "language", "valueCode": language}] if language else []
    if kind:
        part.append({"name": "use", "valueCoding": use_of(kind, concept)})
    return {"name": "designation", "part": [*part, {"name": "value", "valueString": term}]}


def _typed(value: str) -> dict[str, Any]:
    """A value of a table of texts: an imported system says no more of it."""
    return {"valueBoolean": value == "true"} if value in ("true", "false") else {"valueString": value}


def _property(name: str, typed: dict[str, Any]) -> dict[str, Any]:
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
