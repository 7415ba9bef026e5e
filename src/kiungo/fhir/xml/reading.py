"""From XML to a resource as a dict: one pass of expat over the document, the type table beside it.

Order, names, repetitions and the form of each value are checked here, where the line is known; everything else is
checked by validation, as for JSON.
"""

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any
from xml.parsers import expat

from kiungo.base.errors import Incorrect
from kiungo.fhir.xml.narrative import Narrative, NarrativeWrong
from kiungo.fhir.xml.problems import malformed, wrong
from kiungo.fhir.xml.table import FHIR, XHTML, Child, Form, children_of, is_resource
from kiungo.fhir.xml.values import value_of

DEPTH_MAX = 64
_SCHEMA_LOCATION = "http://www.w3.org/2001/XMLSchema-instance schemaLocation"
_XHTML_DIV = f"{XHTML} div"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an element begins. Units: both count from 1."""

    line: int
    column: int


def from_xml(body: bytes, *, in_order: bool = True) -> dict[str, Any]:
    """The resource of a document, as JSON would have been parsed: numbers are int, or Decimal with their digits.

    FHIR fixes the order of elements; `in_order=False` takes documents that do not keep it.
    Raises: Incorrect FHIR_XML_MALFORMED, FHIR_XML_WRONG, each with line and column.
    """
    return _Reader(in_order).read(body)


def places_of(body: bytes) -> dict[str, Place]:
    """Where each element begins, by paths such as Patient.name[0].given[1]. Raises: as `from_xml`."""
    reader = _Reader(in_order=False)
    reader.read(body)
    return reader.places


@dataclass(slots=True)
class _Frame:
    """An element that has begun and not ended."""

    form: Form
    type: str
    path: str
    child: Child | None
    node: dict[str, Any] = field(default_factory=dict)
    value: Any = None
    position: int = -1
    positions: set[int] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)


class _Reader:
    def __init__(self, in_order: bool) -> None:
        self._in_order = in_order
        self.places: dict[str, Place] = {}
        self._frames: list[_Frame] = []
        self._narrative: Narrative | None = None
        self._whole: dict[str, Any] = {}
        parser = self._parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters

    def read(self, body: bytes) -> dict[str, Any]:
        try:
            self._parser.Parse(body, True)
        except expat.ExpatError as error:
            raise malformed(error.lineno, error.offset + 1, expat.ErrorString(error.code)) from None
        except NarrativeWrong as error:
            raise self._wrong(self._frames[-1].path, f"the narrative is wrong: {error}") from None
        except (ValueError, LookupError):  # an encoding that expat does not know
            raise malformed(1, 1, "the encoding is not known") from None
        return self._whole

    def _doctype(self, *_: object) -> None:
        raise malformed(*self._now(), "a document type declaration is not allowed")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if self._narrative is not None:
            self._narrative.start(tag, attributes)
            return
        namespace, _, name = tag.rpartition(" ")
        if len(self._frames) == DEPTH_MAX:
            raise self._wrong(self._frames[-1].path, f"elements nest deeper than {DEPTH_MAX}")
        parent = self._frames[-1] if self._frames else None
        if parent is None or parent.form == "resource":
            self._frames.append(self._resource(parent, namespace, name, attributes))
            return
        child = self._child(parent, tag, name)
        if child.form == "xhtml":
            self._narrative = Narrative()
            self._narrative.start(tag, attributes)
            self._begin(parent, child)
            return
        frame = self._begin(parent, child)
        self._attributes(frame, attributes)

    def _resource(self, parent: _Frame | None, namespace: str, name: str, attributes: dict[str, str]) -> _Frame:
        """A resource's own element, within the element that holds it or as the document."""
        path = parent.path if parent else name
        if namespace != FHIR or not is_resource(name):
            hint = f'Begin with a resource type of R4, such as <Patient xmlns="{FHIR}">'
            raise self._wrong(path, f"<{name}> is not a resource of FHIR", hint)
        if parent is not None:
            if parent.node:
                raise self._wrong(path, f"a second resource, <{name}>")
            parent.node = {"resourceType": name}
        else:
            self._whole = {"resourceType": name}
        frame = _Frame("complex", name, path, None, parent.node if parent else self._whole)
        self._attributes(frame, attributes)
        self.places.setdefault(path, Place(*self._now()))
        return frame

    def _child(self, parent: _Frame, tag: str, name: str) -> Child:
        """Which child of its parent an element is; each in its order, and once unless it repeats."""
        table = children_of(parent.type)
        child = table.get(name)
        expected = _XHTML_DIV if child and child.form == "xhtml" else f"{FHIR} {name}"
        if child is None or child.form == "attribute" or tag != expected:
            near = get_close_matches(name, [other for other in table if other != name], 1)
            hint = f"Did you mean {near[0]}?" if near else None
            raise self._wrong(parent.path, f"<{name}> is not an element of {parent.type}", hint)
        if self._in_order and child.position < parent.position:
            raise self._wrong(parent.path, f"<{name}> is out of order: it belongs before what went ahead of it")
        if child.position in parent.positions and name not in parent.lists:
            raise self._wrong(parent.path, f"<{name}> is there more than once")
        parent.position = child.position
        parent.positions.add(child.position)
        return child

    def _begin(self, parent: _Frame, child: Child) -> _Frame:
        path = f"{parent.path}.{child.name}"
        if child.is_list:
            values = parent.node.setdefault(child.name, [])
            path += f"[{len(values)}]"
            parent.lists.add(child.name)
        frame = _Frame(child.form, child.type, path, child)
        self._frames.append(frame)
        self.places[path] = Place(*self._now())
        return frame

    def _attributes(self, frame: _Frame, attributes: dict[str, str]) -> None:
        for name, text in attributes.items():
            if name == "value" and frame.form == "primitive":
                try:
                    frame.value = value_of(frame.type, text)
                except (ValueError, Incorrect) as error:
                    raise self._wrong(frame.path, f"value {error}") from None
                continue
            known = children_of(frame.type).get(name) if frame.form != "resource" else None
            if known is not None and known.form == "attribute":
                if not text:
                    raise self._wrong(f"{frame.path}.{name}", f"{name} must not be empty")
                frame.node[name] = text
            elif name != _SCHEMA_LOCATION:
                raise self._wrong(frame.path, f"{name.rpartition(' ')[2]!r} is not an attribute here")

    def _end(self, _: str) -> None:
        if self._narrative is not None:
            self._narrative.end()
            if not self._narrative.is_complete:
                return
            self._frames[-1].value = self._narrative.text
            self._narrative = None
        frame = self._frames.pop()
        for name in frame.lists:
            _tidy(frame.node, name)
        if frame.child is None:
            return
        if frame.value is None and not frame.node:
            raise self._wrong(frame.path, "the element is empty", "Give it a value or leave it out")
        parent = self._frames[-1].node
        if frame.form == "primitive":
            _put_primitive(parent, frame, frame.child)
        else:
            found = frame.value if frame.form == "xhtml" else frame.node
            if frame.child.is_list:
                parent[frame.child.name].append(found)
            else:
                parent[frame.child.name] = found

    def _characters(self, data: str) -> None:
        if self._narrative is not None:
            self._narrative.characters(data)
        elif not data.isspace():
            path = self._frames[-1].path if self._frames else ""
            raise self._wrong(path, "text between elements; values are attributes")

    def _now(self) -> tuple[int, int]:
        return self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1

    def _wrong(self, path: str, what: str, hint: str | None = None) -> Incorrect:
        return wrong(*self._now(), path, what, hint)


def _put_primitive(parent: dict[str, Any], frame: _Frame, child: Child) -> None:
    """A value beside its id and extensions: in a list both lists have the same length until the parent ends."""
    if child.is_list:
        parent[child.name].append(frame.value)
        parent.setdefault("_" + child.name, []).append(frame.node or None)
        return
    if frame.value is not None:
        parent[child.name] = frame.value
    if frame.node:
        parent["_" + child.name] = frame.node


def _tidy(node: dict[str, Any], name: str) -> None:
    """A list that says nothing is not written."""
    for key in (name, "_" + name):
        if key in node and all(one is None for one in node[key]):
            del node[key]
