"""From a request to the answer of its question."""

from typing import Any

from kiungo.base.errors import KiungoError
from kiungo.fhir.graphql.document import Question, read_question, wrong
from kiungo.fhir.graphql.executor import Executor
from kiungo.fhir.graphql.lookups import Lookups
from kiungo.fhir.operations.registry import Place
from kiungo.fhir.outcome import outcome_of
from kiungo.fhir.store import Store
from kiungo.kernel import json
from kiungo.kernel.http import Request, Response

TEXT_MAX = 100_000


async def answer(store: Store, request: Request, place: Place) -> Response:
    """The answer as GraphQL has it: `data`, or `errors` with an OperationOutcome each."""
    try:
        question = _question(request)
        lookups = Lookups(store, request.call)
        executor = Executor(question, lookups)
        if place.id:
            data = await executor.on_resource(await lookups.read(place.type, place.id))
        else:
            data = await executor.on_system()
    except KiungoError as error:
        told = {"message": error.told, "extensions": {"code": error.code, "resource": outcome_of(error)}}
        return Response.json({"errors": [told]}, error.http_status)
    return Response.json({"data": data})


def _question(request: Request) -> Question:
    given: dict[str, Any] = dict(request.query)
    if request.method == "POST" and request.body:
        if request.raw_headers.get(b"content-type", b"").startswith(b"application/graphql"):
            given["query"] = request.body.decode("utf-8", "replace")
        else:
            sent = json.loads(request.body)
            if not isinstance(sent, dict):
                raise wrong("The body is not an object", "Send query, variables and operationName", "body")
            given.update(sent)
    text, variables = given.get("query"), given.get("variables") or {}
    if isinstance(variables, str):
        variables = json.loads(variables)
    if not isinstance(text, str) or not text.strip() or len(text) > TEXT_MAX:
        raise wrong(f"There is no query, or it is longer than {TEXT_MAX} characters", "Send it as `query`")
    if not isinstance(variables, dict):
        raise wrong("The variables are not an object", "Send them by name", "variables")
    name = given.get("operationName")
    return read_question(text, name if isinstance(name, str) else None, variables)
