"""Narrative: XHTML of the allowed elements only, nothing active, something to read, links that lead somewhere.

Source: FHIR R4 2.4.0 (Narrative), invariants txt-1 and txt-2.
"""

import re
from html.entities import html5
from typing import Any
from xml.parsers import expat

from kiungo.fhir.profiles.findings import At, Json
from kiungo.fhir.profiles.run import Run

NESTED_MAX = 200
_ELEMENTS = """
    div p br hr h1 h2 h3 h4 h5 h6 a span b em i strong small big tt dfn q var abbr acronym cite blockquote address
    bdo img ul ol li dl dt dd table caption thead tbody tfoot tr th td col colgroup pre code samp kbd sub sup ins del
    map area
"""
_ATTRIBUTES = """
    id title style class lang dir accesskey tabindex span width height align valign char charoff abbr axis headers
    scope rowspan colspan cellpadding cellspacing border frame rules summary name href hreflang rel rev charset type
    shape coords src alt longdesc usemap ismap cite datetime start value compact nowrap xml:lang xml:space xmlns bgcolor
    clear noshade size data-fhir-source
"""
ELEMENTS = frozenset(_ELEMENTS.split())
ATTRIBUTES = frozenset(_ATTRIBUTES.split())
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_PLAIN = frozenset({"amp", "lt", "gt", "quot", "apos"})


def check_narrative(o: Json, at: At, run: Run) -> None:
    """Judge `div`; what is no XHTML at all is said by the structural validator."""
    div = o.get("div")
    if div.__class__ is not str or not div.strip().startswith("<div"):
        return
    where: At = (at, "div", -1)
    reader = _Reader(run, where)
    reader.read(div)


class _Reader:
    """Reads one div; each thing wrong is noted once."""

    def __init__(self, run: Run, at: At) -> None:
        self._run = run
        self._at = at
        self._depth = 0
        self._has_content = False
        self._said: set[str] = set()
        self._links: list[str] = []
        self._anchors: set[str] = set()

    def read(self, text: str) -> None:
        """Parse, and note what is wrong."""
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            self._say("invariant", "declares entities or a document type, which a narrative must not", "txt-1")
            return
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        try:
            parser.Parse(_ENTITY.sub(_numbered, text.strip()), True)
        except expat.ExpatError as error:
            self._say(
                "invalid", f"is not well-formed XHTML: {expat.errors.messages.get(error.code, 'broken')}", "txt-1"
            )
            return
        if not self._has_content:
            self._say("invariant", "has nothing to read", "txt-2")
        for link in self._links:
            if link and link not in self._anchors and not _has_id(self._run.scope.root, link):
                self._say("invalid", f"links to #{link[:60]}, which is nowhere in the resource", "")

    def _say(self, code: str, message: str, rule: str) -> None:
        if message not in self._said:
            self._said.add(message)
            self._run.error(code, self._at, message, rule)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1 and attributes.get("xmlns") != "http://www.w3.org/1999/xhtml":
            self._say(
                "invariant",
                'is not in the namespace of XHTML: begin with <div xmlns="http://www.w3.org/1999/xhtml">',
                "txt-1",
            )
        if name not in ELEMENTS:
            self._say("invariant", f"holds the element {name[:40]}, which a narrative must not", "txt-1")
        if name == "img":
            self._has_content = True
        self._anchors.update(attributes[key] for key in ("id", "name") if key in attributes)
        if name == "a" and attributes.get("href", "").startswith("#"):
            self._links.append(attributes["href"][1:])
        for key, value in attributes.items():
            if key not in ATTRIBUTES and not key.startswith("xmlns"):
                self._say(
                    "invariant", f"holds the attribute {key[:40]} on {name[:40]}, which a narrative must not", "txt-1"
                )
            if key in {"href", "src"} and value.strip().lower().startswith(("javascript:", "vbscript:")):
                self._say("invariant", "holds a link that runs a script", "txt-1")

    def _end(self, _name: str) -> None:
        self._depth -= 1

    def _text(self, data: str) -> None:
        if data.strip():
            self._has_content = True


def _has_id(value: Json, wanted: str) -> bool:
    """Whether the resource, anything contained in it or any of its elements has this id."""
    stack: list[Any] = [value]
    while stack:
        one = stack.pop()
        if one.__class__ is dict:
            if one.get("id") == wanted:
                return True
            stack.extend(one.values())
        elif one.__class__ is list:
            stack.extend(one)
    return False


def _numbered(match: "re.Match[str]") -> str:
    """A named entity of HTML as a number: XML itself knows only five."""
    name = match[1]
    if name in _PLAIN:
        return match[0]
    found = html5.get(name + ";")
    return "".join(f"&#{ord(c)};" for c in found) if found else match[0]
