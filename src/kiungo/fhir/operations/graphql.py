"""$graphql on the whole server and on one resource.

Source: FHIR R4 3.1.4 (GraphQL), Resource-graphql.
"""

import asyncio
from importlib import import_module

from kiungo.fhir.operations.registry import DEFINITIONS, OPERATIONS, Operation, Place
from kiungo.fhir.store import Store
from kiungo.kernel.http import Request, Response


async def graphql(store: Store, request: Request, place: Place) -> Response:
    """The answer as GraphQL has it: `data`, or `errors` with an OperationOutcome each."""
    # Most servers are never asked: the language's five megabytes are loaded by the first question.
    answering = await asyncio.to_thread(import_module, "kiungo.fhir.graphql.answering")
    answered: Response = await answering.answer(store, request, place)
    return answered


OPERATIONS.add(
    Operation(
        "graphql",
        f"{DEFINITIONS}Resource-graphql",
        graphql,
        frozenset({"system", "instance"}),
        is_open=True,
        has_own_formats=True,
    )
)
