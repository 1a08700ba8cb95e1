"""What every page shares: the document around it, its Content-Security-Policy, and the assets beside this module."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

STATIC = Path(__file__).parent / "static"
PATH = "/assets"
CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing inline, nothing from elsewhere, no form that leaves the page."""
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_LINKS = (("/custody", "Custody map"), ("/console", "Console"), ("/__docs__/", "API"))


@dataclass(frozen=True)
class Asset:
    """A static file: its bytes, the same compressed (None where that saves nothing), media type and entity tag."""

    content: bytes
    compressed: bytes | None
    media_type: str
    etag: str


@cache
def assets() -> dict[str, Asset]:
    """Return every asset by its path below `PATH`, read once a process."""
    found = sorted(path for path in STATIC.rglob("*") if path.suffix in _TYPES)
    return {path.relative_to(STATIC).as_posix(): _asset(path) for path in found}


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    compressed = None if path.suffix == ".woff2" else gzip.compress(content, mtime=0)
    return Asset(
        content, compressed, _TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    )


def document(title: str, body: str, *, here: str, styles: tuple[str, ...], script: str) -> str:
    """Return an HTML document around a body that is escaped already.

    Args:
        title: of the page, plain text.
        body: what is inside `main`.
        here: path of the page, for the navigation.
        styles: names of style sheets besides the base.
        script: name of the ES module that brings the page to life.
    """
    sheets = "".join(
        f'<link rel="stylesheet" href="{PATH}/{name}">' for name in ("base.css", *styles)
    )
    links = "".join(
        f'<a href="{path}"{" aria-current=page" if path == here else ""}>{escape(label)}</a>'
        for path, label in _LINKS
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<title>{escape(title)} · Simulacra</title><link rel="icon" href="{PATH}/icon.svg" type="image/svg+xml">'
        f'<link rel="preload" href="{PATH}/vendor/inter.woff2" as="font" type="font/woff2" crossorigin>{sheets}'
        f'<script type="module" src="{PATH}/{script}"></script></head>\n<body>'
        '<a class="skip" href="#main">Skip to the content</a>'
        f'<header class="top"><a class="brand" href="/custody"><img src="{PATH}/icon.svg" alt="" width="22" '
        f'height="22">Simulacra</a><nav aria-label="Pages">{links}</nav></header>\n'
        f'<main id="main">{body}</main>\n</body></html>\n'
    )
