"""Resumable downloads: the received part stays beside the target, under its ETag.

A file without a strong ETag (rows rendered as CSV or Arrow) starts again from the beginning.
"""

import base64
import hashlib
import re
from pathlib import Path
from typing import BinaryIO

import httpx2

from simulacra.errors import DownloadCorrupt
from simulacra.upload_io import OnBytes

_STRONG = re.compile(r'"([A-Za-z0-9._=-]{1,128})"')
_START = re.compile(r"bytes (\d+)-")
_DIGEST = re.compile(r"sha-256=:(.*?):?")


class Partial:
    """One download into one file: `TARGET.ETAG.part` until it is complete."""

    def __init__(self, target: Path, on_bytes: OnBytes | None = None) -> None:
        self._target = target
        self._on_bytes = on_bytes
        self._received = 0
        self._total: int | None = None
        self._out: BinaryIO | None = None
        self._digest = ""
        parts = target.parent.glob(f"{_escaped(target.name)}.*.part")
        self._part = min((path for path in parts if path.is_file()), default=None)
        self._resumable = self._part is not None

    @property
    def size(self) -> int:
        """Bytes that were received."""
        return self._part.stat().st_size if self._part is not None and self._part.exists() else 0

    def headers(self) -> dict[str, str]:
        """Return Range and If-Range (RFC 9110, section 14) for the rest; none without a part."""
        if not self._resumable or not self.size or self._part is None:
            return {}
        etag = self._part.name[len(self._target.name) + 1 : -len(".part")]
        return {"Range": f"bytes={self.size}-", "If-Range": f'"{etag}"'}

    def begin(self, response: httpx2.Response) -> None:
        """Open the file for a response: append if it has the rest, or else start again."""
        self._digest = response.headers.get("Repr-Digest", "")
        self._received = 0
        length = response.headers.get("Content-Length", "")
        self._total = int(length) if length.isdecimal() else None
        if self._part is not None and self._is_rest(response):
            self._received = self.size
            self._total = None if self._total is None else self._total + self._received
            self._out = self._part.open("ab")
            return
        self.discard()
        etag = _STRONG.fullmatch(response.headers.get("ETag", ""))
        self._resumable = etag is not None
        tag = etag[1] if etag else "whole"
        self._part = self._target.with_name(f"{self._target.name}.{tag}.part")
        self._out = self._part.open("wb")

    def _is_rest(self, response: httpx2.Response) -> bool:
        start = _START.match(response.headers.get("Content-Range", ""))
        return response.status_code == 206 and start is not None and int(start[1]) == self.size

    def write(self, chunk: bytes) -> None:
        """Append bytes."""
        assert self._out is not None
        self._out.write(chunk)
        self._received += len(chunk)
        if self._on_bytes:
            self._on_bytes(self._received, self._total)

    def pause(self) -> None:
        """Close the file, and remove it if it cannot be resumed."""
        if self._out is not None:
            self._out.close()
            self._out = None
        if not self._resumable:
            self.discard()

    def finish(self) -> int:
        """Check the server's digest, if any (RFC 9530), move the file to its target, return bytes.

        Raises:
            DownloadCorrupt: the digest differs; the received bytes are removed.
        """
        assert self._part is not None
        assert self._out is not None
        self._out.close()
        self._out = None
        if stated := _DIGEST.fullmatch(self._digest):
            with self._part.open("rb") as file:
                received = hashlib.file_digest(file, "sha256").digest()
            if base64.b64encode(received).decode() != stated[1]:
                self.discard()
                raise DownloadCorrupt(self._target.name)
        self._part.replace(self._target)
        return self._target.stat().st_size

    def discard(self) -> None:
        """Remove the received part."""
        if self._part is not None:
            self._part.unlink(missing_ok=True)
        self._part = None
        self._resumable = False


def _escaped(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)
