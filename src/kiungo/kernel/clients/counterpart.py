"""An outside system that is asked over HTTP: one attempt each, and whatever is not an answer is Unavailable.

payer = Counterpart(http, base_url, code=PAYER_AWAY, name="The payer")
response = payer.send("GET", "/claims/", headers={...})
raise payer.away(f"answered {response.status_code}", response)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from kiungo.base.errors import KiungoError, Unavailable
from kiungo.kernel import json
from kiungo.kernel.clients.breaker import CircuitOpen

RETRY_AFTER_S = 30.0
RETRY_AFTER_S_MAX = 6 * 3_600.0


@dataclass(frozen=True, slots=True)
class Counterpart:
    """Who is asked. Shapes: `code` is of category Unavailable, `name` begins its sentences.

    Units: `wait_s` is how long to leave it alone when it does not say.
    """

    http: httpx.Client
    base_url: str
    code: str
    name: str
    hint: str = "It is asked again later"
    wait_s: float = RETRY_AFTER_S
    wait_s_max: float = RETRY_AFTER_S_MAX

    def close(self) -> None:
        """Let the kept connections go."""
        self.http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
        content: bytes = b"",
    ) -> httpx.Response:
        """Ask once. Raises: Unavailable when there is no answer."""
        try:
            return self.http.request(
                method,
                self.base_url + path,
                params=dict(query) if query else None,  # an empty one would cut off the path's own
                headers=dict(headers),
                content=content,
            )
        except CircuitOpen as error:
            raise self._unavailable("failed repeatedly", error.retry_after_s) from None
        except httpx.HTTPError as error:
            raise self._unavailable(f"did not answer ({type(error).__name__})", None) from None

    def object_in(self, response: httpx.Response) -> Mapping[str, Any]:
        """The JSON object of an answer. Raises: Unavailable: such an answer is a proxy's."""
        try:
            body = json.loads(response.content)
        except KiungoError:
            raise self.away("answered something that is not JSON", response) from None
        if not isinstance(body, dict):
            raise self.away("answered something that is not an object", response)
        return body

    def away(self, why: str, response: httpx.Response) -> Unavailable:
        """What to raise for an answer that is of no use, with the time the other side asked for."""
        return self._unavailable(why, retry_after_s(response))

    def _unavailable(self, why: str, after_s: float | None) -> Unavailable:
        wait_s = self.wait_s if after_s is None else min(max(after_s, 1.0), self.wait_s_max)
        return Unavailable(self.code, f"{self.name} {why}", hint=self.hint, retry_after_s=wait_s)


def retry_after_s(response: httpx.Response) -> float | None:
    """The time an answer asks for, in seconds or as a date by its own clock; None when it asks for none.

    Source: RFC 9110 section 10.2.3.
    """
    told = response.headers.get("retry-after", "").strip()
    if told.isdecimal():
        return float(told[:9])
    try:
        until, now = (parsedate_to_datetime(text) for text in (told, response.headers.get("date", "")))
        return max((until - now).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
