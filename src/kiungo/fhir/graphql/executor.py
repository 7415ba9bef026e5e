"""Answers a question: walks resources by their definitions, and reads and searches where it is asked to.

Source: FHIR R4 3.1.4 (GraphQL): fields, list navigation, references, searches, and the four directives.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from graphql.language import FieldNode, SelectionSetNode

from kiungo.fhir.definitions import Element, find_type, get_type, resource_types
from kiungo.fhir.fhirpath import Node, compile, evaluation
from kiungo.fhir.fhirpath.types import OPEN
from kiungo.fhir.fhirpath.types import find_type as fhirpath_type
from kiungo.fhir.fhirpath.values import unwrap
from kiungo.fhir.graphql.document import DEPTH_MAX, Argument, Question, too_costly, wrong
from kiungo.fhir.graphql.introspection import INTROSPECTION, introspected
from kiungo.fhir.graphql.lookups import Lookups, Resource, next_cursor
from kiungo.fhir.graphql.output import Output
from kiungo.fhir.graphql.schema import graphql_name

VALUES_MAX = 100_000
NAVIGATION = frozenset({"fhirpath", "_offset", "_count"})


@dataclass(frozen=True, slots=True)
class _At:
    """Where the walk is: the resource around, how deep, and what flattening hands down."""

    resource: Resource | None
    depth: int = 0
    is_list: bool = False
    suffix: str = ""


class Executor:
    """One question for one caller."""

    def __init__(self, question: Question, lookups: Lookups) -> None:
        self._question = question
        self._lookups = lookups
        self._values = 0

    async def on_system(self) -> dict[str, Any]:
        """The answer of a question about the whole server."""
        output = Output()
        fields = list(self._question.fields(self._question.selections, "Query"))
        # Said before anything is read: the lists together, by what each asks for.
        self._lookups.expect(self._question.arguments(field).get("_count") for field in fields)
        for field in fields:
            name = field.name.value
            if name in resource_types():
                await self._one(field, name, output)
            elif name in INTROSPECTION:
                found = await asyncio.to_thread(introspected, self._question, field)
                output.field(_alias(field), is_list=False, is_singleton=False).append(found)
            elif name == "__typename":
                output.field(_alias(field), is_list=False, is_singleton=False).append("Query")
            elif not await self._searched(field, output, _At(None)):
                raise wrong(
                    f"There is no field {name} at the top", "Write Patient(id:), PatientList or PatientConnection"
                )
        return output.rendered()

    async def on_resource(self, resource: Resource) -> dict[str, Any]:
        """The answer of a question about one resource."""
        output = Output()
        await self._object(resource, resource["resourceType"], self._question.selections, output, _At(resource))
        return output.rendered()

    async def _one(self, field: FieldNode, type_name: str, output: Output) -> None:
        logical_id = self._question.arguments(field).get("id")
        if not isinstance(logical_id, str | int):
            raise wrong(f"{type_name} needs the argument id", f'Write {type_name}(id: "123")')
        resource = await self._lookups.read(type_name, str(logical_id))
        inner = Output()
        output.field(_alias(field), is_list=False, is_singleton=False).append(inner)
        await self._object(resource, type_name, _selected(field), inner, _At(resource, 1))

    async def _searched(self, field: FieldNode, output: Output, at: _At) -> bool:
        """Answer PatientList or PatientConnection; whether the field is one of these."""
        name = field.name.value
        type_name = name.removesuffix("List").removesuffix("Connection")
        if type_name == name or type_name not in resource_types():
            return False
        given = self._question.arguments(field)
        if name.endswith("Connection"):
            await self._connection(field, type_name, given, output, at)
            return True
        bundle = await self._lookups.search(type_name, given, at.resource)
        values = output.field(_alias(field), is_list=True, is_singleton=self._has(field, "singleton"))
        for entry in _matches(bundle):
            inner = Output()
            values.append(inner)
            await self._object(
                entry["resource"], type_name, _selected(field), inner, _At(entry["resource"], at.depth + 1)
            )
            if self._has(field, "first"):
                break
        return True

    async def _connection(
        self, field: FieldNode, type_name: str, given: dict[str, Argument], output: Output, at: _At
    ) -> None:
        names = {inner.name.value for inner in self._question.fields(_selected(field), "Connection")}
        if "count" in names:
            given = {"_total": "accurate", **given}
        bundle = await self._lookups.search(type_name, given, at.resource)
        entries = _matches(bundle)
        plain = {"count": bundle.get("total"), "pagesize": len(entries), "next": next_cursor(bundle), "offset": None}
        made = Output()
        output.field(_alias(field), is_list=False, is_singleton=False).append(made)
        for inner in self._question.fields(_selected(field), "Connection"):
            name = inner.name.value
            if name == "__typename":
                made.field(_alias(inner), is_list=False, is_singleton=False).append(f"{type_name}Connection")
            elif name == "edges":
                await self._edges(inner, type_name, entries, made, at)
            elif name in plain or name in ("first", "previous", "last"):
                value = plain.get(name)
                made.field(_alias(inner), is_list=False, is_singleton=False).extend(
                    [value] if value is not None else []
                )
            else:
                raise wrong(f"A connection has no field {name}", "Use count, pagesize, next and edges")

    async def _edges(self, field: FieldNode, type_name: str, entries: list[Resource], output: Output, at: _At) -> None:
        values = output.field(_alias(field), is_list=True, is_singleton=False)
        for entry in entries:
            edge = Output()
            values.append(edge)
            for inner in self._question.fields(_selected(field), "Edge"):
                name = inner.name.value
                if name == "__typename":
                    edge.field(_alias(inner), is_list=False, is_singleton=False).append(f"{type_name}Edge")
                elif name == "resource":
                    made, resource = Output(), entry["resource"]
                    edge.field(_alias(inner), is_list=False, is_singleton=False).append(made)
                    await self._object(resource, type_name, _selected(inner), made, _At(resource, at.depth + 2))
                elif name in ("mode", "score"):
                    value = entry.get("search", {}).get(name)
                    edge.field(_alias(inner), is_list=False, is_singleton=False).extend([value] if value else [])
                else:
                    raise wrong(f"An edge has no field {name}", "Use mode, score and resource")

    async def _object(
        self, value: Resource, type_name: str, selections: SelectionSetNode | None, output: Output, at: _At
    ) -> None:
        """Put the selected fields of an element or resource into an object."""
        if at.depth > DEPTH_MAX:
            raise too_costly(f"The question goes deeper than {DEPTH_MAX} levels")
        actual = value.get("resourceType", type_name)
        if selections is None:
            raise wrong(f"{actual} has parts, and none is selected", "Name its fields in braces")
        for field in self._question.fields(selections, actual):
            name = field.name.value
            if name in ("resourceType", "__typename"):
                shown = actual if name == "resourceType" else graphql_name(actual)
                output.field(_alias(field), is_list=False, is_singleton=False).append(shown)
            elif name == "resource" and actual == "Reference":
                await self._referred(field, value, output, at)
            elif not (actual in resource_types() and await self._searched(field, output, at)):
                await self._element(field, value, actual, output, at)

    async def _referred(self, field: FieldNode, reference: Resource, output: Output, at: _At) -> None:
        given = self._question.arguments(field)
        root = at.resource or {}
        found = await self._lookups.resolve(reference, root, optional=given.get("optional") is True)
        if found is None or given.get("type") not in (None, found["resourceType"]):
            if not self._has(field, "flatten"):
                output.field(_alias(field) + at.suffix, is_list=at.is_list, is_singleton=self._has(field, "singleton"))
            return
        inner = _At(root if found in root.get("contained", ()) else found, at.depth + 1, at.is_list, at.suffix)
        await self._put(field, [found], found["resourceType"], output, inner, is_list=False)

    async def _element(self, field: FieldNode, value: Resource, type_name: str, output: Output, at: _At) -> None:
        name = field.name.value
        beside = name.startswith("_")
        element, written = _find_element(type_name, name.removeprefix("_"), value)
        if element is None:
            raise wrong(f"{type_name} has no element {name[:60]}", "See its definition in FHIR R4")
        inner_type = "Element" if beside else written[1]
        held = value.get("_" + written[0] if beside else written[0])
        items = list(held) if isinstance(held, list) else [] if held is None else [held]
        items = [item for item in items if item is not None]
        if element.is_list:
            items = self._navigated(field, items, inner_type)
        elif self._question.arguments(field):
            raise wrong(f"{name} is not a list, so it takes no arguments", "Leave them out")
        self._values += len(items)
        if self._values > VALUES_MAX:
            raise too_costly(f"The answer holds more than {VALUES_MAX} values")
        await self._put(field, items, inner_type, output, at, is_list=element.is_list)

    async def _put(
        self, field: FieldNode, items: list[Any], type_name: str, output: Output, at: _At, *, is_list: bool
    ) -> None:
        """Put values under a field's name; flattened, the fields of each go into the object around."""
        directives = self._question.directives(field.directives or ())
        is_flat, is_first = "flatten" in directives, "first" in directives
        slice_path = directives.get("slice", {}).get("path")
        if slice_path is not None and is_first:
            raise wrong("@slice and @first do not go together", "Leave one of them out")
        values: list[Any] | None = None
        many = (is_list and not is_first) or at.is_list
        if not is_flat and slice_path is None:
            values = output.field(_alias(field) + at.suffix, is_list=many, is_singleton="singleton" in directives)
        for number, item in enumerate(items[:1] if is_first else items):
            suffix = at.suffix
            if slice_path is not None:
                suffix += "." + (str(number) if slice_path == "$index" else _text(item, type_name, str(slice_path)))
                if not is_flat:
                    name = _alias(field) + suffix
                    values = output.field(name, is_list=many, is_singleton="singleton" in directives)
            if not isinstance(item, dict):
                _refuse_parts(field, is_flat=is_flat)
                if values is not None:
                    values.append(item)
                continue
            inner = output
            if values is not None:
                inner = Output()
                values.append(inner)
            handed = _At(at.resource, at.depth + 1, is_flat and many, suffix if is_flat else "")
            await self._object(item, type_name, _selected(field), inner, handed)

    def _navigated(self, field: FieldNode, items: list[Any], type_name: str) -> list[Any]:
        """The items of a list that its arguments select: by the value of a child, by FHIRPath, by place."""
        given = self._question.arguments(field)
        for name, wanted in given.items():
            if name in NAVIGATION:
                continue
            if find_type(type_name) is None or _find_element(type_name, name, {})[0] is None:
                raise wrong(f"{field.name.value} takes no argument {name}", "Use the name of one of its children")
            items = [item for item in items if isinstance(item, dict) and _equals(item.get(name), wanted)]
        expression = given.get("fhirpath")
        if isinstance(expression, str):
            items = [item for item in items if _is_true(item, type_name, expression)]
        offset, count = given.get("_offset"), given.get("_count")
        start = offset if isinstance(offset, int) and offset > 0 else 0
        return items[start : start + count] if isinstance(count, int) and count >= 0 else items[start:]

    def _has(self, field: FieldNode, directive: str) -> bool:
        return directive in self._question.directives(field.directives or ())


