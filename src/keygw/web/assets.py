"""The pages' files as a server gives them out: read once, packed once, named by what is in them."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

PAGES: Final = {"": "home", "phone": "phone", "console": "console", "head-unit": "head_unit"}
"""A page's path -> its folder. A page is ``index.html`` there."""

SHELVES: Final = ("shared", "js", "vendor", "authorize")
"""What pages share; at the path of the same name."""

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""Nothing inline and nothing from elsewhere. ``connect-src 'self'`` takes the WebSockets of the same origin in."""

PAGE_HEADERS: Final = {
    "Content-Security-Policy": CSP,
    "Cache-Control": "no-cache",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}
"""``no-cache``: kept by the browser, and asked about each time, so that a page is never made of two releases."""

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_PACKED: Final = frozenset({".css", ".html", ".js", ".json", ".svg", ".webmanifest"})


@dataclass(frozen=True, slots=True)
class Asset:
    """A file. ``packed``: the same in gzip, ``None`` where that saves nothing. ``etag`` is quoted (RFC 9110 8.8.3)."""

    body: bytes = field(repr=False)
    packed: bytes | None = field(repr=False)
    media_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP server sends for an asset."""

    status: int
    body: bytes
    headers: dict[str, str]


def answer(path: str, accept_encoding: str = "", if_none_match: str = "") -> Answer | None:
    """The answer to a GET of ``path``, such as ``phone/`` or ``shared/base.css``; ``None`` if no page needs it."""
    asset = assets().get(path)
    if asset is None:
        return None
    headers = {**PAGE_HEADERS, "Content-Type": asset.media_type, "ETag": asset.etag}
    if asset.etag in (tag.strip().removeprefix("W/") for tag in if_none_match.split(",")):
        return Answer(304, b"", headers)
    if asset.packed is not None and _takes_gzip(accept_encoding):
        return Answer(200, asset.packed, {**headers, "Content-Encoding": "gzip"})
    return Answer(200, asset.body, headers)


@cache
def assets() -> dict[str, Asset]:
    """Path -> file, of everything that pages may fetch: nothing outside their folders can be named."""
    found: dict[str, Asset] = {}
    root = files("keygw.web")
    for path, folder in PAGES.items():
        place = f"{path}/" if path else ""
        for name, asset in _walk(root.joinpath(folder), ""):
            found[place + name] = asset
        if (index := found.get(f"{place}index.html")) is not None:
            found[place] = index
    for shelf in SHELVES:
        found.update(_walk(root.joinpath(shelf), f"{shelf}/"))
    return found


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, Asset]]:
    found: list[tuple[str, Asset]] = []
    if not folder.is_dir():
        return found
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name != "swagger-ui":  # the API page's own, which has a policy of its own
            found += _walk(entry, f"{prefix}{entry.name}/")
        elif (suffix := entry.name[entry.name.rfind(".") :]) in _TYPES:
            found.append((prefix + entry.name, _asset(entry.read_bytes(), suffix)))
    return found


def _asset(body: bytes, suffix: str) -> Asset:
    packed = gzip.compress(body, 9, mtime=0) if suffix in _PACKED else None
    if packed is not None and len(packed) >= len(body):
        packed = None
    return Asset(body, packed, _TYPES[suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _takes_gzip(accept_encoding: str) -> bool:
    """RFC 9110 12.5.3, as far as browsers go: named, and not with a weight of nothing."""
    for part in accept_encoding.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
