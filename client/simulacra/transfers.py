"""Files on their way: what has arrived stays beside the target under its ETag, so that a later call goes on from there.

A file whose server gives no strong ETag (rows rendered as CSV or Arrow) starts anew.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import BinaryIO

import httpx2

from simulacra.errors import DownloadCorrupt
from simulacra.sending import OnBytes

_STRONG = re.compile(r'"([A-Za-z0-9._=-]{1,128})"')
_START = re.compile(r"bytes (\d+)-")


class Partial:
    """One download into one file: `TARGET.ETAG.part` until it is whole."""

    def __init__(self, target: Path, on_bytes: OnBytes | None = None) -> None:
        self._target, self._on_bytes = target, on_bytes
        self._arrived = 0
        self._total: int | None = None
        found = sorted(path for path in target.parent.glob(f"{_escaped(target.name)}.*.part") if path.is_file())
        self._part = found[0] if found else None
        self._out: BinaryIO | None = None
        self._digest = ""
        self._kept = bool(found)

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        return self._part.stat().st_size if self._part is not None and self._part.exists() else 0

    @property
    def resumable(self) -> bool:
        """Whether what has arrived can be gone on from."""
        return self._kept and self.size > 0

    def headers(self) -> dict[str, str]:
        """Return Range and If-Range (RFC 9110, section 14) that ask for the rest, if there is a beginning."""
        if not self.resumable or self._part is None:
            return {}
        etag = self._part.name[len(self._target.name) + 1 : -len(".part")]
        return {"Range": f"bytes={self.size}-", "If-Range": f'"{etag}"'}

    def begin(self, response: httpx2.Response) -> None:
        """Take the head of a response: go on where it does, else start anew."""
        start = _START.match(response.headers.get("Content-Range", ""))
        self._digest = response.headers.get("Repr-Digest", "")
        self._arrived, length = 0, response.headers.get("Content-Length", "")
        self._total = int(length) if length.isdecimal() else None
        if response.status_code == 206 and start and int(start.group(1)) == self.size and self._part is not None:
            self._arrived = self.size
            self._total = None if self._total is None else self._total + self._arrived
            self._out = self._part.open("ab")
            return
        self.discard()
        etag = _STRONG.fullmatch(response.headers.get("ETag", ""))
        self._kept = etag is not None
        self._part = self._target.with_name(f"{self._target.name}.{etag.group(1) if etag else 'whole'}.part")
        self._out = self._part.open("wb")

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        assert self._out is not None
        self._out.write(chunk)
        self._arrived += len(chunk)
        if self._on_bytes:
            self._on_bytes(self._arrived, self._total)

    def pause(self) -> None:
        """Close the file; what cannot be gone on from is removed."""
        if self._out is not None:
            self._out.close()
            self._out = None
        if not self._kept:
            self.discard()

    def finish(self) -> int:
        """Check the digest if the server gave one (RFC 9530), put the file in its place, and return its bytes.

        Raises:
            DownloadCorrupt: the bytes are not those that the service sent; they are removed.
        """
        assert self._part is not None
        assert self._out is not None
        self._out.close()
        self._out = None
        if self._digest.startswith("sha-256=:"):
            with self._part.open("rb") as file:
                arrived = hashlib.file_digest(file, "sha256").digest()
            if base64.b64encode(arrived).decode() != self._digest.removeprefix("sha-256=:").rstrip(":"):
                self.discard()
                raise DownloadCorrupt(self._target.name)
        self._part.replace(self._target)
        return self._target.stat().st_size

    def discard(self) -> None:
        """Remove what has arrived."""
        if self._part is not None:
            self._part.unlink(missing_ok=True)
        self._part, self._kept = None, False


def _escaped(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)
