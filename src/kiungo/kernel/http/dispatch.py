"""From method and path to the endpoint that answers: a tree of path parts, literal before named.

A trailing slash never matters. `{name}` takes one part, a last `{name:path}` everything left.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from kiungo.kernel.http.messages import Handler

DURATION_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_PARAMETER = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)(?::([a-z]+))?\}\Z", re.ASCII)


_NOTHING_YET = [0] * (len(DURATION_BUCKETS_S) + 1)
"""Most of the thousands of endpoints are never asked: they share this one until they are."""


class Endpoint:
    """One method of one path template, and what was measured of it.

    `handler` is None when FastAPI answers. The figures are plain integers, since they are counted on the
    event loop's thread only; `measures` turns them into metrics.
    """

    __slots__ = (
        "api", "body_bytes_max", "buckets", "counts", "handler", "method", "names", "openapi", "owners", "public",
        "scope", "seconds", "template",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        template: str,
        *,
        handler: Handler | None,
        scope: str | None,
        api: str = "platform",
        body_bytes_max: int | None = None,
        openapi: Mapping[str, Any] | None = None,
        owners: tuple[str, ...] | None = None,
    ) -> None:
        self.method = method
        self.template = template
        self.handler = handler
        self.scope = scope
        self.public = scope is None
        self.api = api
        self.body_bytes_max = body_bytes_max
        self.openapi = openapi or {}
        self.owners = owners
        self.names: tuple[str, ...] = ()
        self.counts: dict[int, int] = {}
        self.buckets = _NOTHING_YET
        self.seconds = 0.0

    def __repr__(self) -> str:
        return f"{self.method} {self.template}"

    def observe(self, status: int, seconds: float) -> None:
        """Count one answer."""
        counts = self.counts
        if not counts:
            self.buckets = _NOTHING_YET.copy()
        counts[status] = counts.get(status, 0) + 1
        self.buckets[bisect_left(DURATION_BUCKETS_S, seconds)] += 1
        self.seconds += seconds


class _Node:
    __slots__ = ("literals", "methods", "named", "rest")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.named: _Node | None = None
        self.rest: _Node | None = None
        self.methods: dict[str, Endpoint] = {}


Found = tuple[dict[str, Endpoint], tuple[str, ...]]


class Dispatcher:
    """All endpoints of a site."""

    def __init__(self) -> None:
        self._root = _Node()
        self.endpoints: list[Endpoint] = []

    def add(self, endpoint: Endpoint) -> None:
        """Take an endpoint in. Raises: ValueError when its method and shape are taken already."""
        node = self._root
        names: list[str] = []
        parts = _parts(endpoint.template)
        for position, part in enumerate(parts):
            if "{" not in part:
                following = node.literals.get(part)
                if following is None:
                    following = node.literals[part] = _Node()
                node = following
                continue
            parameter = _PARAMETER.match(part)
            if parameter is None:
                raise ValueError(f"{endpoint}: a named part fills its place between slashes alone")
            names.append(parameter[1])
            if parameter[2] == "path":
                if position != len(parts) - 1:
                    raise ValueError(f"{endpoint}: a path parameter must come last")
                node.rest = node = node.rest or _Node()
            else:
                node.named = node = node.named or _Node()
        if endpoint.method in node.methods:
            raise ValueError(f"{endpoint} is declared twice, also as {node.methods[endpoint.method]}")
        endpoint.names = tuple(names)
        node.methods[endpoint.method] = endpoint
        self.endpoints.append(endpoint)

    def find(self, path: str) -> Found | None:
        """The endpoints of a path by method, and the values of its named parts; None for no such path."""
        parts = path.split("/")
        if not parts[-1]:
            del parts[-1]
        node: _Node | None = self._root
        values: list[str] = []
        for part in parts[1:]:
            following = node.literals.get(part)  # type: ignore[union-attr]  # the loop ends at None
            if following is None:
                following = node.named  # type: ignore[union-attr]
                values.append(part)
                if following is None or not part:
                    node = None
                    break
            node = following
        if node is not None and node.methods:
            return node.methods, tuple(values)
        return _search(self._root, parts, 1, ())


def _search(node: _Node, parts: list[str], position: int, values: tuple[str, ...]) -> Found | None:
    """The same with second thoughts: a literal part may lead nowhere where a named one would not."""
    if position >= len(parts):
        return (node.methods, values) if node.methods else None
    part = parts[position]
    literal = node.literals.get(part)
    if literal is not None:
        found = _search(literal, parts, position + 1, values)
        if found is not None:
            return found
    if node.named is not None and part:
        found = _search(node.named, parts, position + 1, (*values, part))
        if found is not None:
            return found
    if node.rest is not None and node.rest.methods:
        return node.rest.methods, (*values, "/".join(parts[position:]))
    return None


def _parts(template: str) -> list[str]:
    if not template.startswith("/"):
        raise ValueError(f"a path begins with a slash: {template!r}")
    return [part for part in template.split("/") if part]
