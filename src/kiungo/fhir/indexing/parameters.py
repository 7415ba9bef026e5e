"""The search parameters of each type, and which index rows answer each of them.

Many R4 parameters see the same elements: `patient` is `subject` where it is a Patient, `combo-code` is `code`
or `component-code`, `phonetic` is `name`, `phone` is `telecom` of one system, and a name is its family and
given parts. Such a parameter has no rows of its own: its sources are other parameters' rows. A row that is
not written is the cheapest row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from kiungo.fhir import definitions
from kiungo.fhir.definitions import ParameterDefinition, type_ids
from kiungo.fhir.indexing.composites import Component, Composite, composite_of
from kiungo.fhir.indexing.expressions import Path, Step, parse
from kiungo.fhir.indexing.values import hash32

INDEXED_KINDS = frozenset({"token", "reference", "date", "quantity", "number", "string", "uri", "composite", "special"})
# Parts of a name or an address that have, in most types, a parameter of their own.
PARTS = {
    "HumanName": ("family", "given", "prefix", "suffix", "text"),
    "Address": ("line", "city", "district", "state", "country", "postalCode", "text"),
}
# Parameters answered by the resource's own row, not by index rows.
OWN_COLUMNS = frozenset({"_id", "_lastUpdated"})
# The clinical date of a type, carried in token and reference rows: the first of these that it has.
SORT_DATES = (
    *("authoredon", "authored-on", "authored", "date", "created", "recorded-date", "recorded", "issued", "sent"),
    *("started", "effective-time", "whenhandedover", "start", "period", "request-date", "receive-date"),
)
# The parameters that name the person a record is about, the most direct first.
PERSON_PARAMETERS = ("patient", "subject", "beneficiary", "individual", "actor", "participant", "recipient")
# A Patient is a person rather than about one; a Group is about many.
NOBODYS_TYPES = frozenset({"Patient", "Group"})
# Token parameters that clinicians ask for together with a patient; each value has a compartment row.
COMPARTMENT_TOKENS = ("code", "category")
KEY_LIMIT = 1 << 14
# A tenant's own parameters are numbered after R4's, which are some 2,600.
OWN_KEYS_FROM = KEY_LIMIT // 2


@dataclass(frozen=True, slots=True)
class Source:
    """Rows that answer a parameter: those under `key`, perhaps only of one target type or system."""

    key: int
    target_type: int | None = None
    system: int | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one type.

    Shapes: `key` is its number among all of R4's; `paths` are the alternatives it has rows of its own for.
    """

    type: str
    code: str
    kind: str
    key: int
    expression: str
    targets: tuple[str, ...]
    url: str
    paths: tuple[Path, ...]
    sources: tuple[Source, ...]
    skipped_parts: frozenset[str] = frozenset()
    components: tuple[Component, ...] = ()

    @property
    def is_own(self) -> bool:
        """Whether it is a tenant's own, whose expression is any FHIRPath."""
        return self.key >= OWN_KEYS_FROM


@cache
def parameter_keys() -> dict[tuple[str, str], int]:
    """The number of every (type, code): sorted, and R4 is final, so it never changes."""
    common = [row.code for row in definitions.parameter_rows() if row.type == "Resource"]
    pairs = {(t, code) for t in definitions.resource_types() for code in common}
    pairs |= {(row.type, row.code) for row in definitions.parameter_rows() if row.type in type_ids()}
    return {pair: number for number, pair in enumerate(sorted(pairs), start=1)}


@cache
def parameters_of(type_name: str) -> dict[str, Parameter]:
    """All parameters of a type by code, with their sources decided."""
    rows = [r for r in definitions.parameter_rows() if r.type in (type_name, "Resource")]
    composites = {row.code: composite_of(row) for row in rows if row.kind == "composite"}
    parsed = {r.code: parse(r.expression) if r.expression else () for r in rows}
    owners: dict[tuple[str, tuple[Step, ...]], str] = {}
    for row in rows:
        if len(parsed[row.code]) == 1 and parsed[row.code][0].not_equal_to is None:
            owners.setdefault((row.kind, parsed[row.code][0].steps), row.code)
    for row in rows:
        _own_together(row, rows, parsed, owners)
    decided = {r.code: _decide(type_name, r, parsed[r.code], owners) for r in rows if r.code not in composites}
    decided |= {r.code: _composite(r, composites[r.code]) for r in rows if r.code in composites}
    by_key = {parameter.key: parameter for parameter in decided.values()}
    return {code: replace(p, sources=_followed(p, by_key)) for code, p in decided.items()}


def _composite(row: ParameterDefinition, facts: Composite) -> Parameter:
    """A composite: with rows of its own, or answered by those of the composites it is made of."""
    key = parameter_keys()[row.type, row.code]
    sources = tuple(Source(parameter_keys()[row.type, code]) for code in facts.made_of) or (Source(key),)
    paths = () if facts.made_of else parse(facts.base)
    return Parameter(
        row.type, row.code, row.kind, key, facts.base, (), row.url, paths, sources, components=facts.components
    )


