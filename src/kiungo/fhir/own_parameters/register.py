"""Which search parameters a tenant has, and what writing a SearchParameter changes.

Asked at every write and search, so the answer is remembered for a moment; a parameter that was just added is
indexed by its job, which starts only when every process has looked again.
"""

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kiungo.base.errors import Conflict, define
from kiungo.base.time import SECOND_US
from kiungo.fhir.definitions import type_ids, type_names
from kiungo.fhir.indexing.extraction import Rows
from kiungo.fhir.indexing.own_values import with_own_rows
from kiungo.fhir.indexing.parameters import KEY_LIMIT, OWN_KEYS_FROM, Parameter
from kiungo.fhir.model import Prepared
from kiungo.fhir.own_parameters.reading import Definition, definitions_of
from kiungo.fhir.search.known import Known
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.jobs import enqueue

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

SEARCH_PARAMETER_TAKEN = define(
    "SEARCH_PARAMETER_TAKEN", Conflict, "Another SearchParameter has this code for the same type."
)
JOB = "fhir.reindex"
STANDARD_WALK = "standard:2"
LOOK_AGAIN_S = 1.0
# Longer than any process goes on with what it knew before.
JOB_DELAY_US = 3 * SECOND_US
_COLUMNS = "k, type, code, kind, expression, targets, url, state"


class OwnParameters:
    """The parameters of each tenant on one database; safe from any thread."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[float, Known]] = {}
        self._lock = threading.Lock()

    def known(self, unit: "Unit", tenant: int) -> Known:
        """Every search parameter of a tenant."""
        remembered = self._known.get(tenant)
        now_s = time.monotonic()
        if remembered is not None and now_s - remembered[0] < LOOK_AGAIN_S:
            return remembered[1]
        known = read_known(unit, tenant)
        with self._lock:
            self._known[tenant] = (now_s, known)
        return known

    def forget(self, tenant: int) -> None:
        """Look again at the next question."""
        with self._lock:
            self._known.pop(tenant, None)

    def rows(self, unit: "Unit", tenant: int, prepared: Prepared) -> Rows:
        """All index rows of a resource."""
        own = self.known(unit, tenant).own.get(prepared.type)
        return with_own_rows(prepared.rows, own.values(), prepared.tree) if own else prepared.rows

    def settle(self, unit: "Unit", call: Call, resource_id: str, tree: Mapping[str, Any] | None) -> None:
        """Make the tenant's parameters those of a SearchParameter as it is now; None when it was deleted.

        Raises: Incorrect SEARCH_PARAMETER_WRONG, Conflict SEARCH_PARAMETER_TAKEN.
        """
        tenant = call.tenant
        wanted = definitions_of(dict(tree)) if tree is not None else []
        rows = unit.rows(f"SELECT {_COLUMNS} FROM fhir_parameter WHERE tn = ? AND resource = ?", (tenant, resource_id))
        there = {_definition(row): int(row[0]) for row in rows}
        for definition, number in there.items():
            if definition not in wanted:
                self._remove(unit, tenant, definition, number)
        for definition in wanted:
            if definition not in there:
                _add(unit, tenant, resource_id, definition)
        if set(wanted) != set(there):
            unit.after_commit(lambda: self.forget(tenant))

    def _remove(self, unit: "Unit", tenant: int, definition: Definition, number: int) -> None:
        unit.execute("DELETE FROM fhir_parameter WHERE k = ?", (number,))
        unit.execute("DELETE FROM fhir_reindex WHERE tn = ? AND name = ?", (tenant, walk_name(number)))
        args = {"drop": number, "kind": definition.kind}
        enqueue(unit, JOB, args, tenant=tenant, run_at_us=unit.now_us + JOB_DELAY_US)


def _add(unit: "Unit", tenant: int, resource_id: str, definition: Definition) -> None:
    number_of_type = type_ids()[definition.type]
    taken = "SELECT 1 FROM fhir_parameter WHERE tn = ? AND type = ? AND code = ?"
    if unit.value(taken, (tenant, number_of_type, definition.code)):
        raise Conflict(
            SEARCH_PARAMETER_TAKEN,
            f"{definition.type} has an own search parameter {definition.code[:60]} already",
            field="SearchParameter.code",
            hint="Change that one, or choose another code",
        )
    number = unit.value(
        "INSERT INTO fhir_parameter (tn, resource, type, code, kind, expression, targets, url, state, changed_us) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'building', ?) RETURNING k",
        (
            *(tenant, resource_id, number_of_type, definition.code, definition.kind, definition.expression),
            *(" ".join(definition.targets), definition.url, unit.now_us),
        ),
    )
    if OWN_KEYS_FROM + number >= KEY_LIMIT:
        raise Conflict(
            SEARCH_PARAMETER_TAKEN, f"There were {number} own search parameters, and no more numbers are left"
        )
    start_walk(unit, tenant, walk_name(number))


def start_walk(unit: "Unit", tenant: int, name: str) -> None:
    """Begin to index what is stored, from the first record."""
    unit.execute(
        "INSERT INTO fhir_reindex (tn, name, state, position, upto, done, total, started_us, changed_us) "
        "VALUES (?, ?, 'building', 0, 0, 0, 0, ?, ?)",
        (tenant, name, unit.now_us, unit.now_us),
    )
    enqueue(unit, JOB, {"walk": name}, tenant=tenant, run_at_us=unit.now_us + JOB_DELAY_US)


def walk_name(number: int) -> str:
    """What the walk for an own parameter is called."""
    return f"parameter:{number}"


def read_known(unit: "Unit", tenant: int) -> Known:
    """A tenant's parameters as they are stored."""
    own: dict[str, dict[str, Parameter]] = {}
    for row in unit.rows(f"SELECT {_COLUMNS} FROM fhir_parameter WHERE tn = ?", (tenant,)):
        parameter = _definition(row).parameter(int(row[0]))
        own.setdefault(parameter.type, {})[parameter.code] = parameter
    walks = unit.rows("SELECT name, position, upto FROM fhir_reindex WHERE tn = ? AND state <> 'ready'", (tenant,))
    building: dict[int, int] = {}
    for name, position, upto in walks:
        key = 0 if name == STANDARD_WALK else OWN_KEYS_FROM + int(name.partition(":")[2])
        building[key] = int(position * 100 // upto) if upto else 0
    return Known(own, building)


def _definition(row: tuple[Any, ...]) -> Definition:
    _, number, code, kind, expression, targets, url, _ = row
    return Definition(type_names()[number], code, kind, expression, tuple(targets.split()), url)
