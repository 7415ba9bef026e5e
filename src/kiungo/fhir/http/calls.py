"""Operations and the CapabilityStatement inside a batch: each is called as its own request would call it.

They run before the batch's unit of work, for an operation begins units of its own; entries of a batch know nothing of
each other. A transaction has one unit for all, so it takes none.
Source: FHIR R4 3.1.0.11.1 (batch processing rules).
"""

import base64
from collections.abc import Mapping
from urllib.parse import unquote

from kiungo.base.errors import Incorrect, KiungoError, NotFound, define
from kiungo.fhir import bundles
from kiungo.fhir.definitions import type_ids
from kiungo.fhir.http.negotiation import FHIR_JSON, Handler
from kiungo.fhir.interactions.bundle_parts import BUNDLE_WRONG, OperationCall, Work, wrong_entry
from kiungo.fhir.operations.registry import OPERATIONS, Operation, Place
from kiungo.fhir.outcome import outcome_of
from kiungo.fhir.store import Store
from kiungo.kernel import json
from kiungo.kernel.auth.decision import require
from kiungo.kernel.http import Request, Response

OPERATION_UNKNOWN = define("OPERATION_UNKNOWN", NotFound, "An entry of a batch calls an operation that is not here.")
CALLS_MAX = 100


async def call_all(store: Store, request: Request, work: Work, metadata: Handler) -> Mapping[int, bytes]:
    """The answers of a batch's operations by position. Raises: Incorrect when they are too many."""
    if len(work.calls) > CALLS_MAX:
        raise Incorrect(
            BUNDLE_WRONG,
            f"The batch calls more than {CALLS_MAX} operations",
            field="Bundle.entry",
            hint="Send several batches",
        )
    answers: dict[int, bytes] = {}
    for call in work.calls:
        try:
            answers[call.position] = _entry(await _answered(store, request, call, metadata))
        except KiungoError as error:
            answers[call.position] = bundles.refusal(error.http_status, outcome_of(error))
    return answers


async def _answered(store: Store, request: Request, call: OperationCall, metadata: Handler) -> Response:
    if call.steps == ("metadata",):
        return await metadata(_request(request, call, {}))
    operation, place = _meant(call)
    if not operation.is_open:
        require(request.call.principal, f"system/{place.type or '*'}.{operation.interactions}")
    if operation.body_bytes_max is not None and len(call.body) > operation.body_bytes_max:
        raise wrong_entry("has a larger resource than its operation takes")
    return await operation.handler(store, _request(request, call, {"id": place.id} if place.id else {}), place)


def _meant(call: OperationCall) -> tuple[Operation, Place]:
    """The operation of an address such as `Patient/42/$everything`. Raises: NotFound, Incorrect."""
    *where, last = call.steps
    name = last.removeprefix("$")
    place = Place(*(unquote(step) for step in where))
    level = "instance" if place.id else "type" if place.type else "system"
    for operation in OPERATIONS.all():
        if operation.name != name or level not in operation.levels:
            continue
        if place.type and place.type not in (operation.types or type_ids()):
            continue
        if call.method not in operation.methods:
            raise wrong_entry(f"calls ${name} by {call.method}; it takes {' or '.join(operation.methods)}")
        return operation, place
    raise NotFound(
        OPERATION_UNKNOWN,
        f"There is no operation {'/'.join(call.steps)[:100]}",
        hint="See the operations in /fhir/metadata",
    )


def _request(request: Request, call: OperationCall, params: Mapping[str, str]) -> Request:
    """The entry as a request of its own, by the same caller; a key of the batch is not one of its entries."""
    return Request(
        call.method,
        "/fhir/" + "/".join(call.steps),
        request.template,
        params,
        call.query.encode(),
        {b"content-type": FHIR_JSON} if call.body else {},
        call.body,
        request.call,
        request.keeper,
    )


def _entry(found: Response) -> bytes:
    """The entry of an answer; what is no resource, such as a table, goes as a Binary."""
    body = found.body
    if body and not found.media_type.startswith(b"application/fhir+json"):
        content = base64.b64encode(body).decode("ascii")
        kind = found.media_type.decode("ascii").partition(";")[0]
        body = json.dumps({"resourceType": "Binary", "contentType": kind, "data": content})
    shown = b'"resource":%b,' % body if body else b""
    status = json.dumps({"status": bundles.STATUS_TEXT.get(found.status, str(found.status))})
    return b'{%b"response":%b}' % (shown, status)
