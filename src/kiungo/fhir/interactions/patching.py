"""Patches as callers send them: read from a body or a bundle's entry, and applied to what is stored.

The result is validated and written as any update: patching is no way around a rule.
Source: FHIR R4 3.1.0.6 (patch), 3.1.0.11.1 (patches in bundles).
"""

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kiungo.base.errors import Incorrect, NotFound
from kiungo.fhir.http.negotiation import MEDIA_TYPE_WRONG
from kiungo.fhir.interactions.writing import match, put, refuse_change
from kiungo.fhir.model import RESOURCE_NOT_FOUND, RESOURCE_TYPE_WRONG, Prepared, Stored
from kiungo.fhir.packages.enforcing import conform
from kiungo.fhir.patch import fhirpath_patch, json_patch
from kiungo.fhir.prepare import prepare
from kiungo.fhir.references import rewritten
from kiungo.fhir.search.asked import Params
from kiungo.fhir.store import Store
from kiungo.fhir.xml import from_xml
from kiungo.kernel import json
from kiungo.kernel.auth.principal import Call

if TYPE_CHECKING:
    from kiungo.kernel.database import Unit

JSON_PATCH = "application/json-patch+json"
FORMATS = (JSON_PATCH, "application/fhir+json", "application/fhir+xml")


@dataclass(frozen=True, slots=True)
class Patch:
    """What to change. Shapes: a list of JSON Patch operations, or a Parameters resource of FHIRPath Patch."""

    content: Any

    def applied(self, resource: dict[str, Any]) -> dict[str, Any]:
        """The resource after the patch. Raises: Incorrect, naming the operation."""
        if isinstance(self.content, list):
            changed: Any = json_patch(resource, self.content)
            if not _has_empty(self.content):
                _leave_out_empty(changed)  # JSON Patch leaves [] where FHIR has no element at all
            return changed if isinstance(changed, dict) else {}
        return fhirpath_patch(resource, self.content)


def _has_empty(value: Any) -> bool:
    """Whether a list or object in it has nothing; the operations of a patch may be nothing."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(one in ({}, []) or _has_empty(one) for one in inner)


def _leave_out_empty(value: Any) -> None:
    """Take out the lists and objects that have nothing, those within others first."""
    if isinstance(value, dict):
        for name, inner in list(value.items()):
            _leave_out_empty(inner)
            if inner in ({}, []):
                del value[name]
    elif isinstance(value, list):
        for inner in value:
            _leave_out_empty(inner)
        value[:] = [inner for inner in value if inner not in ({}, [])]


def parse_patch(media_type: str, body: bytes) -> Patch:
    """Read a patch by its media type; plain JSON is a JSON Patch when it is a list. Raises: Incorrect."""
    name = media_type.partition(";")[0].strip().lower()
    if name in ("application/fhir+xml", "application/xml"):
        return Patch(from_xml(body))
    if name not in (JSON_PATCH, "application/json", "application/fhir+json"):
        raise Incorrect(
            MEDIA_TYPE_WRONG,
            f"A patch is not sent as {name[:60] or 'nothing'}",
            field="Content-Type",
            hint=f"Send {JSON_PATCH}, or Parameters as application/fhir+json",
        )
    content = json.loads(body)
    if name == JSON_PATCH and not isinstance(content, list):
        return Patch([content])  # whose refusal names what a JSON Patch is
    return Patch(content if isinstance(content, list | dict) else [content])


def parse_patch_entry(text: bytes) -> Patch:
    """Read the resource of a bundle's PATCH entry: Parameters, or a Binary with a JSON Patch. Raises: Incorrect."""
    resource = json.loads(text)
    if resource.get("resourceType") != "Binary":
        return Patch(resource)
    try:
        body = base64.b64decode(resource.get("data", ""), validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise Incorrect(
            MEDIA_TYPE_WRONG, "The Binary's data is not base64", field="Binary.data", hint="Encode the JSON Patch"
        ) from None
    return parse_patch(str(resource.get("contentType", "")), body)


def target(
    store: Store,
    unit: "Unit",
    call: Call,
    type_name: str,
    logical_id: str | None,
    condition: Params | None,
    *,
    lock: bool = False,
) -> Stored:
    """What a patch is to change, by id or as the one match of a condition; `lock` in the unit that also writes it.

    Raises: NotFound, Forbidden, Conflict.
    """
    if logical_id is None:
        found = match(store, unit, call, type_name, condition or ())
        if found is None:
            raise NotFound(RESOURCE_NOT_FOUND, f"The condition matches no {type_name}", hint="A patch creates nothing")
        logical_id = found.id
    if lock:
        store.repository.locked(unit, call, type_name, logical_id)
    refuse_change(store, unit, call, "u", type_name, logical_id, lock=lock)
    return store.repository.read(unit, call, type_name, logical_id)


def write_patched(store: Store, unit: "Unit", call: Call, prepared: Prepared, version: int) -> Stored:
    """Write what a patch made over this version. Raises: Conflict VERSION_CONFLICT when another came between."""
    return put(store, unit, call, prepared, prepared.id, None, version)._replace(outcome="patched")


def patched(store: Store, call: Call, current: Stored, patch: Patch) -> Prepared:
    """The current content with the patch applied, ready to be written over it. Raises: Incorrect."""
    changed = patch.applied(json.loads(current.body))
    if changed.get("resourceType") != current.type:
        raise Incorrect(
            RESOURCE_TYPE_WRONG, f"A patch cannot make something else of a {current.type}", field="resourceType"
        )
    prepared = prepare(rewritten(json.dumps(changed), {}, store.base_url), id=current.id)
    conform(store.libraries, call.tenant, prepared)
    return prepared
