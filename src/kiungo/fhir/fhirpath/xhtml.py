"""Narrative rules txt-1 and txt-2: only the allowed elements and attributes, and something to read.

Source: FHIR R4 2.4.2 (narrative).
"""

from xml.parsers import expat

_ELEMENTS = """
a abbr acronym address b bdo big blockquote br caption center cite code col colgroup dd del dfn dir div dl dt em
font h1 h2 h3 h4 h5 h6 hr i img ins kbd li map area ol p pre q s samp small span strike strong sub sup table tbody
td tfoot th thead tr tt u ul var
"""
_ATTRIBUTES = """
title style class id lang xml:lang dir accesskey tabindex span width align valign char charoff abbr axis headers
scope rowspan colspan cellpadding cellspacing border frame rules summary href name rel rev charset hreflang type
cite src alt longdesc height usemap ismap shape coords noshade compact start value face color size nowrap
bgcolor xmlns datetime clear
"""
ELEMENTS = frozenset(_ELEMENTS.split())
ATTRIBUTES = frozenset(_ATTRIBUTES.split())
XHTML = "http://www.w3.org/1999/xhtml"
DEPTH_MAX = 100


def is_safe_narrative(text: str) -> bool:
    """Whether a narrative is well-formed XHTML with nothing active in it, and with text or an image to see."""
    checker = _Checker()
    try:
        checker.read(text)
    except (expat.ExpatError, ValueError):
        return False
    return checker.shows_something


class _Checker:
    def __init__(self) -> None:
        self.shows_something = False
        self._depth = 0

    def read(self, text: str) -> None:
        """Raises: ExpatError, ValueError for what is not allowed."""
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._doctype
        parser.ProcessingInstructionHandler = self._doctype
        parser.Parse(text, True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEPTH_MAX or name not in ELEMENTS or (self._depth == 1 and name != "div"):
            raise ValueError(name)
        if self._depth == 1 and attributes.get("xmlns", XHTML) != XHTML:
            raise ValueError(name)
        for attribute, value in attributes.items():
            plain = value.strip().lower()
            if attribute not in ATTRIBUTES or plain.startswith(("javascript:", "vbscript:")):
                raise ValueError(attribute)
        if name == "img":
            self.shows_something = True

    def _end(self, name: str) -> None:
        self._depth -= 1

    def _text(self, text: str) -> None:
        if text.strip():
            self.shows_something = True

    def _doctype(self, *given: object) -> None:
        raise ValueError("declarations and instructions are not allowed")
