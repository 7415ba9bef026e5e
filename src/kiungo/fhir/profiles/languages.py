"""What a profile asks of a narrative by extensions: sections for languages, and where each part of it comes from.

Source: HL7 extensions narrative-language-control and narrative-source-control; FHIR R4 2.4.0 (Narrative).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from kiungo.fhir.profiles.items import Item
from kiungo.fhir.profiles.run import Run

LANGUAGE = "http://hl7.org/fhir/StructureDefinition/narrative-language-control"
SOURCE = "http://hl7.org/fhir/StructureDefinition/narrative-source-control"
ORIGINS = frozenset({"boilerplate", "generated", "original"})
_CLASSES = ", ".join(sorted(ORIGINS))
_SHOWN_MAX = 40


@dataclass(slots=True)
class _Seen:
    """What a narrative has: the languages of its sections, and texts that say nothing of their origin."""

    languages: list[str] = field(default_factory=list)
    unsourced: list[str] = field(default_factory=list)


def language_check(wanted: str, source: str) -> Callable[[Item, Run], None]:
    """`_no`, `_yes` or `_resource` (a section in the resource's language), or the language itself."""

    def check(item: Item, run: Run) -> None:
        seen = _seen(item.value)
        if seen is None:
            return
        found, listed = seen.languages, ", ".join(seen.languages) or "none"
        if wanted == "_no" and found:
            run.error("business-rule", item.at, f"has sections for languages ({listed}), but {source} allows none")
        elif wanted == "_yes" and not found:
            run.error("business-rule", item.at, f"has no section for a language, but {source} asks for them")
        elif wanted not in ("_no", "_yes"):
            language = run.scope.resource.get("language") if wanted == "_resource" else wanted
            if language.__class__ is str and language not in found:
                run.error(
                    "business-rule", item.at, f"has no section for {language} (has {listed}); {source} asks for it"
                )

    return check


def source_check(source: str) -> Callable[[Item, Run], None]:
    """Every text stands in an element whose class says that it is boilerplate, generated or original."""

    def check(item: Item, run: Run) -> None:
        seen = _seen(item.value)
        for text in seen.unsourced if seen is not None else ():
            run.error(
                "business-rule", item.at, f"has {text!r} outside of class {', '.join(sorted(ORIGINS))}, by {source}"
            )

    return check


def _seen(narrative: Any) -> _Seen | None:
    """Read a narrative's div; None for one that cannot be read, which is said elsewhere."""
    div = narrative.get("div") if narrative.__class__ is dict else None
    if div.__class__ is not str or "<!" in div:
        return None
    seen = _Seen()
    origins: list[bool] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(origins) == 1 and name == "div":
            language = attributes.get("xml:lang") or attributes.get("lang")
            if language and language not in seen.languages:
                seen.languages.append(language)
        is_said = bool(ORIGINS & set(attributes.get("class", "").split()))
        origins.append(is_said or (bool(origins) and origins[-1]))

    def text(data: str) -> None:
        if data.strip() and not origins[-1]:
            seen.unsourced.append(" ".join(data.split())[:_SHOWN_MAX])

    def end(_name: str) -> None:
        origins.pop()

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    try:
        parser.Parse(div.strip(), True)
    except expat.ExpatError:
        return None
    seen.languages.sort()
    return seen
