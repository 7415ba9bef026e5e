"""Routes of the registered operations."""

from collections.abc import Iterable

from kiungo.fhir.http.negotiation import Handler, negotiated
from kiungo.fhir.operations.registry import Operation, Place
from kiungo.fhir.store import Store
from kiungo.kernel.auth.scopes import ANY_CREDENTIAL
from kiungo.kernel.http import Request, Response, Route

HIDDEN = {"x-hidden": True}


def operation_routes(store: Store, operations: Iterable[Operation]) -> list[Route]:
    """A route for each operation, level, type and method."""
    found: list[Route] = []
    for operation in operations:
        for path, type_name in operation.places():
            bound = _bound(store, operation, type_name)
            handler = bound if operation.has_own_formats else negotiated(bound)
            scope = f"system/{type_name or '*'}.{operation.interactions}"
            found += [
                Route(
                    method,
                    f"/fhir{path}",
                    handler,
                    scope=ANY_CREDENTIAL if operation.is_open else scope,
                    api="fhir",
                    openapi=HIDDEN,
                    body_bytes_max=operation.body_bytes_max,
                )
                for method in operation.methods
            ]
    return found


def _bound(store: Store, operation: Operation, type_name: str) -> Handler:
    async def handle(request: Request) -> Response:
        return await operation.handler(store, request, Place(type_name, request.params.get("id", "")))

    handle.__doc__ = operation.handler.__doc__
    return handle
