"""How a route is described: what it takes, what it answers, and every refusal in the documented shape."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

Schema = Mapping[str, Any]
Operation = dict[str, Any]
JSON: Final = "application/json"
REFUSED: Final = "BookingRefusal"
COMPONENTS: Final[Mapping[str, Schema]] = {
    REFUSED: {
        "description": "Why a call was refused: a sentence and its cause, or the wrong fields, each with sentences.",
        "type": "object",
        "required": ["success"],
        "properties": {
            "success": {"const": False},
            "message": {"type": "string", "examples": ["Facility not found"]},
            "error": {"type": "string", "examples": ["No facility found with FR code 'FID-INVALID-CODE'"]},
            "errors": {
                "type": "object",
                "additionalProperties": {"type": "array", "items": {"type": "string"}},
                "examples": [{"services.0.serviceDate": ["The services.0.serviceDate must be a valid date."]}],
            },
        },
        "anyOf": [{"required": ["message", "error"]}, {"required": ["errors"]}],
    }
}
"""What the routes' operations refer to; for the site that serves them."""
OBJECT: Final[Schema] = {"type": "object"}
TEXT: Final[Schema] = {"type": "string"}
AMOUNT: Final[Schema] = {"type": "number", "description": "Shillings, at most two decimals", "examples": [15000.00]}
LIMIT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
_READS: Final = {
    400: "The request cannot be read.",
    401: "The credential is missing or opens nothing.",
    403: "The credential may not do this.",
    404: "There is no such thing, or not for this caller.",
    422: "A field or parameter is wrong; each is named.",
    429: "Too many requests; Retry-After says when to try again.",
    500: "Something failed on our side; the request id names it.",
    503: "Something needed is away; Retry-After says when to try again.",
}
_WRITES: Final = {
    408: "The body did not arrive in time.",
    409: "The thing changed meanwhile, or is not in a state that allows this.",
    413: "The body is larger than the limit.",
}
_RETRY_AFTER: Final = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}


def operation(
    summary: str,
    answer: str,
    *,
    tag: str,
    writes: bool = False,
    status: str = "200",
    schema: Schema = OBJECT,
    body: Schema | None = None,
    body_required: bool = True,
    media: Sequence[str] = (JSON,),
    query: Mapping[str, Schema] | None = None,
    needed: Sequence[str] = (),
    paths: Mapping[str, Schema] | None = None,
    media_out: str = JSON,
) -> Operation:
    """An OpenAPI operation with every status it can give.

    Shapes: `query` and `paths` are parameters by name, those in `needed` required; `media` is what a body may be.
    """
    found: Operation = {
        "summary": summary,
        "tags": [tag],
        "responses": {
            status: {"description": answer, "content": {media_out: {"schema": schema}}},
            **refusals(writes=writes),
        },
    }
    if body is not None:
        content = {kind: {"schema": body} for kind in media}
        found["requestBody"] = {"required": body_required, "content": content}
    parameters = [
        {"name": name, "in": "query", "required": name in needed, "schema": schema}
        for name, schema in (query or {}).items()
    ]
    parameters += [
        {"name": name, "in": "path", "required": True, "schema": schema} for name, schema in (paths or {}).items()
    ]
    if parameters:
        found["parameters"] = parameters
    return found


def one(schema: Schema) -> Schema:
    """The answer that holds one thing."""
    return _answer(schema)


def many(schema: Schema) -> Schema:
    """The answer that holds a page of things; `next` is the cursor of the following page, null on the last."""
    found = dict(_answer({"type": "array", "items": schema}))
    return {**found, "properties": {**found["properties"], "next": {"type": ["string", "null"]}}}


def fields(required: Sequence[str] = (), **properties: Schema) -> Schema:
    """An object with these fields."""
    found: dict[str, Any] = {"type": "object", "properties": properties}
    return found | ({"required": list(required)} if required else {})


def text(most: int = 200, *, description: str = "") -> Schema:
    """A text that may not be empty."""
    found: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": most}
    return found | ({"description": description} if description else {})


def words(*choices: str) -> Schema:
    """One of some words."""
    return {"type": "string", "enum": list(choices)}


def _answer(data: Schema) -> Schema:
    return {"type": "object", "required": ["success", "data"], "properties": {"success": {"const": True}, "data": data}}


def refusals(*, writes: bool = False) -> dict[str, Any]:
    """Every status a call can be refused with."""
    content = {JSON: {"schema": {"$ref": f"#/components/schemas/{REFUSED}"}}}
    found: dict[str, Any] = {}
    for status, description in sorted({**_READS, **(_WRITES if writes else {})}.items()):
        found[str(status)] = {"description": description, "content": content}
        if status in (429, 503):
            found[str(status)] = {**found[str(status)], "headers": dict(_RETRY_AFTER)}
    return found