def _alias(field: FieldNode) -> str:
    return field.alias.value if field.alias is not None else field.name.value


def _selected(field: FieldNode) -> SelectionSetNode | None:
    return field.selection_set


def _matches(bundle: Resource) -> list[Resource]:
    return [e for e in bundle.get("entry", ()) if e.get("search", {}).get("mode") == "match"]


def _find_element(type_name: str, name: str, value: Resource) -> tuple[Element | None, tuple[str, str]]:
    """The element a field names with its JSON name and type; a choice by its stem or by its full name."""
    for element in get_type(type_name).elements:
        for written in element.written():
            if written[0] == name:
                return element, written
        if element.is_choice and element.name[:-3] == name:
            there = next((w for w in element.written() if w[0] in value or "_" + w[0] in value), element.written()[0])
            return element, there
    return None, ("", "")


def _refuse_parts(field: FieldNode, *, is_flat: bool) -> None:
    if is_flat or field.selection_set is not None:
        raise wrong(f"{field.name.value} has no parts", "Leave out the braces and @flatten")


def _equals(value: Any, wanted: Argument) -> bool:
    if isinstance(value, list):
        return any(_equals(item, wanted) for item in value)
    if isinstance(value, bool):
        return value is wanted or str(value).lower() == str(wanted).lower()
    return value is not None and str(value) == str(wanted)


def _node(item: Any, type_name: str) -> Node:
    return Node(item, fhirpath_type(type_name) or OPEN)


def _is_true(item: Any, type_name: str, expression: str) -> bool:
    node = _node(item, type_name)
    return compile(expression).is_true(evaluation(node), node)


def _text(item: Any, type_name: str, path: str) -> str:
    """What a slice is named after. Raises: Incorrect when it is not one value."""
    found = [unwrap(value) for value in compile(path)(_node(item, type_name))]
    if len(found) > 1 or any(isinstance(value, Node) for value in found):
        raise wrong("The path of @slice does not give one value", "Name an element that is there once")
    return str(found[0]) if found else ""
