"""R4's types as a GraphQL schema, for clients that ask what there is (GraphiQL, code generators).

Only introspection reads it; questions are answered by walking the definitions. It is made on the first such question,
from the same definitions, so that what is told and what is answered cannot differ.
Source: GraphQL (October 2021) 4, introspection; FHIR R4 3.1.4.
"""

import re
from functools import cache
from typing import Any

from graphql import (
    DirectiveLocation,
    GraphQLArgument,
    GraphQLArgumentMap,
    GraphQLBoolean,
    GraphQLDirective,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    GraphQLUnionType,
    specified_directives,
)

from kiungo.fhir.definitions import Element, find_type, get_type, resource_types
from kiungo.fhir.indexing.parameters import parameters_of

_SCALARS: dict[str, GraphQLScalarType] = {
    "boolean": GraphQLBoolean,
    "integer": GraphQLInt,
    "positiveInt": GraphQLInt,
    "unsignedInt": GraphQLInt,
    "decimal": GraphQLFloat,
    "id": GraphQLID,
}
_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*").fullmatch
_PAGING = ("_count", "_cursor", "_sort", "_filter", "_total")


@cache
def schema() -> GraphQLSchema:
    """Every resource and datatype with its fields, lists, connections and directives."""
    made = _Types()
    query: dict[str, GraphQLField] = {}
    for name in resource_types():
        query[name] = GraphQLField(
            made.of(name), {"id": GraphQLArgument(GraphQLNonNull(GraphQLID))}, description=f"One {name} by its id."
        )
        query |= made.searches(name)
    directives = [GraphQLDirective(name, [DirectiveLocation.FIELD], args) for name, args in _DIRECTIVES.items()]
    return GraphQLSchema(
        GraphQLObjectType("Query", query), directives=[*specified_directives, *directives], assume_valid=True
    )


_DIRECTIVES: dict[str, GraphQLArgumentMap] = {
    "flatten": {},
    "first": {},
    "singleton": {},
    "slice": {"path": GraphQLArgument(GraphQLNonNull(GraphQLString))},
}


class _Types:
    """The types made so far; fields are made when the schema asks, so that circles end."""

    def __init__(self) -> None:
        self._made: dict[str, GraphQLObjectType] = {}
        self._any: GraphQLUnionType | None = None

    def of(self, type_name: str) -> GraphQLOutputType:
        """The GraphQL type of a FHIR type; `Observation.component` is ObservationComponent."""
        definition = find_type(type_name)
        if type_name == "Resource":
            return self._any_resource()
        if definition is None or definition.is_primitive:
            return _SCALARS.get(type_name, GraphQLString)
        name = graphql_name(type_name)
        if name not in self._made:
            self._made[name] = GraphQLObjectType(name, lambda: self._fields(type_name))
        return self._made[name]

    def _any_resource(self) -> GraphQLUnionType:
        if self._any is None:
            self._any = GraphQLUnionType("Resource", lambda: [self._object(name) for name in resource_types()])
        return self._any

    def _object(self, type_name: str) -> GraphQLObjectType:
        found = self.of(type_name)
        assert isinstance(found, GraphQLObjectType)
        return found

    def _fields(self, type_name: str) -> dict[str, GraphQLField]:
        definition = get_type(type_name)
        found: dict[str, GraphQLField] = {}
        if definition.kind == "R":
            found["resourceType"] = GraphQLField(GraphQLNonNull(GraphQLString))
        for element in definition.elements:
            for name, kind in element.written():
                found |= self._written(element, name, kind)
        if type_name == "Reference":
            given = {"optional": GraphQLArgument(GraphQLBoolean), "type": GraphQLArgument(GraphQLString)}
            found["resource"] = GraphQLField(self._any_resource(), given, description="What the reference leads to.")
        return found

    def _written(self, element: Element, name: str, kind: str) -> dict[str, GraphQLField]:
        """A field, and beside a primitive the one with its id and extensions."""
        found = {name: self._field(element, kind)}
        definition = find_type(kind)
        if definition is not None and definition.is_primitive and kind != "xhtml":
            found["_" + name] = self._field(element, "Element")
        return found

    def _field(self, element: Element, kind: str) -> GraphQLField:
        inner = self.of(kind)
        if not element.is_list:
            return GraphQLField(inner)
        given = {
            "fhirpath": GraphQLArgument(GraphQLString),
            "_offset": GraphQLArgument(GraphQLInt),
            "_count": GraphQLArgument(GraphQLInt),
        }
        definition = find_type(kind)
        if definition is not None and not definition.is_primitive:
            for child in definition.elements:
                given |= {n: GraphQLArgument(GraphQLString) for n, k in child.written() if _is_primitive(k)}
        return GraphQLField(GraphQLList(inner), given)

    def searches(self, type_name: str) -> dict[str, GraphQLField]:
        """The list and the connection of a type, with its search parameters as arguments."""
        names = [name.replace("-", "_") for name in parameters_of(type_name)]
        given = {name: GraphQLArgument(GraphQLList(GraphQLString)) for name in names if _NAME(name)}
        given |= {name: GraphQLArgument(GraphQLString) for name in _PAGING}
        given["_count"] = GraphQLArgument(GraphQLInt)
        return {
            f"{type_name}List": GraphQLField(GraphQLList(self.of(type_name)), given),
            f"{type_name}Connection": GraphQLField(self._connection(type_name), given),
        }

    def _connection(self, type_name: str) -> GraphQLObjectType:
        edge: dict[str, Any] = {
            "mode": GraphQLField(GraphQLString),
            "score": GraphQLField(GraphQLFloat),
            "resource": GraphQLField(self.of(type_name)),
        }
        links = {name: GraphQLField(GraphQLString) for name in ("first", "previous", "next", "last")}
        return GraphQLObjectType(
            f"{type_name}Connection",
            {
                "count": GraphQLField(GraphQLInt),
                "offset": GraphQLField(GraphQLInt),
                "pagesize": GraphQLField(GraphQLInt),
                "edges": GraphQLField(GraphQLList(GraphQLObjectType(f"{type_name}Edge", edge))),
                **links,
            },
        )


def graphql_name(type_name: str) -> str:
    """The name of a FHIR type in GraphQL, which has no dots."""
    return "".join(part[:1].upper() + part[1:] for part in type_name.split("."))


def _is_primitive(kind: str) -> bool:
    definition = find_type(kind)
    return definition is not None and definition.is_primitive
