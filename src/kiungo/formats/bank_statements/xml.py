"""XML as a small tree, read without trust: no document type, no entities, limits on size, depth and count.

Names are local names: banks send the same message under a dozen namespaces, one for each version.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat  # the tree builders of the library cannot refuse a document type
from xml.sax.saxutils import escape, quoteattr

from kiungo.formats.bank_statements.model import malformed

BYTES_MAX = 50_000_000
DEPTH_MAX = 40
ELEMENTS_MAX = 2_000_000


@dataclass(slots=True)
class Element:
    """One element: its local name, namespace, attributes, text and children in order."""

    name: str
    namespace: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def all(self, path: str) -> Iterator["Element"]:
        """Every element at a path of local names, such as "Ntry/NtryDtls/TxDtls"."""
        first, _, rest = path.partition("/")
        for child in self.children:
            if child.name == first:
                if rest:
                    yield from child.all(rest)
                else:
                    yield child

    def find(self, path: str) -> "Element | None":
        """The first element at a path, or None."""
        return next(self.all(path), None)

    def value(self, path: str) -> str:
        """The text of the first element at a path, or nothing."""
        found = self.find(path)
        return found.text.strip() if found is not None else ""


def parse(body: bytes, standard: str) -> Element:
    """Read a document. Raises: Incorrect BANK_FILE_MALFORMED."""
    if len(body) > BYTES_MAX:
        raise malformed(standard, f"it has more than {BYTES_MAX} bytes")
    builder = _Builder(standard)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.characters
    parser.StartDoctypeDeclHandler = builder.refuse
    parser.EntityDeclHandler = builder.refuse
    parser.ExternalEntityRefHandler = builder.refuse
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise malformed(standard, f"its XML breaks at line {error.lineno}") from None
    except (LookupError, ValueError):
        raise malformed(standard, "its XML names an encoding nobody knows") from None
    return builder.root


def render(root: Element) -> bytes:
    """Write a document in UTF-8, indented; the namespace stands on the root."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    _write(root, lines, 0, root.namespace)
    return ("\n".join(lines) + "\n").encode()


def node(name: str, *content: "Element | str | None", currency: str = "") -> Element:
    """An element of parts: text, or elements in order; None is left out. `currency` is the one attribute we write."""
    made = Element(name, attributes={"Ccy": currency} if currency else {})
    for part in content:
        if isinstance(part, Element):
            made.children.append(part)
        elif part is not None:
            made.text += part
    return made


class _Builder:
    def __init__(self, standard: str) -> None:
        self._standard = standard
        self._open: list[Element] = []
        self._count = 0
        self.root = Element("")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > ELEMENTS_MAX or len(self._open) >= DEPTH_MAX:
            raise malformed(self._standard, "it nests too deep or has too many elements")
        namespace, _, local = name.rpartition(" ")
        element = Element(local, namespace, attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def characters(self, text: str) -> None:
        self._open[-1].text += text

    def refuse(self, *_said: Any) -> int:
        raise malformed(self._standard, "it declares a document type or entities, which no bank needs")


def _write(element: Element, lines: list[str], depth: int, namespace: str) -> None:
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in element.attributes.items())
    if depth == 0 and namespace:
        attributes = f" xmlns={quoteattr(namespace)}{attributes}"
    indent = "  " * depth
    if element.children:
        lines.append(f"{indent}<{element.name}{attributes}>")
        for child in element.children:
            _write(child, lines, depth + 1, namespace)
        lines.append(f"{indent}</{element.name}>")
    else:
        lines.append(f"{indent}<{element.name}{attributes}>{escape(element.text)}</{element.name}>")
