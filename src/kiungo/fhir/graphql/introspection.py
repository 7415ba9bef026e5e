"""What a client asks about the schema itself: answered from the schema of R4's types, bounded, and remembered.

The whole schema is nine megabytes, so that each list of it may be asked for once or twice, and a list of fields not
inside another one.
"""

from collections import Counter
from functools import lru_cache
from typing import Any

from graphql import NoUnusedVariablesRule, execute_sync, specified_rules, validate
from graphql.language import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    parse,
    print_ast,
)

from kiungo.fhir.graphql.document import Question, too_costly, wrong
from kiungo.fhir.graphql.schema import schema
from kiungo.kernel import json

INTROSPECTION = frozenset({"__schema", "__type"})
# Lists whose members have such lists again: one inside another is the whole schema squared.
_MEMBERS = frozenset({"fields", "inputFields", "interfaces", "possibleTypes"})
_COUNTED = _MEMBERS | {"types", "args", "enumValues", "directives"}
EACH_MAX, OF_ONE_TYPE_MAX = 2, 40
STEPS_MAX, VISITED_MAX = 30, 4_000
KEPT = 2  # nine megabytes each, when the whole schema is asked for
# The other fields of the question use the other variables.
_RULES = tuple(rule for rule in specified_rules if rule is not NoUnusedVariablesRule)


def introspected(question: Question, field: FieldNode) -> Any:
    """The answer of one `__schema` or `__type` field. Raises: Incorrect GRAPHQL_WRONG, GRAPHQL_TOO_COSTLY."""
    used: dict[str, FragmentDefinitionNode] = {}
    counted: Counter[str] = Counter()
    _survey(question, field.selection_set, (0, False), counted, used)
    most = EACH_MAX if counted["types"] else OF_ONE_TYPE_MAX
    if counted["types"] > 1 or any(counted[name] > most for name in _COUNTED):
        raise too_costly("The question asks for lists of the schema again and again")
    operation = OperationDefinitionNode(
        operation=OperationType.QUERY,
        name=None,
        variable_definitions=question.defined,
        directives=(),
        selection_set=SelectionSetNode(selections=(field,)),
    )
    text = print_ast(DocumentNode(definitions=(operation, *used.values())))
    found = json.loads(_answered(text, json.dumps(dict(question.variables))))
    if "error" in found:
        raise wrong(found["error"], "See the introspection part of the GraphQL specification")
    return found["value"]


@lru_cache(maxsize=KEPT)
def _answered(text: str, variables: bytes) -> bytes:
    """The answer as JSON; clients ask the same few questions again and again."""
    document = parse(text)
    errors = validate(schema(), document, _RULES, max_errors=1)
    if errors:
        return json.dumps({"error": errors[0].message[:200]})
    result = execute_sync(schema(), document, variable_values=json.loads(variables))
    if result.errors:
        return json.dumps({"error": result.errors[0].message[:200]})
    return json.dumps({"value": next(iter((result.data or {"": None}).values()))})


def _survey(
    question: Question,
    selections: SelectionSetNode | None,
    at: tuple[int, bool],
    counted: Counter[str],
    used: dict[str, FragmentDefinitionNode],
) -> None:
    """Count the lists that are asked for, fragments followed.

    Shapes: `at` is (steps down, inside a list of members); "" counts every selection.
    """
    steps, is_inside = at
    counted[""] += 1
    if steps > STEPS_MAX or counted[""] > VISITED_MAX:
        raise too_costly(f"The question about the schema goes deeper than {STEPS_MAX} levels, or has too many parts")
    for one in selections.selections if selections is not None else ():
        inner, inside = getattr(one, "selection_set", None), is_inside
        if isinstance(one, FragmentSpreadNode):
            fragment = question.fragments.get(one.name.value)
            if fragment is None:
                raise wrong(f"There is no fragment {one.name.value}", "Define it, or correct its name")
            used[one.name.value] = fragment
            inner = fragment.selection_set
        elif isinstance(one, FieldNode):
            name = one.name.value
            counted[name] += name in _COUNTED
            if name in _MEMBERS:
                if is_inside:
                    raise too_costly(f"The question asks for {name} inside other lists of the schema's members")
                inside = True
        elif not isinstance(one, InlineFragmentNode):
            raise wrong("A selection is neither a field nor a fragment", "Write a field")
        _survey(question, inner, (steps + 1, inside), counted, used)
