"""The API's documentation at /api/docs/: Swagger UI from our own files, so that it works offline."""

from importlib.resources import files

from kiungo.base.errors import NotFound
from kiungo.kernel import json
from kiungo.kernel.http.behind import NOTHING_HERE
from kiungo.kernel.http.messages import Request, Response
from kiungo.kernel.http.openapi import OpenApi
from kiungo.kernel.http.routes import Route

PUBLIC = ("GET /api/docs/", "GET /api/docs/{asset}", "GET /api/openapi.json")
CACHED = (b"cache-control", b"public, max-age=86400")
MEDIA_TYPES = {
    "swagger-ui-bundle.js": b"text/javascript; charset=utf-8",
    "swagger-ui.css": b"text/css; charset=utf-8",
    "favicon-32x32.png": b"image/png",
    "LICENSE": b"text/plain; charset=utf-8",
    "NOTICE": b"text/plain; charset=utf-8",
}
PAGE = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Kiungo API</title>
<link rel="icon" type="image/png" href="/api/docs/favicon-32x32.png">
<link rel="stylesheet" href="/api/docs/swagger-ui.css">
</head>
<body>
<div id="documentation"></div>
<script src="/api/docs/swagger-ui-bundle.js"></script>
<script src="/api/docs/start.js"></script>
</body>
</html>
"""
START = b"""window.ui = SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#documentation",
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
});
"""


def docs_routes(document: OpenApi) -> list[Route]:
    """The page, its files, and the OpenAPI document they show. Shapes: the document is rendered once."""
    folder = files("kiungo.kernel.http") / "static" / "swagger-ui"

    async def show_page(request: Request) -> Response:
        """The API documentation as a page; it needs no network."""
        return Response(200, PAGE, media_type=b"text/html; charset=utf-8")

    async def show_asset(request: Request) -> Response:
        """A file of that page."""
        asset = request.params["asset"]
        if asset == "start.js":
            return Response(200, START, media_type=b"text/javascript; charset=utf-8")
        media_type = MEDIA_TYPES.get(asset)
        if media_type is None:
            raise NotFound(NOTHING_HERE, "The documentation has no such file", hint="Open /api/docs/")
        return Response(200, (folder / asset).read_bytes(), (CACHED,), media_type=media_type)

    async def show_document(request: Request) -> Response:
        """The API as an OpenAPI document."""
        return Response(200, json.dumps(document.render()))

    return [
        Route("GET", "/api/docs/", show_page, public=True, openapi={"x-hidden": True}),
        Route("GET", "/api/docs/{asset}", show_asset, public=True, openapi={"x-hidden": True}),
        Route("GET", "/api/openapi.json", show_document, public=True, openapi={"x-hidden": True}),
    ]
