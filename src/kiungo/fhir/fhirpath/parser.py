"""FHIRPath text into a syntax tree, by operator precedence.

Source: FHIRPath N1 (2.0.0), grammar and operator precedence.
"""

from decimal import Decimal

from kiungo.base.errors import Incorrect
from kiungo.fhir.fhirpath.errors import senseless, unreadable
from kiungo.fhir.fhirpath.quantity import CALENDAR_UNITS, Quantity
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
    Step,
    TypeTest,
    Unary,
    Variable,
)
from kiungo.fhir.fhirpath.temporal import Temporal
from kiungo.fhir.fhirpath.tokens import Token, tokens_of

DEPTH_MAX = 100
# A row of operators such as a | b | c leans to the left, so each of them is one level of evaluation.
OPERATORS_MAX = 250
_POWER = {
    "implies": 1,
    "or": 2,
    "xor": 2,
    "and": 3,
    "in": 4,
    "contains": 4,
    "=": 5,
    "~": 5,
    "!=": 5,
    "!~": 5,
    "<": 6,
    ">": 6,
    "<=": 6,
    ">=": 6,
    "|": 7,
    "is": 8,
    "as": 8,
    "+": 9,
    "-": 9,
    "&": 9,
    "*": 10,
    "/": 10,
    "div": 10,
    "mod": 10,
}
_SIGN_POWER = 11
# Operators that may also be names: Patient.contains, is(Type), as(Type).
_SOFT_WORDS = frozenset({"as", "is", "in", "contains"})
_HARD_WORDS = frozenset({"and", "or", "xor", "implies", "div", "mod"})
_SPECIALS = frozenset({"$this", "$index", "$total"})


def parse(text: str) -> Expr:
    """The tree of an expression. Raises: Incorrect FHIRPATH_SYNTAX."""
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens_of(text)
        self._at = 0
        self._depth = 0
        self._operators = 0

    def whole(self) -> Expr:
        """The one expression that the text is."""
        tree = self._expression(0)
        if self._now.kind != "end":
            raise self._wrong("the expression should have ended here")
        return tree

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    def _wrong(self, problem: str) -> Incorrect:
        return unreadable(self._text, self._now.at, problem)

    def _next(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _is(self, mark: str) -> bool:
        return self._now.text == mark and self._now.kind == "mark"

    def _take(self, mark: str) -> bool:
        if self._is(mark):
            self._at += 1
            return True
        return False

    def _need(self, mark: str) -> None:
        if not self._take(mark):
            raise self._wrong(f"{mark!r} is missing")

    def _expression(self, power: int) -> Expr:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._wrong(f"it nests deeper than {DEPTH_MAX} levels")
        left = self._signed()
        while True:
            token = self._now
            mine = _POWER.get(token.text, 0) if token.kind in ("mark", "word") else 0
            if mine <= power:
                break
            self._operators += 1
            if self._operators > OPERATORS_MAX:
                raise self._wrong(f"it has more than {OPERATORS_MAX} operators")
            self._at += 1
            if token.text in ("is", "as"):
                namespace, name = self._type()
                left = TypeTest(token.text, left, namespace, name)
            else:
                left = Binary(token.text, left, self._expression(mine))
        self._depth -= 1
        return left

    def _signed(self) -> Expr:
        if self._is("+") or self._is("-"):
            sign = self._next().text
            return Unary(sign, self._expression(_SIGN_POWER))
        return self._path()

    def _path(self) -> Expr:
        head = self._term()
        steps: list[Step] = []
        while True:
            if self._take("."):
                steps.append(self._invocation())
            elif self._take("["):
                steps.append(Index(self._expression(0)))
                self._need("]")
            else:
                break
        return Path(head, tuple(steps)) if steps else head

    def _term(self) -> Expr:  # noqa: PLR0911 - one for each kind of term
        token = self._now
        if token.kind in ("number", "string", "date", "datetime", "time"):
            return self._literal()
        if token.kind == "special":
            return self._special()
        if self._take("("):
            inner = self._expression(0)
            self._need(")")
            return inner
        if self._take("{"):
            self._need("}")
            return Empty()
        if self._take("%"):
            return self._variable()
        if token.kind == "word" and token.text in ("true", "false"):
            self._at += 1
            return Literal(token.text == "true")
        return self._invocation()

    def _special(self) -> Special:
        if self._now.text not in _SPECIALS:
            raise self._wrong(f"only {', '.join(sorted(_SPECIALS))} begin with a dollar sign")
        return Special(self._next().text[1:])

    def _variable(self) -> Variable:
        token = self._now
        if token.kind not in ("word", "quoted", "string"):
            raise self._wrong("% needs the name of a variable")
        self._at += 1
        return Variable(token.text)

    def _invocation(self) -> Member | Call:
        token = self._now
        if token.kind == "special":
            raise self._wrong(f"{token.text} begins a path and cannot follow a dot")
        if token.kind not in ("word", "quoted") or (token.kind == "word" and token.text in _HARD_WORDS):
            raise self._wrong("a name, a value or a function is missing")
        self._at += 1
        if token.kind == "word" and self._take("("):
            return Call(token.text, self._arguments(token.text))
        return Member(token.text)

    def _argument(self, function: str) -> Expr:
        """An argument; a sort key may end in asc or desc."""
        found = self._expression(0)
        if function == "sort" and self._now.kind == "word" and self._now.text in ("asc", "desc"):
            return Unary(self._next().text, found)
        return found

    def _arguments(self, name: str) -> tuple[Expr, ...]:
        found: list[Expr] = []
        if not self._is(")"):
            found.append(self._argument(name))
            while self._take(","):
                found.append(self._argument(name))
        self._need(")")
        return tuple(found)

    def _type(self) -> tuple[str, str]:
        names = [self._name()]
        while self._take("."):
            names.append(self._name())
        return ".".join(names[:-1]), names[-1]

    def _name(self) -> str:
        token = self._now
        if token.kind not in ("word", "quoted"):
            raise self._wrong("the name of a type is missing")
        self._at += 1
        return token.text

    def _literal(self) -> Literal:
        token = self._next()
        if token.kind == "string":
            return Literal(token.text)
        if token.kind == "number":
            return Literal(self._number(token.text))
        kind = {"date": "Date", "datetime": "DateTime", "time": "Time"}[token.kind]
        value = Temporal.parse(token.text[2:] if kind == "Time" else token.text[1:].rstrip("T"), kind)
        if value is None:
            raise unreadable(self._text, token.at, "there is no such date or time")
        return Literal(value)

    def _number(self, text: str) -> int | Decimal | Quantity:
        token = self._now
        if token.kind == "string":
            self._at += 1
            return Quantity(Decimal(text), token.text)
        if token.kind == "word" and token.text in CALENDAR_UNITS:
            self._at += 1
            return Quantity(Decimal(text), CALENDAR_UNITS[token.text])
        return Decimal(text) if "." in text else int(text)


def type_named(argument: Expr) -> tuple[str, str]:
    """Namespace and name of a type written as a function's argument: `Patient`, `FHIR.Patient`.

    Raises: Incorrect FHIRPATH_SEMANTIC.
    """
    if isinstance(argument, Member):
        return "", argument.name
    if isinstance(argument, Path) and isinstance(argument.head, Member):
        names = [argument.head.name, *(step.name for step in argument.steps if isinstance(step, Member))]
        if len(names) == len(argument.steps) + 1:
            return ".".join(names[:-1]), names[-1]
    raise senseless("This function needs the name of a type", hint="Write it without quotes: ofType(Quantity)")
