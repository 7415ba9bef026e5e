"""One call: send a message, once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from kiungo.base.errors import Incorrect, KiungoError
from kiungo.kernel import json
from kiungo.kernel.clients import CircuitOpen

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, CircuitOpen)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. Shapes: `status` 0 unless answered."""

    kind: Literal["answered", "not_sent", "no_answer"]
    status: int
    body: Mapping[str, Any]
    why: str = ""


def post_form(http: httpx.Client, url: str, fields: Mapping[str, str], api_key: str) -> Reply:
    """Send a form with the account's key."""
    headers = {"apiKey": api_key, "Accept": "application/json"}
    try:
        response = http.post(url, data=dict(fields), headers=headers)
    except (*_NEVER_SENT, Incorrect) as error:
        return Reply("not_sent", 0, {}, type(error).__name__)
    except httpx.HTTPError as error:
        return Reply("no_answer", 0, {}, type(error).__name__)
    try:
        body = json.loads(response.content)
    except KiungoError:
        body = {}  # a page of a proxy: its status is all there is to know
    return Reply("answered", response.status_code, body if isinstance(body, dict) else {})
