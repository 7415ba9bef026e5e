"""References written as searches (`Practitioner?identifier=system|value`): what they mean among all that is there.

What has them waits until everything else of the load is stored. Then they are resolved once for all, by the search
that a transaction makes; what is still to be loaded is asked for its identifiers.
Source: FHIR R4 3.1.0.11.2 (conditional references).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from kiungo.base.errors import Conflict, Incorrect, define
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.loading.entries import entries, head_of
from kiungo.fhir.loading.sources import Part
from kiungo.fhir.model import MULTIPLE_MATCHES
from kiungo.fhir.references import texts
from kiungo.fhir.search.select import find_matches
from kiungo.fhir.store import Store
from kiungo.kernel.auth.principal import Call

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

REFERENCE_UNRESOLVED = define(
    "REFERENCE_UNRESOLVED",
    Incorrect,
    "A loaded resource refers to something that neither its load nor the store has.",
    http=422,
)
AT_ONCE = 200
Problem = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Resolved:
    """What conditions come down to. Shapes: `names` their addresses; `problems` why others have none: code, text."""

    names: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, Problem] = field(default_factory=dict)

    def of(self, part: Part) -> "Resolved":
        """As much of it as a part needs."""
        asked = conditions_in(part)
        return Resolved(
            {name: self.names[name] for name in asked if name in self.names},
            {name: self.problems[name] for name in asked if name in self.problems},
        )


def conditions_in(part: Part) -> set[str]:
    """The references of a part that are searches."""
    asking = (name for text in part.texts if b"?" in text for name in texts(text) if "?" in name)
    return {name for name in asking if name.partition("?")[0] in type_ids()}


def resolve(store: Store, call: Call, wanted: Iterable[str], waiting: Iterable[Part]) -> Resolved:
    """Look every condition up among what is stored, and among the resources of the parts that wait."""
    found: dict[str, set[str]] = {name: set() for name in sorted(wanted)}
    problems: dict[str, Problem] = {}
    names = iter(found)
    while some := list(islice(names, AT_ONCE)):
        store.database.read(partial(_stored, store, call, some, found, problems))
    _waiting(found, waiting)
    for name, addresses in found.items():
        if len(addresses) != 1 and name not in problems:
            error = _unresolved(name) if not addresses else _ambiguous(name)
            problems[name] = error.code, error.told
    return Resolved({name: next(iter(found[name])) for name in found if name not in problems}, problems)


def _stored(
    store: Store,
    call: Call,
    some: list[str],
    found: dict[str, set[str]],
    problems: dict[str, Problem],
    unit: "Unit",
) -> None:
    known = store.repository.own.known(unit, call.tenant)
    terminology = store.repository.terminology(call.tenant)
    for name in some:
        type_name, _, query = name.partition("?")
        condition = parse_qsl(query, keep_blank_values=True)
        try:
            matches = find_matches(
                *(unit, call.tenant, type_name, condition), limit=2, terminology=terminology, known=known
            )
        except Incorrect as error:
            problems[name] = error.code, error.told
        else:
            found[name] |= {f"{type_name}/{match.id}" for match in matches}


def _waiting(found: Mapping[str, set[str]], parts: Iterable[Part]) -> None:
    """Add the resources that are still to be loaded, by their identifiers: other parameters know only the store."""
    asked: dict[tuple[str, str], list[str]] = {}
    for name in found:
        type_name, _, query = name.partition("?")
        condition = parse_qsl(query, keep_blank_values=True)
        if len(condition) == 1 and condition[0][0] == "identifier":
            asked.setdefault((type_name, condition[0][1]), []).append(name)
    for part in parts if asked else ():
        for address, token in _identified(part):
            for name in asked.get((address.partition("/")[0], token), ()):
                found[name].add(address)


def _identified(part: Part) -> Iterator[tuple[str, str]]:
    """The addresses of a part's resources with each way to ask for their identifiers."""
    for entry in entries(part, []):
        head = head_of(entry.text)
        logical_id = (head.id or entry.id) if head is not None else None
        if head is None or logical_id is None or head.identifier is None:
            continue
        for one in head.identifier if isinstance(head.identifier, list) else [head.identifier]:
            if one.value is not None:
                for token in (f"{one.system}|{one.value}", one.value):
                    yield f"{head.resourceType}/{logical_id}", token


def shown(name: str) -> str:
    """A condition without what it asks for, which may be somebody's number."""
    type_name, _, query = name.partition("?")
    return f"{type_name}?{'&'.join(f'{key}=...' for key, _ in parse_qsl(query, keep_blank_values=True))}"


def _unresolved(name: str) -> Incorrect:
    return Incorrect(
        REFERENCE_UNRESOLVED,
        f"The reference {shown(name)} matches nothing that is stored or in this load",
        field="reference",
        hint="Load the file that has it together with this one, or before it",
    )


def _ambiguous(name: str) -> Conflict:
    return Conflict(
        MULTIPLE_MATCHES,
        f"The reference {shown(name)} matches several resources",
        field="reference",
        hint=f"Refer to one of them as {name.partition('?')[0]}/id, or merge them, and load the file again",
    )
