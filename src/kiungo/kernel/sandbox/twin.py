"""What a twin is, and what goes in and out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from kiungo.kernel import json


class NoAnswer(Exception):
    """The twin hangs up without a word; whether it acted before, only the twin knows."""


@dataclass(frozen=True, slots=True)
class TwinRequest:
    """A request as the twin sees it. Shapes: header names are in lower case, `path` begins with /."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, method: str, target: str, headers: Mapping[str, str], body: bytes) -> "TwinRequest":
        """A request from the target as it stands in the request line."""
        parts = urlsplit(target)
        lowered = {name.lower(): value for name, value in headers.items()}
        return cls(method, parts.path, dict(parse_qsl(parts.query)), lowered, body)


@dataclass(frozen=True, slots=True)
class TwinResponse:
    """What the twin answers."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})

    @classmethod
    def json(cls, status: int, value: Any) -> "TwinResponse":
        """An answer in JSON."""
        return cls(status, json.dumps(value))


@dataclass(frozen=True, slots=True)
class Callback:
    """A message the twin sends by itself. Units: `due_us` microseconds UTC."""

    due_us: int
    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


class Twin(Protocol):
    """A stateful simulator of one outside system."""

    def handle(self, request: TwinRequest) -> TwinResponse:
        """Answer a request. Raises: NoAnswer to hang up."""
        ...

    def take_due(self, now_us: int) -> list[Callback]:
        """The callbacks due by now, in order; each is given out once."""
        ...
