"""$meta of a type or of the whole server: the profiles, tags and labels that its current resources have.

Codes are in the index as hashes, so one resource of each is read for its words.
Source: FHIR R4 Resource-meta (system and type level).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kiungo.base.errors import Forbidden, Incorrect, Unavailable
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.guard import admit
from kiungo.fhir.history import types_present
from kiungo.fhir.indexing.index_rows import key_base
from kiungo.fhir.indexing.parameters import parameters_of
from kiungo.fhir.indexing.values import hash32, hash64
from kiungo.fhir.search.asked import SEARCH_TOO_COSTLY
from kiungo.fhir.store import SEARCH_DEADLINE_MS, Store
from kiungo.kernel import json
from kiungo.kernel.auth.decision import NOT_YOURS
from kiungo.kernel.auth.principal import Call
from kiungo.kernel.database.unit import DATABASE_DEADLINE

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

EACH_MAX = 1_000
CODED = {"security": "_security", "tag": "_tag"}
_PROFILES = "SELECT DISTINCT x.text FROM fhir_uri x WHERE x.k = ? ORDER BY x.text LIMIT ?"
_CODINGS = (
    "SELECT x.hash, x.system, min(x.rid) FROM fhir_token x WHERE x.k = ? GROUP BY x.hash, x.system "
    "ORDER BY x.hash, x.system LIMIT ?"
)
_BODY = "SELECT body FROM fhir_resource WHERE rid = ? AND deleted = 0"


async def meta_in_use(store: Store, call: Call, type_name: str) -> dict[str, Any]:
    """The Meta of what is in use; at most EACH_MAX of each kind and type. Raises: Forbidden, Incorrect."""
    admit(call)
    if call.principal.bindings:
        raise Forbidden(
            NOT_YOURS,
            "A credential bound to a patient cannot ask what all records have",
            hint="Ask for $meta of one resource",
        )

    def look(unit: "Unit") -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in [type_name] if type_name else sorted(_present(unit, call.tenant)):
            _add(unit, call.tenant, name, found)
        return found

    try:
        found = await store.database.read_async(look, deadline_ms=SEARCH_DEADLINE_MS)
    except Unavailable as error:
        if error.code != DATABASE_DEADLINE:
            raise
        raise Incorrect(
            SEARCH_TOO_COSTLY,
            "Looking through all resources needs more time than one question may take",
            hint="Ask for $meta of one type, or of one resource",
        ) from error
    store.note(call, "meta", type_name or "*", ())
    return found


def _present(unit: "Unit", tenant: int) -> Iterator[str]:
    numbers = set(types_present(unit, tenant))
    return (name for name, number in type_ids().items() if number in numbers)


def _add(unit: "Unit", tenant: int, type_name: str, found: dict[str, Any]) -> None:
    known = parameters_of(type_name)
    base = key_base(tenant)
    for (profile,) in unit.rows(_PROFILES, (base + known["_profile"].sources[0].key, EACH_MAX)):
        _put(found, "profile", profile)
    for member, code in CODED.items():
        for hashed, system, rid in unit.rows(_CODINGS, (base + known[code].sources[0].key, EACH_MAX)):
            body = unit.value(_BODY, (rid,))
            listed = json.loads(bytes(body)).get("meta", {}).get(member, []) if body is not None else []
            for coding in listed:
                if _hashes(coding) == (hashed, system):
                    _put(found, member, coding)


def _hashes(coding: dict[str, Any]) -> tuple[int, int]:
    return hash64(coding.get("code", "")), hash32(coding.get("system", ""))


def _put(found: dict[str, Any], member: str, value: Any) -> None:
    listed = found.setdefault(member, [])
    is_known = any(_key(value) == _key(other) for other in listed)
    if not is_known and len(listed) < EACH_MAX:
        listed.append(value)


def _key(value: Any) -> Any:
    return (value.get("system"), value.get("code")) if isinstance(value, dict) else value
