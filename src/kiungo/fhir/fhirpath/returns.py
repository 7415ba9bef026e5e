"""What types functions answer with, as far as it follows from their input."""

from collections.abc import Sequence

from kiungo.fhir.fhirpath.functions import FUNCTIONS
from kiungo.fhir.fhirpath.types import Type, find_type

# A type of FHIR, or "System.Name".
Kind = Type | str
# None: not known.
Kinds = frozenset[Kind] | None

NUMBERS = frozenset({"Integer", "Decimal"})
TEMPORAL = frozenset({"Date", "DateTime", "Time"})
# Functions whose arguments are about the items of their input.
SCOPED = frozenset(
    {"where", "select", "all", "exists", "repeat", "repeatAll", "sort", "aggregate", "trace", "iif", "coalesce"}
)
SCOPED |= {"defineVariable"}
REPEATING = frozenset({"repeat", "repeatAll", "aggregate"})
_SAME = frozenset({"where", "first", "last", "tail", "skip", "take", "single", "distinct", "sort", "trace"})
_SAME |= {"defineVariable", "exclude", "intersect"}
_TEXT = frozenset({"upper", "lower", "trim", "substring", "replace", "replaceMatches", "toChars", "split"})
_TEXT |= {"encode", "decode", "escape", "unescape"}
OF_TEXT = frozenset({*_TEXT, "length", "startsWith", "endsWith", "contains", "indexOf", "lastIndexOf"})
OF_TEXT |= {"matches", "matchesFull"}
_FIXED = {
    **dict.fromkeys((*_TEXT, "join", "toString", "pathname"), "String"),
    **dict.fromkeys(("count", "length", "indexOf", "lastIndexOf", "toInteger", "precision"), "Integer"),
    "toDecimal": "Decimal",
    "toBoolean": "Boolean",
    "toQuantity": "Quantity",
    "toDate": "Date",
    "today": "Date",
    "toDateTime": "DateTime",
    "now": "DateTime",
    "toTime": "Time",
    "timeOfDay": "Time",
}


def of_system(name: str) -> Kinds:
    """One type of System."""
    return frozenset({f"System.{name}"})


def system_of(kind: Kind) -> str | None:
    """The System type a value of a type has, None for elements with children."""
    return kind.removeprefix("System.") if isinstance(kind, str) else kind.system


def either(all_kinds: Sequence[Kinds]) -> Kinds:
    """What may be any of several."""
    found: frozenset[Kind] = frozenset()
    for kinds in all_kinds:
        if kinds is None:
            return None
        found |= kinds
    return found


def answer(name: str, kinds: Kinds, arguments: Sequence[Kinds]) -> Kinds:
    """The types of a function's answer."""
    known = FUNCTIONS.get(name)
    if known is not None and known.is_test:
        return of_system("Boolean")
    if name in _FIXED:
        return of_system(_FIXED[name])
    extension = find_type("Extension")
    by_name: dict[str, Kinds] = {
        **dict.fromkeys(_SAME, kinds),
        **dict.fromkeys(("union", "combine"), either([kinds, *arguments])),
        "select": arguments[0] if arguments else None,
        "coalesce": either(arguments),
        "extension": frozenset({extension}) if extension is not None else None,
    }
    return by_name.get(name)
