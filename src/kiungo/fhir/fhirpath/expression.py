"""A compiled expression and how it is evaluated."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from kiungo.base.errors import Incorrect
from kiungo.fhir.fhirpath.checker import check
from kiungo.fhir.fhirpath.compiler import compiled
from kiungo.fhir.fhirpath.errors import too_costly
from kiungo.fhir.fhirpath.functions.registry import Argument
from kiungo.fhir.fhirpath.host import Silent
from kiungo.fhir.fhirpath.parser import parse
from kiungo.fhir.fhirpath.run import DEFAULT_LIMITS, Host, Limits, Run
from kiungo.fhir.fhirpath.syntax import Member, Path, Special
from kiungo.fhir.fhirpath.values import Collection, Node, Value, resource_node

CACHED_MAX = 2048
CACHED_LENGTH_MAX = 2_000
NO_VARIABLES: Mapping[str, object] = {}
_SILENT = Silent()


class Expression:
    """A FHIRPath expression, compiled once and usable from any thread."""

    __slots__ = ("_code", "text", "tree")

    def __init__(self, text: str, code: Argument) -> None:
        self.text = text
        self.tree = code.tree
        self._code = code

    def __call__(
        self,
        resource: dict[str, Any] | Node,
        *,
        root: dict[str, Any] | Node | None = None,
        environment: Mapping[str, object] = NO_VARIABLES,
        host: Host | None = None,
        limits: Limits = DEFAULT_LIMITS,
        moment: datetime | None = None,
    ) -> Collection:
        """The value on a resource (JSON, or a Node within one).

        Shapes: `root` is `%rootResource` when the resource is contained in another; `environment` holds further
        variables: System values, resources as JSON, or lists of these. `moment` is what `now()` says.
        Raises: Incorrect FHIRPATH_EXECUTION, FHIRPATH_TOO_COSTLY.
        """
        run = evaluation(resource, root=root, environment=environment, host=host, limits=limits, moment=moment)
        return self.items(run)

    def items(self, run: Run, focus: Node | None = None) -> Collection:
        """The value at an element, within an evaluation that is shared by several expressions."""
        if focus is not None:
            run.context = focus
        try:
            return list(self._code.items(run, [] if run.context is None else [run.context]))
        except RecursionError:
            run.forget()
            raise _too_deep() from None
        except Incorrect:
            run.forget()
            raise

    def is_true(self, run: Run, focus: Node) -> bool:
        """Whether an invariant holds at an element: empty is not true. As cheap as it can be made."""
        run.context = focus
        try:
            return self._code.truth(run, [focus]) is True
        except RecursionError:
            run.forget()
            raise _too_deep() from None
        except Incorrect:
            run.forget()
            raise

    def without_last_name(self) -> "tuple[Expression, str] | None":
        """The path up to its last name, and that name; None when the expression does not end in one."""
        tree = self.tree
        if isinstance(tree, Member):
            return Expression("$this", compiled(Special("this"))), tree.name
        if not isinstance(tree, Path) or not isinstance(tree.steps[-1], Member):
            return None
        shorter = Path(tree.head, tree.steps[:-1]) if len(tree.steps) > 1 else tree.head
        return Expression(f"{self.text} without its last name", compiled(shorter)), tree.steps[-1].name

    def __repr__(self) -> str:
        return f"<Expression {self.text!r}>"


def evaluation(
    resource: dict[str, Any] | Value | None,
    *,
    root: dict[str, Any] | Node | None = None,
    environment: Mapping[str, object] = NO_VARIABLES,
    host: Host | None = None,
    limits: Limits = DEFAULT_LIMITS,
    moment: datetime | None = None,
) -> Run:
    """The state in which one or more expressions are evaluated on one resource; not shared between threads."""
    context = resource_node(resource) if isinstance(resource, dict) else resource
    own = context.resource if isinstance(context, Node) else None
    top = resource_node(root) if root is not None else _outermost(own)
    return Run(context, own, top, environment, host or _SILENT, limits, moment)


def _outermost(resource: Node | None) -> Node | None:
    """`%rootResource`: the resource around a contained one, else the resource itself."""
    if resource is not None and resource.name == "contained" and resource.parent is not None:
        return resource.parent
    return resource


def compile(text: str, *, type: str | None = None, strict: bool = False) -> Expression:
    """An expression from its text; remembers the last ones it compiled, long ones excepted.

    Shapes: `type` is the type the expression is about, such as "Patient" or "Observation.component". `strict` refuses
    what can never mean anything for that type: unknown elements, wrong types, order where there is none, and holds
    `as` to one item, which R4's own invariants do not.
    Raises: Incorrect FHIRPATH_SYNTAX, FHIRPATH_SEMANTIC (unknown functions and types, and what `strict` finds).
    """
    if len(text) > CACHED_LENGTH_MAX:
        return _compiled(text, type, strict)
    return _remembered(text, type, strict)


def _compiled(text: str, type: str | None, strict: bool) -> Expression:
    try:
        tree = parse(text)
        if strict:
            check(tree, type)
        return Expression(text, compiled(tree, strict=strict))
    except RecursionError:
        raise _too_deep() from None


_remembered = lru_cache(maxsize=CACHED_MAX)(_compiled)


def _too_deep() -> Incorrect:
    return too_costly("The expression nests too deeply", hint="Split it, or use where() and select()")
