"""Style sheets, scripts and fonts of the pages, and their Content-Security-Policy."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
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
"""No inline code, nothing from another host, no form that leaves the page."""
HEADERS = {"Content-Security-Policy": CSP, "Cross-Origin-Opener-Policy": "same-origin"}
"""Headers of every page."""
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True)
class Asset:
    """A static file.

    Attributes:
        compressed: the same with gzip, None for a format that is compressed already.
    """

    content: bytes
    compressed: bytes | None
    media_type: str
    etag: str


@cache
def assets() -> dict[str, Asset]:
    """Return every asset by its path below `PATH`; they are read once per process."""
    found = sorted(path for path in STATIC.rglob("*") if path.suffix in _TYPES)
    return {path.relative_to(STATIC).as_posix(): _asset(path) for path in found}


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    compressed = None if path.suffix == ".woff2" else gzip.compress(content, mtime=0)
    etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    return Asset(content, compressed, _TYPES[path.suffix], etag)
