"""One evaluation: its budget, its variables, and what it may ask the world outside the resource."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

from kiungo.fhir.fhirpath.errors import failed, too_costly
from kiungo.fhir.fhirpath.temporal import Temporal, rendered
from kiungo.fhir.fhirpath.values import Collection, Node, Value, resource_node

STEPS_MAX = 2_000_000
TIME_MAX_S = 5.0
STEPS_BETWEEN_LOOKS = 20_000
# Sixteen characters of a computed text are one step.
CHARACTERS_BITS_A_STEP = 4
_CONSTANTS = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}
VALUE_SETS = "http://hl7.org/fhir/ValueSet/"
EXTENSIONS = "http://hl7.org/fhir/StructureDefinition/"
NOTHING_SET: Mapping[str, Collection] = {}
RESERVED = frozenset({"context", "resource", "rootResource", *_CONSTANTS})


class Host(Protocol):
    """What an expression may ask beyond the resource it is about; None always means "not known here"."""

    def resolve(self, reference: str, at: Node) -> Mapping[str, Any] | Node | None:
        """The resource a reference points to; contained resources and those of the same Bundle are found already."""

    def member_of(self, item: Node | str, value_set: str) -> bool | None:
        """Whether a code, Coding or CodeableConcept is in a value set."""

    def conforms_to(self, node: Node, profile: str) -> bool | None:
        """Whether an element conforms to a profile."""

    def subsumes(self, general: Node, specific: Node) -> bool | None:
        """Whether one Coding or CodeableConcept is the same as or above the other."""

    def trace(self, name: str, items: Collection) -> None:
        """Take note of what `trace()` saw."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one evaluation may use. Units: steps are nodes looked at; seconds of wall time."""

    steps_max: int = STEPS_MAX
    time_max_s: float = TIME_MAX_S


DEFAULT_LIMITS = Limits()


class Run:
    """The state of one evaluation. Not shared between threads."""

    __slots__ = (
        "_look_at",
        "_started_s",
        "context",
        "environment",
        "host",
        "index",
        "limits",
        "moment",
        "resource",
        "root",
        "steps",
        "total",
        "variables",
    )

    def __init__(
        self,
        context: Value | None,
        resource: Node | None,
        root: Node | None,
        environment: Mapping[str, object],
        host: Host,
        limits: Limits = DEFAULT_LIMITS,
        moment: datetime | None = None,
    ) -> None:
        self.context = context
        self.resource = resource
        self.root = root
        self.environment = environment
        self.host = host
        self.limits = limits
        self.moment = moment
        self.index = -1
        self.total: Collection = []
        self.variables: Mapping[str, Collection] = NOTHING_SET
        self.steps = 0
        self._look_at = STEPS_BETWEEN_LOOKS
        self._started_s = 0.0

    def forget(self) -> None:
        """Leave nothing of an expression that failed half way to the next one of this evaluation."""
        self.index = -1
        self.total = []
        self.variables = NOTHING_SET

    def spend(self, steps: int) -> None:
        """Count work. Raises: Incorrect FHIRPATH_TOO_COSTLY."""
        self.steps += steps
        if self.steps >= self._look_at:
            self._look()

    def _look(self) -> None:
        self._look_at = self.steps + STEPS_BETWEEN_LOOKS
        if self.steps > self.limits.steps_max:
            raise too_costly(f"The expression needs more than {self.limits.steps_max:,} steps on this resource")
        # The clock is first looked at here: most evaluations end long before.
        self._started_s = self._started_s or time.monotonic()
        if time.monotonic() - self._started_s > self.limits.time_max_s:
            raise too_costly(f"The expression needs more than {self.limits.time_max_s:g} s on this resource")

    def now(self) -> datetime:
        """The one moment of this evaluation, in UTC."""
        if self.moment is None:
            self.moment = datetime.now(UTC)
        return self.moment

    def now_value(self) -> Temporal:
        """`now()`."""
        moment = self.now()
        seconds = Decimal(moment.second) + Decimal(moment.microsecond // 1000).scaleb(-3)
        parts = (moment.year, moment.month, moment.day, moment.hour, moment.minute, seconds)
        offset = moment.utcoffset()
        value = Temporal("DateTime", parts, int(offset.total_seconds() // 60) if offset is not None else 0)
        return Temporal(value.kind, parts, value.offset_min, rendered(value))

    def variable(self, name: str) -> Collection:
        """The value of `%name`. Raises: Incorrect FHIRPATH_EXECUTION when nobody set it."""
        if name in self.variables:
            return self.variables[name]
        if name in ("context", "resource", "rootResource"):
            here = {"context": self.context, "resource": self.resource, "rootResource": self.root}[name]
            return [] if here is None else [here]
        if name in _CONSTANTS:
            return [_CONSTANTS[name]]
        if name in self.environment:
            return _collection(self.environment[name])
        if name.startswith(("vs-", "ext-")):
            return [VALUE_SETS + name[3:] if name[0] == "v" else EXTENSIONS + name[4:]]
        known = sorted({*RESERVED, *self.environment, *self.variables})
        raise failed(f"The variable %{name} is not set", hint=f"Set here are {', '.join('%' + one for one in known)}")


def _collection(value: object) -> Collection:
    """A value from outside as a collection: a resource as JSON, a System value, or a list of these."""
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [item for one in value for item in _collection(one)]
    if isinstance(value, dict):
        return [resource_node(value)]
    if isinstance(value, float):
        return [Decimal(str(value))]
    return [value]  # type: ignore[list-item]  # the caller's own System value


def singleton(items: Collection, what: str) -> Value | None:
    """The one item of a collection, None of an empty one. Raises: Incorrect when there are several."""
    if not items:
        return None
    if len(items) > 1:
        raise failed(f"{what} takes one item and was given {len(items)}", hint="Use first(), where() or [0]")
    return items[0]
