"""What views add to FHIRPath: getResourceKey and getReferenceKey, and a join that makes a text of nothing too.

A key is `Type/id`, so that it is the same from both sides, and joins the rows of one view with those of another.
Source: SQL on FHIR v2.0, additional functions.
"""

from dataclasses import replace
from typing import Any

from kiungo.fhir.definitions import resource_types
from kiungo.fhir.fhirpath import Expression
from kiungo.fhir.fhirpath.compiler import compiled
from kiungo.fhir.fhirpath.errors import senseless
from kiungo.fhir.fhirpath.functions import FUNCTIONS
from kiungo.fhir.fhirpath.functions.registry import Arguments, Step, function
from kiungo.fhir.fhirpath.run import Run
from kiungo.fhir.fhirpath.syntax import Call, Expr, Literal, Member, Path
from kiungo.fhir.fhirpath.values import Collection, Node, Value, unwrap
from kiungo.fhir.indexing.values import split_reference


@function("getResourceKey")
def _resource_key(arguments: Arguments) -> Step:
    def step(_run: Run, items: Collection, _this: Collection) -> Collection:
        return [key for item in items if (key := _key_of(item)) is not None]

    return step


@function("getReferenceKey", 0, 1)
def _reference_key(arguments: Arguments) -> Step:
    wanted = _type_name(arguments[0].tree) if arguments else ""

    def step(_run: Run, items: Collection, _this: Collection) -> Collection:
        found: Collection = []
        for item in items:
            parts = split_reference(_reference_text(item))
            if parts is not None and wanted in ("", parts[1]):
                found.append(f"{parts[1]}/{parts[2]}")
        return found

    return step


# No expression can spell this name, so only views reach the function.
JOIN = "join of a view"


@function(JOIN, 0, 1)
def _join(arguments: Arguments) -> Step:
    usual: Any = FUNCTIONS["join"].build(arguments)

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        return usual(run, items, this) or [""]

    return step


def for_views(expression: Expression) -> Expression:
    """The expression with the join of views: there, a cell of nothing joined is an empty text, not null."""
    if "join" not in expression.text:
        return expression
    return Expression(expression.text, compiled(_renamed(expression.tree)))


def _renamed(tree: Any) -> Any:
    if isinstance(tree, tuple):
        return tuple(_renamed(part) for part in tree)
    if not hasattr(tree, "__dataclass_fields__"):
        return tree
    made = replace(tree, **{name: _renamed(getattr(tree, name)) for name in tree.__dataclass_fields__})
    return replace(made, name=JOIN) if isinstance(made, Call) and made.name == "join" else made


def _key_of(item: Value) -> str | None:
    if not isinstance(item, Node) or not isinstance(item.value, dict) or not item.type.is_resource:
        return None
    logical_id = item.value.get("id")
    return f"{item.value.get('resourceType')}/{logical_id}" if logical_id is not None else None


def _reference_text(item: Value) -> str:
    if isinstance(item, Node) and isinstance(item.value, dict):
        return str(item.value.get("reference", ""))
    plain = unwrap(item)  # a canonical or uri is a reference by itself
    return plain if isinstance(plain, str) else ""


def _type_name(tree: Expr) -> str:
    last = tree.steps[-1] if isinstance(tree, Path) else tree
    name = last.name if isinstance(last, Member) else last.value if isinstance(last, Literal) else None
    if name not in resource_types():
        raise senseless("getReferenceKey takes the name of a resource type", "Write getReferenceKey(Patient)")
    return str(name)
