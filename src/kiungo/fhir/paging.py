"""Page links that nobody can alter: where the next page begins, sealed for one caller and one query.

A link holds values of the last row, never a row number, so nothing is skipped when rows come and go.
"""

import base64
import binascii
import hashlib
import hmac
import re
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from kiungo.base.errors import Incorrect, KiungoError, define
from kiungo.kernel import json
from kiungo.kernel.auth.principal import Call

PAGE_LINK_WRONG = define("PAGE_LINK_WRONG", Incorrect, "A page link was altered, or is another caller's.")

_SEAL_BYTES = 12
_PLAIN = re.compile(r"[A-Za-z0-9_.~:|,/$-]*")


class Seal:
    """Signs and checks page links with the server's key."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.sha256(b"kiungo fhir page link\0" + key).digest()

    def close(self, call: Call, place: str, text: list[tuple[str, str]], values: list[Any]) -> str:
        """The `_cursor` of the next page of the query `text` at `place` (a type, or a history's path)."""
        payload = json.dumps(values)
        return _text(payload + self._sign(call, place, text, payload))

    def open(self, call: Call, place: str, text: list[tuple[str, str]], cursor: str) -> list[Any]:
        """The values a cursor holds. Raises: Incorrect PAGE_LINK_WRONG."""
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            payload, seal = raw[:-_SEAL_BYTES], raw[-_SEAL_BYTES:]
            if hmac.compare_digest(seal, self._sign(call, place, text, payload)):
                values = json.loads(payload)
                if isinstance(values, list):
                    return [float(v) if isinstance(v, Decimal) else v for v in values]
        except (binascii.Error, ValueError, KiungoError):
            pass  # whatever is wrong with it, the answer is the same
        raise Incorrect(
            PAGE_LINK_WRONG,
            "The page link was altered, or belongs to another caller or search",
            field="_cursor",
            hint="Follow the next link as it was given, or search again",
        )

    def _sign(self, call: Call, place: str, text: list[tuple[str, str]], payload: bytes) -> bytes:
        about = json.dumps([call.tenant, call.principal.id, place, text])
        return hmac.new(self._key, about + b"\0" + payload, hashlib.sha256).digest()[:_SEAL_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def link(base: str, text: list[tuple[str, str]], cursor: str | None = None) -> str:
    """The URL of a search or one of its pages."""
    pairs = [*text, ("_cursor", cursor)] if cursor else text
    return base + ("?" + "&".join([f"{_quoted(n)}={_quoted(v)}" for n, v in pairs]) if pairs else "")


def _quoted(text: str) -> str:
    """A name or value as it stands in a URL; most need nothing, and finding that out is quicker than quoting."""
    return text if _PLAIN.fullmatch(text) else quote(text, safe=":|,/$")
