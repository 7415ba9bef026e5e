"""$convert: a resource from one format into another; the formats themselves are the request's and the answer's.

Source: FHIR R4 Resource-convert.
"""

from kiungo.fhir.http.negotiation import received
from kiungo.fhir.operations.parameters import wrong
from kiungo.fhir.operations.registry import DEFINITIONS, OPERATIONS, Operation, Place
from kiungo.fhir.outcome import FHIR_JSON
from kiungo.fhir.store import Store
from kiungo.fhir.validation import validate
from kiungo.kernel import json
from kiungo.kernel.http import Request, Response


async def convert(store: Store, request: Request, place: Place) -> Response:
    """The resource that was sent, in the format that was asked for. Nothing is stored."""
    text = received(request)
    if not text:
        raise wrong("body", "is empty", "Send a resource as JSON or XML")
    validate(json.loads(text))
    return Response(200, text, media_type=FHIR_JSON)


OPERATIONS.add(
    Operation(
        "convert",
        f"{DEFINITIONS}Resource-convert",
        convert,
        frozenset({"system"}),
        methods=("POST",),
        is_open=True,
    )
)
