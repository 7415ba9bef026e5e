"""What may be written about a call: never a credential, a query value or a token in the path."""

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlsplit

HIDDEN = "***"
OPEN_HEADERS = frozenset(
    {
        "accept", "accept-encoding", "connection", "content-length", "content-type", "date", "host",
        "idempotency-key", "retry-after", "server", "user-agent", "webhook-id", "webhook-timestamp",
        "x-request-id",
    }
)  # fmt: skip
_TOKEN_LIKE = re.compile(r"(?=[^/]*[0-9])[A-Za-z0-9_~.=-]{24,}")
_URL = re.compile(r"https?://[^\s\"'<>]+")


def redact_url(url: str) -> str:
    """A URL without user, query values, fragment, or path parts that look like tokens."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return HIDDEN
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    path = _TOKEN_LIKE.sub(HIDDEN, parts.path)
    names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    query = "?" + "&".join(f"{name}={HIDDEN}" for name in names) if names else ""
    return f"{parts.scheme}://{host}{port}{path}{query}"


def redact_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers with every value hidden but those known to hold no credential."""
    return {name.lower(): value if name.lower() in OPEN_HEADERS else HIDDEN for name, value in headers}


def redact_text(text: str) -> str:
    """A message with the URLs in it redacted."""
    return _URL.sub(lambda found: redact_url(found.group()), text)
