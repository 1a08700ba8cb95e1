"""Digests that a client sends with an upload (RFC 9530), held against the bytes that arrive.

On the request, `Content-Digest` and `Repr-Digest` are of the whole form; on its part `file`, of the
file. What is in flight is the representation as it is, so the two mean the same here. Algorithms
other than SHA-256 and SHA-512 are left aside, as the RFC allows.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from simulacra_api.http.problems import Problem, invalid_field

FIELDS = ("content-digest", "repr-digest")
_MEMBER = re.compile(r"([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):")
_ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}


class DigestCheck:
    """Counts bytes in and says at the end whether they are those that were announced."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._expected: list[tuple[str, bytes]] = []
        self._running: dict[str, hashlib._Hash] = {}

    def __bool__(self) -> bool:
        """Return whether anything was announced."""
        return bool(self._expected)

    def expect(self, field: str) -> None:
        """Take a digest field's value.

        Raises:
            Problem: 400 when it is malformed.
        """
        for member in field.split(","):
            found = _MEMBER.fullmatch(member.strip())
            if found is None:
                raise invalid_field(
                    "",
                    f"the digest of the {self._where} must look like sha-256=:BASE64: (RFC 9530)",
                )
            name = _ALGORITHMS.get(found[1])
            if name is not None:
                self._expected.append((name, _decoded(found[2])))
                self._running.setdefault(name, hashlib.new(name))

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        for running in self._running.values():
            running.update(data)

    def verify(self) -> None:
        """Refuse (400) bytes that are not those that were announced."""
        for name, digest in self._expected:
            if not hmac.compare_digest(self._running[name].digest(), digest):
                raise Problem(
                    "simio_digest_mismatch",
                    f"The {self._where} that arrived is not what its digest says",
                )


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:  # then it matches nothing
        return b""
