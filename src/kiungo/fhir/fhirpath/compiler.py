"""A syntax tree into closures, once for each expression.

Every tree becomes two closures: one answers with a collection, one in three-valued logic, so that conditions build no
lists on their way.
"""

from difflib import get_close_matches
from typing import cast

from kiungo.fhir.fhirpath import arithmetic, equality
from kiungo.fhir.fhirpath.closures import (
    CONNECTIVES,
    LOGIC,
    NOTHING,
    collected,
    head_member,
    in_scope,
    indexed,
    member,
    of_one_item,
    of_truth,
    refers,
    special,
    truth_in_scope,
    truth_of,
)
from kiungo.fhir.fhirpath.errors import senseless
from kiungo.fhir.fhirpath.functions import FUNCTIONS
from kiungo.fhir.fhirpath.functions.registry import Argument, Items, Step, Truth, TruthStep
from kiungo.fhir.fhirpath.run import CHARACTERS_BITS_A_STEP, Run, singleton
from kiungo.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Empty,
    Expr,
    Index,
    Literal,
    Member,
    Path,
    Special,
    TypeTest,
    Unary,
    Variable,
)
from kiungo.fhir.fhirpath.typing import specifier, type_check
from kiungo.fhir.fhirpath.values import Collection


def compiled(tree: Expr, *, strict: bool = False) -> Argument:
    """The closures of an expression. Raises: Incorrect FHIRPATH_SEMANTIC for unknown functions and types.

    `strict` holds `as` to one item. R4's own invariants and search parameters apply it to many, so without `strict`
    it chooses among them.
    """
    return _Compiler(scoped=_defines_variables(tree), strict=strict).argument(tree)


def _defines_variables(tree: object) -> bool:
    if isinstance(tree, Call) and tree.name == "defineVariable":
        return True
    if isinstance(tree, tuple):
        return any(_defines_variables(one) for one in tree)
    slots = getattr(tree, "__slots__", ())
    return any(_defines_variables(getattr(tree, name)) for name in slots)


