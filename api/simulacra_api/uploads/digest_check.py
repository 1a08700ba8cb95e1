"""Digests of arriving bytes (RFC 9530): those that a client announced, against what arrives.

On the request, `Content-Digest` and `Repr-Digest` cover the whole body; on a form's part `file`,
the file. There is no content coding, so the two mean the same. Algorithms other than SHA-256 and
SHA-512 are ignored, as the RFC allows.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence

from starlette.requests import Request

from simulacra_api.http.problems import Problem, invalid_field

DIGEST_FIELDS = ("content-digest", "repr-digest")
_DIGEST = re.compile(r"([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):")
_ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}


class DigestCheck:
    """Compares arriving bytes with the digests that were announced for them."""

    def __init__(self, subject: str, fields: Sequence[str] = ()) -> None:
        """Expect the digests in these digest fields; Problem 400 when one is malformed."""
        self._subject = subject
        self._expected: list[tuple[str, bytes]] = []
        self._running: dict[str, hashlib._Hash] = {}
        for value in fields:
            self.expect(value)

    def __bool__(self) -> bool:
        """Return whether any digest was announced."""
        return bool(self._expected)

    def expect(self, value: str) -> None:
        """Expect the digests in a digest field; Problem 400 when it is malformed."""
        for member in value.split(","):
            found = _DIGEST.fullmatch(member.strip())
            if found is None:
                form = "must look like sha-256=:BASE64: (RFC 9530)"
                raise invalid_field("", f"The digest of the {self._subject} {form}.")
            name = _ALGORITHMS.get(found[1])
            if name is not None:
                self._expected.append((name, _decoded(found[2])))
                self._running.setdefault(name, hashlib.new(name))

    def update(self, data: bytes) -> None:
        """Hash the next bytes."""
        for running in self._running.values():
            running.update(data)

    def verify(self) -> None:
        """Refuse (400) bytes that do not match their digests."""
        for name, digest in self._expected:
            if not hmac.compare_digest(self._running[name].digest(), digest):
                detail = f"The {self._subject} does not match its digest. Send it again."
                raise Problem("simio_digest_mismatch", detail)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:  # an empty digest matches nothing
        return b""


def digest_fields(request: Request) -> list[str]:
    """Return the values of a request's digest fields."""
    return [value for name in DIGEST_FIELDS for value in request.headers.getlist(name)]
