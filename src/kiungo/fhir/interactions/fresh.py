"""The entries of a transaction that make new resources: asked about one by one, written all together."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kiungo.base.errors import KiungoError
from kiungo.fhir.interactions.bundle_parts import INTERACTIONS, Entry, placed
from kiungo.fhir.interactions.together import ALONE, taken
from kiungo.fhir.interactions.writing import admitted
from kiungo.fhir.model import POST, PUT, Prepared, Stored
from kiungo.fhir.store import Store
from kiungo.fhir.subsets import refuse_part
from kiungo.kernel.auth.decision import require
from kiungo.kernel.auth.principal import Call

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

TOGETHER_MAX = 500


def create_fresh(store: Store, unit: "Unit", call: Call, entries: Sequence[Entry]) -> dict[int, Stored]:
    """Write what is certainly new: creates, and updates of ids that nothing has. By position in the bundle.

    Every entry is asked what a single create or update is. Raises: the first refused entry's error.
    """
    certain = _certain(unit, call.tenant, entries)
    written: dict[int, Stored] = {}
    for method, number in (("POST", POST), ("PUT", PUT)):
        some = [entry for entry in entries if entry.method == method and entry.position in certain]
        ready = [_asked(store, call, entry) for entry in some]
        for start in range(0, len(some), TOGETHER_MAX):
            group = slice(start, start + TOGETHER_MAX)
            made = store.repository.create_all(unit, call, ready[group], number)
            written |= {entry.position: stored for entry, stored in zip(some[group], made, strict=True)}
    return written


def _certain(unit: "Unit", tenant: int, entries: Sequence[Entry]) -> set[int]:
    found = {entry.position for entry in entries if entry.method == "POST" and entry.type not in ALONE}
    by_type: dict[str, list[Entry]] = {}
    for entry in entries:
        # A condition's new resource may bring an id that is taken, which is an error of its own.
        if entry.method == "PUT" and entry.if_match is None and not entry.is_new and entry.type not in ALONE:
            by_type.setdefault(entry.type, []).append(entry)
    for name, some in by_type.items():  # their ids are locked: what is not there now stays away
        there = taken(unit, tenant, name, [str(entry.id) for entry in some])
        found |= {entry.position for entry in some if entry.id not in there}
    return found


def _asked(store: Store, call: Call, entry: Entry) -> Prepared:
    with placing(entry):
        assert entry.prepared is not None
        interaction = INTERACTIONS[entry.method]
        require(call.principal, f"system/{entry.type}.{interaction}")
        if entry.method == "PUT":
            refuse_part(entry.prepared)
        return admitted(store, call, interaction, entry.prepared, str(entry.id))


@contextmanager
def placing(entry: Entry) -> Iterator[None]:
    """An error inside says which entry it is about. Raises: that error."""
    try:
        yield
    except KiungoError as error:
        raise placed(error, entry.position) from error