class _Compiler:
    def __init__(self, *, scoped: bool, strict: bool) -> None:
        self._scoped = scoped
        self._strict = strict

    def argument(self, tree: Expr) -> Argument:
        """Both closures of a tree that has a scope of its own."""
        items, truth = self._both(tree)
        if self._scoped:
            items, truth = in_scope(items), truth_in_scope(truth)
        return Argument(tree, items, truth)

    def _both(self, tree: Expr) -> tuple[Items, Truth]:
        """The collection closure and the truth closure."""
        if isinstance(tree, Binary) and tree.operator in LOGIC:
            return of_truth(self._binary_truth(tree))
        if isinstance(tree, TypeTest) and tree.operator == "is":
            return of_truth(self._is(tree))
        if isinstance(tree, Path):
            last = tree.steps[-1]
            if isinstance(last, Call) and FUNCTIONS.get(last.name) and FUNCTIONS[last.name].is_test:
                return of_truth(self._tested_path(tree, last))
        if isinstance(tree, Call) and FUNCTIONS.get(tree.name) and FUNCTIONS[tree.name].is_test:
            step = cast(TruthStep, self._call(tree))
            return of_truth(lambda run, this: step(run, this, this))
        items = self._items(tree)
        return items, lambda run, this: truth_of(items(run, this))

    def _items(self, tree: Expr) -> Items:  # noqa: PLR0911 - one line for each kind of tree
        match tree:
            case Literal(value):
                constant: Collection = [value]
                return lambda run, this: constant
            case Empty():
                return lambda run, this: NOTHING
            case Variable(name):
                return lambda run, this: run.variable(name)
            case Special(name):
                return special(name)
            case Member(name):
                return head_member(name)
            case Call():
                step = cast(Step, self._call(tree))
                return lambda run, this: step(run, this, this)
            case Path():
                return self._path(tree.head, tree.steps)
            case Unary(operator, operand):
                inner = self.argument(operand).items
                return inner if operator == "+" else lambda run, this: arithmetic.negated(inner(run, this))
            case Binary():
                return self._binary(tree)
            case TypeTest():
                return self._as(tree)

    def _path(self, head: Expr, parts: tuple[Member | Call | Index, ...]) -> Items:
        first = self._both(head)[0]
        steps = tuple(self._step(part) for part in parts)
        if len(steps) == 1:
            only = steps[0]
            return lambda run, this: only(run, first(run, this), this)

        def walk(run: Run, this: Collection) -> Collection:
            items = first(run, this)
            for step in steps:
                items = step(run, items, this)
            return items

        return walk

    def _tested_path(self, tree: Path, last: Call) -> Truth:
        before = tree.steps[:-1]
        first = self._path(tree.head, before) if before else self._both(tree.head)[0]
        test = cast(TruthStep, self._call(last))
        return lambda run, this: test(run, first(run, this), this)

    def _step(self, part: Member | Call | Index) -> Step:
        match part:
            case Member(name):
                return member(name)
            case Index(position):
                return indexed(self.argument(position).items)
            case Call():
                found = self._call(part)
                if not FUNCTIONS[part.name].is_test:
                    return cast(Step, found)
                test = cast(TruthStep, found)
                return lambda run, items, this: collected(test(run, items, this))

    def _call(self, call: Call) -> Step | TruthStep:
        known = FUNCTIONS.get(call.name)
        if known is None:
            close = get_close_matches(call.name, FUNCTIONS, n=1)
            hint = f"Did you mean {close[0]}()?" if close else "The reference lists the functions"
            raise senseless(f"There is no function {call.name}()", hint=hint)
        if not known.least <= len(call.arguments) <= known.most:
            wanted = str(known.least) if known.least == known.most else f"{known.least} to {known.most}"
            raise senseless(f"{call.name}() takes {wanted} arguments and was given {len(call.arguments)}")
        built = known.build(tuple(self._argument_of(call.name, tree) for tree in call.arguments))
        return of_one_item(cast(Step, built)) if call.name == "as" and self._strict else built

    def _argument_of(self, function: str, tree: Expr) -> Argument:
        if function in ("is", "as", "ofType"):
            return Argument(tree, lambda run, this: NOTHING, lambda run, this: None)  # a type, not an expression
        if function == "sort" and isinstance(tree, Unary) and tree.operator != "+":
            descending = self.argument(tree.operand)
            return Argument(tree, descending.items, descending.truth)
        return self.argument(tree)

    def _binary(self, tree: Binary) -> Items:
        left, right = self.argument(tree.left).items, self.argument(tree.right).items
        if tree.operator == "|":
            return lambda run, this: equality.union(run, left(run, this), right(run, this))
        compute = arithmetic.OPERATORS[tree.operator]

        def computed(run: Run, this: Collection) -> Collection:
            found = compute(left(run, this), right(run, this))
            if found and found[0].__class__ is str:
                run.spend(len(found[0]) >> CHARACTERS_BITS_A_STEP)
            return found

        return computed

    def _binary_truth(self, tree: Binary) -> Truth:
        left, right = self.argument(tree.left), self.argument(tree.right)
        if tree.operator in CONNECTIVES:
            return CONNECTIVES[tree.operator](left.truth, right.truth)
        test = equality.TESTS[tree.operator]
        one, other = left.items, right.items
        return lambda run, this: test(one(run, this), other(run, this))

    def _is(self, tree: TypeTest) -> Truth:
        matches = type_check(specifier(tree.namespace, tree.name))
        references = self._before_resolve(tree.operand)
        if references is not None:
            return refers(references, matches)
        operand = self.argument(tree.operand).items

        def test(run: Run, this: Collection) -> bool | None:
            item = singleton(operand(run, this), "is")
            return None if item is None else matches(item)

        return test

    def _before_resolve(self, tree: Expr) -> Items | None:
        """What `resolve()` is applied to, where a tree ends in it."""
        if isinstance(tree, Call) and tree.name == "resolve":
            return lambda run, this: this
        if isinstance(tree, Path) and isinstance(tree.steps[-1], Call) and tree.steps[-1].name == "resolve":
            return self._path(tree.head, tree.steps[:-1]) if len(tree.steps) > 1 else self.argument(tree.head).items
        return None

    def _as(self, tree: TypeTest) -> Items:
        operand = self.argument(tree.operand).items
        matches = type_check(specifier(tree.namespace, tree.name), exact_primitives=True)

        strict = self._strict

        def cast_to(run: Run, this: Collection) -> Collection:
            items = operand(run, this)
            if strict:
                singleton(items, "as")
            return [item for item in items if matches(item)]

        return cast_to
