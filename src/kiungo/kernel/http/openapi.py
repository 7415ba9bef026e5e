"""One OpenAPI document for lean and FastAPI routes, with every status the pipeline itself can answer."""

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from kiungo.kernel.http.dispatch import Endpoint

SECURITY_SCHEMES = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "oauth2": {
        "type": "oauth2",
        "flows": {"clientCredentials": {"tokenUrl": "/oauth2/token", "scopes": {}}},
    },
}
EVERYWHERE = {
    400: "The request cannot be read.",
    404: "There is no such thing, or not for this caller.",
    429: "Too many requests; Retry-After says when to try again.",
    503: "Something needed is away; try again.",
}
WITH_CREDENTIAL = {401: "The credential is missing or opens nothing.", 403: "The credential may not do this."}
WITH_BODY = {
    408: "The body did not arrive in time.",
    409: "The thing changed meanwhile, or exists already.",
    413: "The body is larger than the limit.",
    422: "A field is wrong, or the Idempotency-Key was used with another request.",
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A repeat with the same key and request gets the first answer again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
}
REQUEST_ID = {"description": "Names this request in logs and audit.", "schema": {"type": "string"}}
_NAMED = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)(?::[a-z]+)?\}")


class OpenApi:
    """The document of a site, rendered when first asked for.

    Shapes: `components` are schemas the lean routes' operations refer to; `tags` says what each group of
    operations is for, and its order is theirs.
    """

    def __init__(
        self,
        *,
        title: str,
        version: str,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        components: Mapping[str, Any] | None = None,
    ) -> None:
        self._info = {"title": title, "version": version} | ({"description": description} if description else {})
        self._tags = dict(tags or {})
        self._components = dict(components or {})
        self._endpoints: Sequence[Endpoint] = ()
        self._app: FastAPI | None = None
        self._rendered: dict[str, Any] | None = None

    def describe(self, endpoints: Sequence[Endpoint], app: FastAPI) -> None:
        """Take the site's routes in, once it is built."""
        self._endpoints = endpoints
        self._app = app
        self._rendered = None

    def render(self) -> dict[str, Any]:
        """The whole document."""
        if self._rendered is None:
            self._rendered = self._build()
        return self._rendered

    def _build(self) -> dict[str, Any]:
        document: dict[str, Any] = {"openapi": "3.1.0", "paths": {}, "components": {}}
        if self._app is not None:
            document = get_openapi(title=self._info["title"], version=self._info["version"], routes=self._app.routes)
        document["info"] = self._info
        document["tags"] = [{"name": name, "description": text} for name, text in self._tags.items()]
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update(self._components)
        components["securitySchemes"] = SECURITY_SCHEMES
        paths: dict[str, Any] = document.setdefault("paths", {})
        for endpoint in self._endpoints:
            path = _NAMED.sub(r"{\1}", endpoint.template)
            if endpoint.handler is None:
                operation = paths.get(path, {}).get(endpoint.method.lower())
                _summarize(operation)
            elif endpoint.openapi.get("x-hidden"):
                continue
            else:
                operation = copy.deepcopy(dict(endpoint.openapi))
                paths.setdefault(path, {})[endpoint.method.lower()] = operation
            if operation is not None:
                complete(operation, endpoint)
        document["paths"] = dict(sorted(paths.items(), key=lambda entry: (self._place(entry[1]), entry[0])))
        return document

    def _place(self, operations: Mapping[str, Any]) -> int:
        """Where the group of a path's first operation stands; a group nobody described comes last."""
        names = list(self._tags)
        tags = next(iter(operations.values())).get("tags") or [""]
        return names.index(tags[0]) if tags[0] in names else len(names)


def _summarize(operation: dict[str, Any] | None) -> None:
    """The first sentence somebody wrote, instead of the summary FastAPI makes from a function's name."""
    if operation is None:
        return
    made_up = operation.get("operationId", "").partition("_api_")[0].replace("_", " ").title()
    written = operation.get("description", "").partition("\n")[0]
    if written and operation.get("summary", made_up) == made_up:
        operation["summary"] = written.rstrip(".")


def complete(operation: dict[str, Any], endpoint: Endpoint) -> None:
    """Add what the pipeline gives every route: its parameters, security and error answers."""
    parameters: list[dict[str, Any]] = operation.setdefault("parameters", [])
    described = {(parameter.get("in"), parameter.get("name")) for parameter in parameters}
    for name in endpoint.names:
        if ("path", name) not in described:
            parameters.append(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            )
    writes = endpoint.method not in ("GET", "HEAD")
    if writes and ("header", "Idempotency-Key") not in described:
        parameters.append(IDEMPOTENCY_KEY)
    if endpoint.scope is not None:
        operation.setdefault("security", [{"apiKey": []}, {"oauth2": [endpoint.scope]}])
        operation.setdefault("x-scope", endpoint.scope)
    responses: dict[str, Any] = operation.setdefault("responses", {})
    usual = {**EVERYWHERE, **(WITH_CREDENTIAL if endpoint.scope else {}), **(WITH_BODY if writes else {})}
    for status, description in usual.items():
        responses.setdefault(str(status), {"description": description})
    for response in responses.values():
        response.setdefault("headers", {}).setdefault("X-Request-ID", REQUEST_ID)
