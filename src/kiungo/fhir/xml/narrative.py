"""Narrative: XHTML in one canonical form, from a string in JSON or from inside a document.

The string is parsed, never pasted: a narrative that closes more than it opened would otherwise write FHIR elements.
Source: FHIR R4 2.4.0 (narrative).
"""

import re
from collections.abc import Mapping
from html.entities import html5
from xml.parsers import expat

from kiungo.fhir.xml.table import XHTML

XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
DEPTH_MAX = 200
# Those that HTML knows without content; any other empty element gets an end tag, which every browser understands.
VOID = frozenset({"br", "hr", "img", "col", "area"})
_NAMED = re.compile(r"&([A-Za-z][A-Za-z0-9]*;)")
_XML_OWN = frozenset({"amp;", "lt;", "gt;", "quot;", "apos;"})


class NarrativeWrong(Exception):
    """The narrative is not one well-formed XHTML element; the message says why."""


class Narrative:
    """Writes XHTML from a parser's events. Shapes: names are `namespace local`, as expat gives them."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._open: list[str] = []

    @property
    def is_complete(self) -> bool:
        """Whether the outermost element has ended."""
        return not self._open

    @property
    def text(self) -> str:
        """What was written."""
        return "".join(self._parts)

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins. Raises: NarrativeWrong."""
        namespace, _, local = name.rpartition(" ")
        if namespace != XHTML:
            raise NarrativeWrong(f"<{local}> is not an element of XHTML")
        if len(self._open) == DEPTH_MAX:
            raise NarrativeWrong(f"elements nest deeper than {DEPTH_MAX}")
        written = "".join(f' {_attribute_name(key)}="{escaped(value)}"' for key, value in attributes.items())
        declared = "" if self._open else f' xmlns="{XHTML}"'
        self._parts.append(f"<{local}{declared}{written}" + ("/>" if local in VOID else ">"))
        self._open.append(local)

    def end(self) -> None:
        """The innermost element ends."""
        local = self._open.pop()
        if local not in VOID:
            self._parts.append(f"</{local}>")

    def characters(self, data: str) -> None:
        """Text between elements. Raises: NarrativeWrong."""
        if self._open[-1] in VOID:
            raise NarrativeWrong(f"<{self._open[-1]}> has content")
        self._parts.append(data.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def canonical(text: str) -> str:
    """The XHTML of a JSON string, parsed and written again. Raises: NarrativeWrong."""
    narrative = Narrative()
    parser = expat.ParserCreate("UTF-8", namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = narrative.start
    parser.EndElementHandler = lambda _: narrative.end()
    parser.CharacterDataHandler = lambda data: None if narrative.is_complete else narrative.characters(data)
    try:
        parser.Parse(_with_namespace(_NAMED.sub(_character, text.strip())).encode(), True)
    except (expat.ExpatError, UnicodeEncodeError) as error:
        raise NarrativeWrong(f"is not well-formed XHTML ({error})") from None
    if not narrative.text.startswith("<div "):
        raise NarrativeWrong("must be one XHTML div element")
    return narrative.text


def escaped(value: str) -> str:
    """A value between double quotes; white space is kept as it is."""
    if not value.isprintable():
        value = value.replace("&", "&amp;").replace("\t", "&#9;").replace("\n", "&#10;").replace("\r", "&#13;")
    else:
        value = value.replace("&", "&amp;")
    return value.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _with_namespace(text: str) -> str:
    """JSON often leaves out what XML needs: the outermost element's namespace."""
    head, end, rest = text.partition(">")
    if not end or "xmlns" in head:
        return text
    name = re.match(r"<\w+", head)
    return f'{name[0]} xmlns="{XHTML}"{head[name.end() :]}>{rest}' if name else text


def _character(found: re.Match[str]) -> str:
    """HTML's named characters mean nothing in XML, which names only five."""
    return found[0] if found[1] in _XML_OWN else html5.get(found[1], found[0])


def _attribute_name(name: str) -> str:
    namespace, _, local = name.rpartition(" ")
    if namespace and namespace != XML_NAMESPACE:
        raise NarrativeWrong(f"the attribute {local!r} is not one of XHTML")
    return f"xml:{local}" if namespace else local


def _refuse_doctype(*_: object) -> None:
    raise NarrativeWrong("has a document type declaration")
