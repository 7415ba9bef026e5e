"""The console's own files (style, htmx, icon), held in memory and cached for ever under a fingerprint."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from kiungo.base.errors import NotFound, define
from kiungo.kernel.http import Request, Response, Route

ASSET_NOT_FOUND = define("ASSET_NOT_FOUND", NotFound, "The console has no file of this name.")

FOLDER = Path(__file__).parent / "static"
ADDRESS = "/console/static/"
NOT_AN_API = {"x-hidden": True}
"""Pages are for people: the API's document leaves their routes out."""
TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".txt": b"text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its bytes, its media type, and the fingerprint that makes its address change with it."""

    body: bytes
    media_type: bytes
    fingerprint: str


def load_assets(folder: Path = FOLDER) -> dict[str, Asset]:
    """Every file of a known type in the folder, by name."""
    assets = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in TYPES:
            body = path.read_bytes()
            assets[path.name] = Asset(body, TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:12])
    return assets


ASSETS = load_assets()


def asset_address(name: str) -> str:
    """The address of a file, with its fingerprint. Raises: KeyError for a file that is not there."""
    return f"{ADDRESS}{name}?v={ASSETS[name].fingerprint}"


async def show_asset(request: Request) -> Response:
    """One file, or 304 when the browser holds it already. Raises: NotFound ASSET_NOT_FOUND."""
    asset = ASSETS.get(request.params["name"])
    if asset is None:
        raise NotFound(ASSET_NOT_FOUND, "There is no such file", hint="Reload the page")
    tag = f'"{asset.fingerprint}"'
    headers = (
        (b"etag", tag.encode()),
        (b"cache-control", b"public, max-age=31536000, immutable"),
    )
    if request.headers.get("if-none-match") == tag:
        return Response(304, b"", headers, media_type=asset.media_type)
    return Response(200, asset.body, headers, media_type=asset.media_type)


ROUTES = (Route("GET", ADDRESS + "{name}", show_asset, public=True, api="console", openapi=NOT_AN_API),)
