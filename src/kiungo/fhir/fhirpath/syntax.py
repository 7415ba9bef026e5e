"""The tree an expression is parsed into."""

from dataclasses import dataclass

from kiungo.fhir.fhirpath.values import System


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    value: System


@dataclass(frozen=True, slots=True)
class Empty:
    """`{}`."""


@dataclass(frozen=True, slots=True)
class Variable:
    """`%name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Special:
    """`$this`, `$index` or `$total`, without the mark."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """A child by name; at the head of a path also a type name."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments."""

    name: str
    arguments: "tuple[Expr, ...]"


@dataclass(frozen=True, slots=True)
class Index:
    """`[expression]`."""

    position: "Expr"


@dataclass(frozen=True, slots=True)
class Path:
    """A head and the steps after it; steps are in one tuple, so that a long path is not a deep tree."""

    head: "Expr"
    steps: tuple[Member | Call | Index, ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """`+` or `-` before an operand; `asc` or `desc` behind a sort key."""

    operator: str
    operand: "Expr"


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two operands."""

    operator: str
    left: "Expr"
    right: "Expr"


@dataclass(frozen=True, slots=True)
class TypeTest:
    """`is` or `as` with a type. Shapes: `namespace` is "" when it is not written."""

    operator: str
    operand: "Expr"
    namespace: str
    name: str


Expr = Literal | Empty | Variable | Special | Member | Call | Path | Unary | Binary | TypeTest
Step = Member | Call | Index
