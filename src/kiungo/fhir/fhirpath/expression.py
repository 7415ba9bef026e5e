"""A compiled expression and how it is evaluated."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from kiungo.base.errors import Incorrect
from kiungo.fhir.fhirpath.compiler import compiled
from kiungo.fhir.fhirpath.errors import too_costly
from kiungo.fhir.fhirpath.functions.registry import Argument
from kiungo.fhir.fhirpath.host import Offline
from kiungo.fhir.fhirpath.parser import parse
from kiungo.fhir.fhirpath.run import DEFAULT_LIMITS, Host, Limits, Run
from kiungo.fhir.fhirpath.values import Collection, Node, Value, resource_node

CACHED_MAX = 2048
NO_VARIABLES: Mapping[str, object] = {}
_OFFLINE = Offline()


class Expression:
    """A FHIRPath expression, compiled once and usable from any thread."""

    __slots__ = ("_code", "text")

    def __init__(self, text: str, code: Argument) -> None:
        self.text = text
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
            return self._code.items(run, [] if run.context is None else [run.context])
        except RecursionError:
            raise _too_deep() from None

    def is_true(self, run: Run, focus: Node) -> bool:
        """Whether an invariant holds at an element: empty is not true. As cheap as it can be made."""
        run.context = focus
        try:
            return self._code.truth(run, [focus]) is True
        except RecursionError:
            raise _too_deep() from None

    def __repr__(self) -> str:
        return f"<Expression {self.text!r}>"


def evaluation(
    resource: dict[str, Any] | Node | Value,
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
    return Run(context, own, top, environment, host or _OFFLINE, limits, moment)


def _outermost(resource: Node | None) -> Node | None:
    """`%rootResource`: the resource around a contained one, else the resource itself."""
    if resource is not None and resource.name == "contained" and resource.parent is not None:
        return resource.parent
    return resource


@lru_cache(maxsize=CACHED_MAX)
def compile(text: str) -> Expression:
    """An expression from its text; remembers the last ones it compiled.

    Raises: Incorrect FHIRPATH_SYNTAX, FHIRPATH_SEMANTIC (unknown functions and types).
    """
    try:
        return Expression(text, compiled(parse(text)))
    except RecursionError:
        raise _too_deep() from None


def _too_deep() -> Incorrect:
    return too_costly("The expression nests too deeply", hint="Split it, or use where() and select()")
