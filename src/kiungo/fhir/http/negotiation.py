"""Which format an answer has and a body came in; everything between is JSON.

`_format` outweighs `Accept`. A request that says nothing about formats passes untouched: it costs two look-ups.
Source: FHIR R4 3.1.0.1.10 (content types), 3.1.0.1.11 (_format), 3.1.0.1.12 (_pretty).
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache, partial

import msgspec

from kiungo.base.errors import Incorrect, Unsupported, define
from kiungo.fhir.xml import from_xml, to_xml
from kiungo.kernel import json
from kiungo.kernel.http import Request, Response

FORMAT_NOT_OFFERED = define("FORMAT_NOT_OFFERED", Unsupported, "Answers are JSON or XML only.", http=406)
MEDIA_TYPE_WRONG = define("MEDIA_TYPE_WRONG", Incorrect, "A body has a media type this route does not take.", http=415)

FHIR_JSON = b"application/fhir+json; charset=utf-8"
FHIR_XML = b"application/fhir+xml; charset=utf-8"
XML_NAMES = frozenset({"xml", "application/xml", "application/fhir+xml", "application/xml+fhir", "text/xml"})
JSON_NAMES = frozenset({"json", "application/json", "application/fhir+json", "application/json+fhir", "text/json"})
ANY_NAMES = frozenset({"*/*", "application/*", "*", "text/html", "text/*"})
VERSIONS = frozenset({"4.0", "4.0.1"})
_VERSION_OF = re.compile(rb"""fhirVersion\s*=\s*"?([^\s;"]*)""", re.IGNORECASE).search
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Format:
    """How an answer is written."""

    name: str = "json"
    is_pretty: bool = False


AS_IT_IS = Format()
# An error leaves through the pipeline, which knows no formats: the request's own is kept beside it.
_of_error: ContextVar[Format] = ContextVar("format of an error", default=AS_IT_IS)


def negotiated(handler: Handler) -> Handler:
    """The handler with formats around it."""

    def answer(request: Request) -> Awaitable[Response]:
        if _is_plain(request):
            return handler(request)
        return _around(handler, request)

    # The reference of routes tells what a handler does in the words of the handler itself.
    answer.__doc__ = handler.func.__doc__ if isinstance(handler, partial) else handler.__doc__
    return answer


def received(request: Request) -> bytes:
    """The body as JSON text. Raises: Incorrect MEDIA_TYPE_WRONG."""
    given = request.raw_headers.get(b"content-type")
    _refuse_encoding(request, given)
    if given is None or b"json" in given.lower():
        return request.body
    if given.partition(b";")[0].strip().lower().decode("latin-1") in XML_NAMES:
        return json.dumps(from_xml(request.body))
    raise Incorrect(
        MEDIA_TYPE_WRONG, "The body must be JSON or XML", field="Content-Type", hint="Send application/fhir+json"
    )


def _refuse_encoding(request: Request, given: bytes | None) -> None:
    """Refuse a compressed body, and one that says it is of another FHIR version. Raises: Incorrect MEDIA_TYPE_WRONG."""
    encoding = request.raw_headers.get(b"content-encoding", b"identity")
    if encoding.strip().lower() != b"identity":
        raise Incorrect(
            MEDIA_TYPE_WRONG,
            "A compressed body is not taken",
            field="Content-Encoding",
            hint="Send it uncompressed; kiungo fhir load reads compressed files",
        )
    version = _VERSION_OF(given) if given is not None and b"fhir" in given else None
    if version is not None and version[1].decode() not in VERSIONS:
        raise Incorrect(
            MEDIA_TYPE_WRONG,
            "The body is of another FHIR version",
            field="Content-Type",
            hint="Send FHIR R4 as application/fhir+json; fhirVersion=4.0",
        )


def written(response: Response, wanted: Format) -> Response:
    """An answer in the format that was asked for; one without a FHIR body as it is."""
    if wanted == AS_IT_IS or not response.body or not response.media_type.startswith(b"application/fhir+json"):
        return response
    if wanted.name == "xml":
        response.body = to_xml(json.loads(response.body), pretty=wanted.is_pretty)
        response.media_type = FHIR_XML
    elif wanted.is_pretty:
        response.body = msgspec.json.format(response.body, indent=2)
    return response


def written_error(response: Response) -> Response:
    """An error's answer in the format its request asked for."""
    wanted = _of_error.get()
    _of_error.set(AS_IT_IS)
    return written(response, wanted)


def _is_plain(request: Request) -> bool:
    headers, query = request.raw_headers, request.raw_query
    if query and (b"_format" in query or b"_pretty" in query or b"%5f" in query.lower()):
        return False
    accept = headers.get(b"accept")
    return accept is None or _accepted(accept) == "json"


async def _around(handler: Handler, request: Request) -> Response:
    wanted = _taken_from(request)
    _of_error.set(wanted)
    response = await handler(request)
    _of_error.set(AS_IT_IS)
    if wanted.name == "xml":
        return await asyncio.to_thread(written, response, wanted)
    return written(response, wanted)


def _taken_from(request: Request) -> Format:
    """The wanted format; its parameters stay in the query, so that the links of a page keep them."""
    name, is_pretty = "", False
    for key, value in request.query:
        if key == "_format":
            name = _named(value.replace(" ", "+"), "_format")  # an unescaped + arrives as a space
        elif key == "_pretty":
            is_pretty = value == "true"
    accept = request.raw_headers.get(b"accept")
    if not name and accept is not None:
        name = _accepted(accept)
        if not name:
            raise _not_offered(accept.decode("latin-1"), "Accept")
    return Format(name or "json", is_pretty)


def _named(text: str, field: str) -> str:
    plain = text.partition(";")[0].strip().lower()
    if plain in XML_NAMES:
        return "xml"
    if plain in JSON_NAMES or plain in ANY_NAMES:
        return "json"
    raise _not_offered(plain, field)


def _not_offered(text: str, field: str) -> Unsupported:
    return Unsupported(
        FORMAT_NOT_OFFERED,
        f"There is no answer in {text[:60]!r}",
        field=field,
        hint="Ask for application/fhir+json or application/fhir+xml, of fhirVersion 4.0",
    )


@lru_cache(maxsize=256)
def _accepted(accept: bytes) -> str:
    """The best format an Accept header takes; "" when it takes none of ours."""
    best, found = 0.0, ""
    for part in accept.decode("latin-1").split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if media_type == "text/html":
            return "json"  # a browser, which would take any XML before it
        name = "xml" if media_type in XML_NAMES else "json" if media_type in JSON_NAMES | ANY_NAMES else ""
        weight = next((_weight(p[2:]) for p in parameters if p.startswith("q=")), 1.0)
        if any(p.startswith("fhirversion=") and p[12:].strip('"') not in VERSIONS for p in parameters):
            continue
        if name and weight > best:
            best, found = weight, name
    return found


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