def _followed(parameter: Parameter, by_key: Mapping[int, Parameter]) -> tuple[Source, ...]:
    """The sources, with those of an unrestricted other parameter in its place."""
    found: list[Source] = []
    for source in parameter.sources:
        whole = source.target_type is None and source.system is None and source.key != parameter.key
        found += by_key[source.key].sources if whole else (source,)
    return tuple(dict.fromkeys(found))


def _own_together(
    row: ParameterDefinition,
    rows: list[ParameterDefinition],
    parsed: Mapping[str, tuple[Path, ...]],
    owners: dict[tuple[str, tuple[Step, ...]], str],
) -> None:
    """A parameter of several paths owns them where another parameter is all of these and more."""
    mine = set(parsed[row.code])
    if len(mine) > 1 and any(r.kind == row.kind and mine < set(parsed[r.code]) for r in rows):
        for path in mine:
            owners.setdefault((row.kind, path.steps), row.code)


def _decide(
    type_name: str,
    row: ParameterDefinition,
    paths: tuple[Path, ...],
    owners: dict[tuple[str, tuple[Step, ...]], str],
) -> Parameter:
    key = parameter_keys()[type_name, row.code]
    own: list[Path] = []
    sources: list[Source] = []
    skipped: set[str] = set()
    indexed = row.kind in INDEXED_KINDS and row.code not in OWN_COLUMNS
    for path in paths if indexed else ():
        source = _covering(type_name, row, path, owners)
        if source:
            sources.append(source)
            continue
        own.append(path)
        for part in PARTS.get(_plain_type(type_name, path) if row.kind == "string" else "", ()):
            owner = owners.get(("string", (*path.steps, Step("child", part))))
            if owner:
                skipped.add(part)
                sources.append(Source(parameter_keys()[type_name, owner]))
    if own:
        sources.insert(0, Source(key))
    return Parameter(
        type_name,
        row.code,
        row.kind,
        key,
        row.expression,
        _targets(row, paths),
        row.url,
        tuple(own),
        tuple(dict.fromkeys(sources)),
        frozenset(skipped),
    )


def _covering(
    type_name: str, row: ParameterDefinition, path: Path, owners: dict[tuple[str, tuple[Step, ...]], str]
) -> Source | None:
    """The other parameter whose rows already hold this path's values, if there is one."""
    if path.not_equal_to is not None or not path.steps:
        return None
    last = path.steps[-1]
    owner = owners.get((row.kind, path.steps))
    if owner and owner != row.code:
        return Source(parameter_keys()[type_name, owner])
    wider = owners.get((row.kind, path.steps[:-1]))
    if wider is None or wider == row.code:
        return None
    if last.kind == "resolves":
        return Source(parameter_keys()[type_name, wider], target_type=type_ids()[last.name])
    if last.kind == "equals" and last.name == "system" and path.steps[-2] == Step("child", "telecom"):
        return Source(parameter_keys()[type_name, wider], system=hash32(last.value))
    return None


def _targets(row: ParameterDefinition, paths: tuple[Path, ...]) -> tuple[str, ...]:
    resolved = {p.steps[-1].name for p in paths if p.steps and p.steps[-1].kind == "resolves"}
    if resolved and len(resolved) == len(paths):
        return tuple(sorted(resolved))
    return tuple(t for t in row.targets if t in type_ids())


def _plain_type(type_name: str, path: Path) -> str:
    """The datatype a path of plain children ends in, or ""."""
    current = type_name
    for step in path.steps:
        definition = definitions.find_type(current)
        found = [e for e in definition.elements if e.name == step.name] if definition else []
        if step.kind != "child" or not found:
            return ""
        current = found[0].types[0]
    return current


def is_single(parameter: Parameter) -> bool:
    """Whether a resource can have at most one value for the parameter: no element on its path repeats."""
    return bool(parameter.expression) and all(_has_one(parameter.type, path) for path in parse(parameter.expression))


def _has_one(type_name: str, path: Path) -> bool:
    current = type_name
    for step in path.steps:
        if step.kind != "child":
            continue
        found = [e for e in definitions.get_type(current).elements if e.name in (step.name, step.name + "[x]")]
        if not found or found[0].is_list:
            return False
        current = found[0].types[0]
    return True


@cache
def sort_parameter(type_name: str) -> Parameter | None:
    """The date parameter whose value a type's token and reference rows carry; None when it has none."""
    known = parameters_of(type_name)
    for code in SORT_DATES:
        found = known.get(code)
        if found and found.kind == "date" and found.paths:
            return found
    return None


@cache
def person_parameter(type_name: str) -> Parameter | None:
    """The reference parameter that names the patient a type's records are about; None when none does."""
    if type_name in NOBODYS_TYPES:
        return None
    listed = definitions.compartment("Patient").get(type_name, [])
    known = parameters_of(type_name)
    for code in (*PERSON_PARAMETERS, *listed):
        found = known.get(code)
        if found and found.kind == "reference" and "Patient" in found.targets and (code in listed or listed):
            return found
    return None


@cache
def compartment_keys(type_name: str) -> frozenset[int]:
    """The token parameters of a type that have compartment rows beside their token rows."""
    person = person_parameter(type_name)
    if person is None or not is_single(person):
        return frozenset()
    known = parameters_of(type_name)
    found = [known[code] for code in COMPARTMENT_TOKENS if code in known and known[code].kind == "token"]
    return frozenset(p.key for p in found if p.paths)
