"""A code system held in memory: one that came as a CodeSystem resource, or that FHIR itself defines."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kiungo.fhir.terminology.model import OF_EVERY_CONCEPT, Concept, Filter, has_words, pattern

CONCEPTS_MAX = 100_000
_PROPERTIES = "http://hl7.org/fhir/concept-properties#"
_HIDDEN = ("notSelectable", "abstract")
_RETIRED = ("retired", "deprecated", "inactive")


@dataclass(slots=True)
class TreeSystem:
    """Concepts by code, in order, with the codes directly above each."""

    url: str
    version: str
    name: str
    is_complete: bool
    case_sensitive: bool = True
    concepts: dict[str, Concept] = field(default_factory=dict)
    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)
    is_supplement: bool = False
    declared: frozenset[str] = frozenset()

    def put_below(self, above: str, below: str) -> None:
        """Note that a code stands directly below another, once."""
        self.parents[below] = tuple(dict.fromkeys((*self.parents.get(below, ()), above)))

    def find(self, code: str) -> Concept | None:
        return self.concepts.get(code if self.case_sensitive else self._spelled(code))

    def glance(self, code: str) -> Concept | None:
        return self.find(code)

    def has(self, code: str) -> bool:
        return self.find(code) is not None

    def is_above(self, ancestor: str, descendant: str) -> bool:
        return ancestor != descendant and ancestor in self._above(descendant)

    def meets(self, code: str, wanted: Filter) -> bool:
        concept = self.find(code)
        return concept is not None and self._meets(concept, wanted)

    def neighbours(self, code: str) -> Iterator[tuple[str, str]]:
        yield from (("parent", above) for above in dict.fromkeys(self.parents.get(code, ())))
        yield from (("child", below) for below, above in self.parents.items() if code in above)

    def has_property(self, name: str) -> bool:
        if name in OF_EVERY_CONCEPT or name in self.declared or not self.is_complete:
            return True
        return any(name == known for concept in self.concepts.values() for known, _ in concept.properties)

    def matching(self, filters: tuple[Filter, ...], words: tuple[str, ...], *, active_only: bool) -> Iterator[Concept]:
        for concept in self.concepts.values():
            if active_only and not concept.active:
                continue
            if words and not has_words(words, (concept.code, concept.display, *(t[2] for t in concept.terms))):
                continue
            if all(self._meets(concept, wanted) for wanted in filters):
                yield concept

    def _spelled(self, code: str) -> str:
        if code in self.concepts:
            return code
        folded = code.casefold()
        return next((known for known in self.concepts if known.casefold() == folded), code)

    def _above(self, code: str) -> set[str]:
        found: set[str] = set()
        waiting = list(self.parents.get(code, ()))
        while waiting:
            parent = waiting.pop()
            if parent not in found:
                found.add(parent)
                waiting += self.parents.get(parent, ())
        return found

    def _meets(self, concept: Concept, wanted: Filter) -> bool:  # noqa: PLR0911 - one answer for each operator
        code, value = concept.code, wanted.value
        if wanted.op == "is-a":
            return code == value or value in self._above(code)
        if wanted.op == "descendent-of":
            return value in self._above(code)
        if wanted.op == "is-not-a":
            return code != value and value not in self._above(code)
        if wanted.op == "generalizes":
            return code == value or code in self._above(value)
        held = self._values(concept, wanted.property)
        if wanted.op == "exists":
            return bool(held) == (value == "true")
        if wanted.op in ("in", "not-in"):
            listed = {part.strip() for part in value.split(",")}
            return any(v in listed for v in held) == (wanted.op == "in")
        if wanted.op == "regex":
            return any(pattern(value).fullmatch(v[:400]) for v in held)
        return value in held

    def _values(self, concept: Concept, name: str) -> tuple[str, ...]:
        if name in ("code", "concept", "display"):
            return (concept.display if name == "display" else concept.code,)
        if name == "parent":
            return self.parents.get(concept.code, ())
        if name == "inactive" and not any(known == name for known, _ in concept.properties):
            return (str(not concept.active).lower(),)
        if name == "definition":
            return tuple(term for kind, _, term in concept.terms if kind == "definition")
        if name == "child":
            return tuple(code for code, above in self.parents.items() if concept.code in above)
        return tuple(value for known, value in concept.properties if known == name)


def of_rows(url: str, content: dict[str, Any]) -> TreeSystem:
    """A system of the artifact: rows of code, display, parent, not selectable."""
    found = TreeSystem(
        url, content["version"], content["name"], content["content"] == "complete", content["caseSensitive"]
    )
    for row in content["concepts"]:
        code: str = row[0]
        display = row[1] if len(row) > 1 else None
        found.concepts.setdefault(code, Concept(code, display or code, abstract=len(row) > 3))
        if len(row) > 2 and row[2] is not None:
            found.parents[code] = (*found.parents.get(code, ()), row[2])
    return found


def of_resource(resource: dict[str, Any]) -> TreeSystem:
    """A system from a CodeSystem resource; concepts beyond the limit make it incomplete, never wrong."""
    found = TreeSystem(
        resource.get("url", ""),
        resource.get("version", ""),
        resource.get("title") or resource.get("name", ""),
        resource.get("content") == "complete",
        resource.get("caseSensitive", True),
        is_supplement=resource.get("content") == "supplement" or "supplements" in resource,
        declared=frozenset(
            str(one.get("code")) for kind in ("property", "filter") for one in resource.get(kind, ()) if "code" in one
        ),
    )
    meant = _meant(resource)
    waiting: list[tuple[dict[str, Any], str | None]] = [(c, None) for c in reversed(resource.get("concept", []))]
    while waiting:
        row, parent = waiting.pop()
        code = row.get("code")
        if not isinstance(code, str):
            continue
        if len(found.concepts) >= CONCEPTS_MAX:
            found.is_complete = False
            break
        found.concepts.setdefault(code, _concept(row, code, meant))
        if parent is not None:
            found.put_below(parent, code)
        for one in row.get("property", ()):
            name = meant.get(one.get("code"), one.get("code"))
            if name in ("parent", "subsumedBy"):
                found.put_below(str(_value(one)), code)
            elif name == "child":
                found.put_below(code, str(_value(one)))
        waiting += [(inner, code) for inner in reversed(row.get("concept", []))]
    return found


def _meant(resource: dict[str, Any]) -> dict[str, str]:
    """Properties that have another name for what FHIR defines, with its own. Source: FHIR R4 4.8.10."""
    listed = resource.get("property", ())
    known = ((one.get("code"), str(one.get("uri", ""))) for one in listed)
    return {code: uri.removeprefix(_PROPERTIES) for code, uri in known if code and uri.startswith(_PROPERTIES)}


def _concept(row: dict[str, Any], code: str, meant: dict[str, str]) -> Concept:
    properties = tuple((p["code"], _text(_value(p))) for p in row.get("property", ()) if "code" in p)
    typed = tuple(
        (p["code"], name, value)
        for p in row.get("property", ())
        if "code" in p
        for name, value in p.items()
        if name.startswith("value")
    )
    terms = tuple((_use(d), d.get("language", ""), d.get("value", "")) for d in row.get("designation", ()))
    if "definition" in row:
        terms = (*terms, ("definition", "", row["definition"]))
    uses = tuple((_use(d), d["use"]["display"]) for d in row.get("designation", ()) if "display" in d.get("use", {}))
    held = {meant.get(name, name): value for name, value in properties}
    retired = held.get("inactive") == "true" or held.get("status") in _RETIRED
    hidden = any(held.get(name) == "true" for name in _HIDDEN)
    return Concept(code, row.get("display", code), not retired, hidden, terms, properties, typed, uses)


def _use(designation: dict[str, Any]) -> str:
    use = designation.get("use", {})
    return f"{use['system']}|{use.get('code', '')}" if "system" in use else str(use.get("code", ""))


def _value(entry: dict[str, Any]) -> Any:
    found = next((v for name, v in entry.items() if name.startswith("value")), "")
    return found.get("code", "") if isinstance(found, dict) else found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
