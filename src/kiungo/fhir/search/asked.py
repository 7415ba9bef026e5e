"""What a search asks, understood: conditions, order, inclusions. Values only; the grammar is in `query`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from kiungo.base.errors import Incorrect, Unavailable, define
from kiungo.fhir.indexing.parameters import Parameter

SEARCH_PARAMETER_UNKNOWN = define(
    "SEARCH_PARAMETER_UNKNOWN", Incorrect, "The type has no search parameter of this name."
)
SEARCH_VALUE_WRONG = define(
    "SEARCH_VALUE_WRONG", Incorrect, "A search value, modifier or prefix does not fit its parameter."
)
SEARCH_NOT_SUPPORTED = define(
    "SEARCH_NOT_SUPPORTED", Incorrect, "A known part of FHIR search that this server does not offer."
)
SEARCH_TOO_COSTLY = define(
    "SEARCH_TOO_COSTLY", Incorrect, "The search needs more time than one search may take.", http=422
)

SEARCH_INDEX_BUILDING = define(
    "SEARCH_INDEX_BUILDING", Unavailable, "A search parameter is still being indexed, and its answer would be wrong."
)

Params = Sequence[tuple[str, str]]
COUNT_DEFAULT = 20


@dataclass(frozen=True, slots=True)
class Value:
    """One of several values, any of which may match.

    Shapes: `parts` are those between `|`, unescaped; `inner` the values between `$` of a composite.
    """

    prefix: str
    parts: tuple[str, ...]
    inner: "tuple[Value, ...]" = ()

    @property
    def text(self) -> str:
        """The value as one text."""
        return "|".join(self.parts)


@dataclass(frozen=True, slots=True)
class Predicate:
    """One condition: a parameter, its modifier, and the values any of which may match."""

    parameter: Parameter
    modifier: str
    values: tuple[Value, ...]

    def __hash__(self) -> int:
        """Quick, since what is known of a condition is remembered by it: a parameter by its number alone."""
        return hash((self.parameter.key, self.modifier, self.values))


@dataclass(frozen=True, slots=True)
class Chain:
    """The resource refers, by `parameter`, to one of these types that meets the inner condition."""

    parameter: Parameter
    inner: tuple[tuple[str, "Condition"], ...]


@dataclass(frozen=True, slots=True)
class Has:
    """A resource of another type refers, by its `parameter`, to this one and meets the inner condition."""

    parameter: Parameter
    inner: "Condition"


@dataclass(frozen=True, slots=True)
class Word:
    """A word in the resource's narrative (`_text`) or anywhere in its text (`_content`), or its beginning."""

    parameter: Literal["_text", "_content"]
    text: str
    is_prefix: bool


@dataclass(frozen=True, slots=True)
class Near:
    """A place within a distance of a point. Units: degrees; kilometres."""

    latitude: float
    longitude: float
    distance_km: float


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one of these."""

    conditions: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of these."""

    conditions: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """Everything but this."""

    condition: "Condition"


Condition = Predicate | Chain | Has | Word | Near | AllOf | AnyOf | Not


@dataclass(frozen=True, slots=True)
class SortKey:
    """Order by a parameter. `_lastUpdated` and `_id` are parameters too."""

    parameter: Parameter
    descending: bool


@dataclass(frozen=True, slots=True)
class Include:
    """Add what `parameters` of `source` refer to (or, reversed, what refers by them), perhaps only one type.

    Shapes: `source` is None for every type.
    """

    source: str | None
    parameters: tuple[Parameter, ...]
    target: str | None
    iterate: bool


@dataclass(slots=True)
class Query:
    """A search that was understood completely.

    Shapes: `text` is every pair that belongs to a page link; `unfinished` the parameters whose index is still being
    built, with their progress in per cent.
    """

    type: str
    conditions: list[Condition] = field(default_factory=list)
    sort: list[SortKey] = field(default_factory=list)
    count: int = COUNT_DEFAULT
    total: str = "none"
    summary: str = "false"
    includes: list[Include] = field(default_factory=list)
    revincludes: list[Include] = field(default_factory=list)
    cursor: str | None = None
    text: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    explain: bool = False
    unfinished: dict[str, int] = field(default_factory=dict)
