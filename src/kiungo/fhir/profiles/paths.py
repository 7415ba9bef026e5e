"""FHIRPath inside a validation: one evaluation for each resource, shared by all its invariants."""

from collections.abc import Callable, Mapping
from typing import Any

from kiungo.fhir import fhirpath
from kiungo.fhir.fhirpath.types import find_type
from kiungo.fhir.profiles.items import Item
from kiungo.fhir.profiles.run import Run

Asked = Callable[[Item, Run], bool]
"""Whether an expression is true; `lenient` ones also hold when there is no answer."""
_LIMITS = fhirpath.Limits(steps_max=500_000, time_max_s=2.0)


def asked(expression: str, *, lenient: bool = False) -> Asked:
    """A compiled expression as a question. Raises: Incorrect FHIRPATH_SYNTAX, FHIRPATH_SEMANTIC."""
    compiled = fhirpath.compile(expression)

    def ask(item: Item, run: Run) -> bool:
        evaluation = _evaluation(run)
        node = _node(item, evaluation)
        return compiled.is_true(evaluation, node) or (lenient and not compiled.items(evaluation, node))

    return ask


def finds(expression: str, run: Run) -> list[fhirpath.Node]:
    """The elements a query finds in the resource at hand. Raises: Incorrect, as compiling and evaluating do."""
    evaluation = _evaluation(run)
    found = fhirpath.compile(expression).items(evaluation, evaluation.resource)
    return [one for one in found if isinstance(one, fhirpath.Node)]


def holds_beside(expression: str, focus: Item, extension: Mapping[str, Any], run: Run) -> bool:
    """Whether an expression is true at an element, where `%extension` is one of its extensions. Raises: Incorrect."""
    scope = run.scope
    evaluation = fhirpath.evaluation(
        scope.resource,
        root=None if scope.root is scope.resource else scope.root,
        environment={"extension": _node(Item(extension, None, "Extension", focus.at), _evaluation(run))},
        host=_Host(run),
        limits=_LIMITS,
    )
    return fhirpath.compile(expression).is_true(evaluation, _node(focus, evaluation))


def _evaluation(run: Run) -> fhirpath.Run:
    """The evaluation of the resource at hand; made when its first invariant is asked."""
    scope = run.scope
    kept = run.evaluation
    if kept is not None and kept[0] is scope:
        found: fhirpath.Run = kept[1]
        return found
    made = fhirpath.evaluation(
        scope.resource,
        root=None if scope.root is scope.resource else scope.root,
        host=_Host(run),
        limits=_LIMITS,
    )
    run.evaluation = (scope, made)
    return made


def _node(item: Item, evaluation: fhirpath.Run) -> fhirpath.Node:
    resource = evaluation.resource
    if resource is not None and item.value is resource.value:
        return resource
    kind = find_type(item.type)
    if kind is None:
        return fhirpath.resource_node(item.value)
    return fhirpath.Node(item.value, kind, resource, item.at[1], item.at[2], item.sibling)


class _Host:
    """Answers an expression's questions from the validation it is part of."""

    __slots__ = ("_run",)

    def __init__(self, run: Run) -> None:
        self._run = run

    def resolve(self, reference: str, at: fhirpath.Node) -> Mapping[str, Any] | None:
        """What the validation can resolve."""
        return self._run.resolve(reference)

    def member_of(self, item: fhirpath.Node | str, value_set: str) -> bool | None:
        """Membership as bindings have it."""
        codes = self._run.library.codes
        if isinstance(item, str):
            return codes.holds(value_set, item, "code")
        return codes.holds(value_set, item.value, item.type.name)

    def conforms_to(self, node: fhirpath.Node, profile: str) -> bool | None:
        """Whether an element meets a profile that is known here."""
        library = self._run.library
        if library.plan(profile).problem:
            return None
        at = (self._run.scope.at, node.name or node.type.name, node.index)
        return library.meets(Item(node.value, node.extra, node.type.name, at), profile, self._run)

    def subsumes(self, general: fhirpath.Node, specific: fhirpath.Node) -> bool | None:
        """Whether both name the same code; hierarchies are not asked here."""
        return True if general.value == specific.value else None

    def trace(self, name: str, items: fhirpath.Collection) -> None:
        """Nothing is traced during a validation."""
