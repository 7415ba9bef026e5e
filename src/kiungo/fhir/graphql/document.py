"""A GraphQL document, parsed: the one operation that is asked for, its fragments and the values of its variables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError, parse
from graphql.language import (
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    EnumValueNode,
    FieldNode,
    FloatValueNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
)

from kiungo.base.errors import Incorrect, define

GRAPHQL_WRONG = define("GRAPHQL_WRONG", Incorrect, "A GraphQL document cannot be understood or answered.")
GRAPHQL_TOO_COSTLY = define(
    "GRAPHQL_TOO_COSTLY", Incorrect, "A GraphQL question asks for more than one answer may cost.", http=422
)
TOKENS_MAX = 4_000
DEPTH_MAX = 15
DIRECTIVES = frozenset({"flatten", "first", "singleton", "slice", "include", "skip"})
Argument = str | int | float | bool | None | list[Any]


@dataclass(frozen=True, slots=True)
class Question:
    """One query to be answered."""

    selections: SelectionSetNode
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]
    defined: tuple[VariableDefinitionNode, ...] = ()

    def fields(self, selections: SelectionSetNode | None, type_name: str) -> Iterator[FieldNode]:
        """The fields of a selection that apply to a type, those of its fragments included."""
        yield from self._fields(selections, type_name, 0)

    def _fields(self, selections: SelectionSetNode | None, type_name: str, depth: int) -> Iterator[FieldNode]:
        if depth > DEPTH_MAX:
            raise wrong("The fragments refer to each other too deeply", "Break the circle")
        for selection in selections.selections if selections is not None else ():
            directives = self.directives(selection.directives or ())
            if directives.get("skip", {}).get("if") is True or directives.get("include", {}).get("if") is False:
                continue
            if isinstance(selection, FieldNode):
                yield selection
                continue
            inner: FragmentDefinitionNode | InlineFragmentNode
            if isinstance(selection, FragmentSpreadNode):
                found = self.fragments.get(selection.name.value)
                if found is None:
                    raise wrong(f"There is no fragment {selection.name.value}", "Define it, or correct its name")
                inner = found
            elif isinstance(selection, InlineFragmentNode):
                inner = selection
            else:
                raise wrong("A selection is neither a field nor a fragment", "Write a field")
            condition = inner.type_condition.name.value if inner.type_condition is not None else type_name
            if condition in (type_name, "Resource", "DomainResource", "Element"):
                yield from self._fields(inner.selection_set, type_name, depth + 1)

    def arguments(self, field: FieldNode) -> dict[str, Argument]:
        """The arguments of a field, variables filled in."""
        return {a.name.value: self._value(a.value) for a in field.arguments or ()}

    def directives(self, given: "tuple[DirectiveNode, ...] | list[DirectiveNode]") -> dict[str, dict[str, Argument]]:
        """The directives by name with their arguments. Raises: Incorrect for an unknown one."""
        found = {}
        for directive in given:
            name = directive.name.value
            if name not in DIRECTIVES:
                raise wrong(f"There is no directive @{name}", f"Use one of {', '.join(sorted(DIRECTIVES))}")
            found[name] = {a.name.value: self._value(a.value) for a in directive.arguments or ()}
        return found

    def _value(self, node: ValueNode) -> Argument:
        if isinstance(node, VariableNode):
            if node.name.value not in self.variables:
                raise wrong(f"The variable ${node.name.value} has no value", "Send it in variables")
            value: Argument = self.variables[node.name.value]
            return value
        if isinstance(node, ListValueNode):
            return [self._value(item) for item in node.values]
        if isinstance(node, IntValueNode):
            return int(node.value)
        if isinstance(node, FloatValueNode):
            return str(node.value)  # as it was written: search values are texts
        if isinstance(node, StringValueNode | EnumValueNode | BooleanValueNode):
            return node.value
        if isinstance(node, NullValueNode):
            return None
        raise wrong("An argument is an object, which no FHIR argument is", "Write a text, number or list")


def read_question(text: str, operation: str | None, variables: Mapping[str, Any]) -> Question:
    """The query of a document. Raises: Incorrect GRAPHQL_WRONG with line and column."""
    try:
        document = parse(text, max_tokens=TOKENS_MAX, no_location=False)
    except (GraphQLError, RecursionError) as error:
        place = error.locations[0] if isinstance(error, GraphQLError) and error.locations else None
        at = f" (line {place.line}, column {place.column})" if place else ""
        message = error.message if isinstance(error, GraphQLError) else "it nests too deeply"
        raise wrong(f"The document is not GraphQL{at}: {message[:200]}", "Correct it at this place") from None
    chosen = _operation(document, operation)
    if chosen.operation is not OperationType.QUERY:
        raise wrong("Only queries are answered", "Change resources with the REST API")
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    held = dict(variables)
    question = Question(chosen.selection_set, fragments, held, tuple(chosen.variable_definitions or ()))
    for defined in chosen.variable_definitions or ():
        name = defined.variable.name.value
        if name not in held and defined.default_value is not None:
            held[name] = question._value(defined.default_value)
        elif name not in held and getattr(defined.type, "kind", "") != "non_null_type":
            held[name] = None
    return question


def _operation(document: DocumentNode, wanted: str | None) -> OperationDefinitionNode:
    found = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    if wanted is not None:
        found = [d for d in found if d.name is not None and d.name.value == wanted]
    if len(found) != 1:
        raise wrong("The document does not have exactly one query of that name", "Name it in operationName")
    return found[0]


def wrong(problem: str, hint: str, field: str = "query") -> Incorrect:
    """The refusal of a question."""
    return Incorrect(GRAPHQL_WRONG, problem, field=field, hint=hint)


def too_costly(problem: str) -> Incorrect:
    """The refusal of a question that asks for too much."""
    return Incorrect(GRAPHQL_TOO_COSTLY, problem, field="query", hint="Ask for less: fewer levels, _count, or filters")
