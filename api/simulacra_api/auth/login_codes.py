"""Login codes: how a machine that has credentials signs a browser in, once.

A code is derived, not stored: client, times and a random id, with an HMAC-SHA256 (RFC 2104) of the
installation's key, so any process checks it. What is stored is its use (`Credentials.spend`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import struct
from dataclasses import dataclass

CODE_SECONDS = 300
"""Lifetime of a code."""
MAX_CODE_LENGTH = 256
CODE_PREFIX = "code:"
"""Begins the spent id of a code; that of a session is the `jti` of its token."""
_FIELDS = struct.Struct(">III12s")
_MAC_BYTES = 16
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")


@dataclass(frozen=True)
class LoginCode:
    """Content of a code. Times are seconds since the epoch.

    Attributes:
        client_id: the client that is signed in.
        issued: when the access token that asked for the code was issued.
        ends: when that token expires, and so the session.
        expires: until when the code can be used.
        id: random name of the code.
    """

    client_id: str
    issued: int
    ends: int
    expires: int
    id: bytes

    @property
    def spent_id(self) -> str:
        """Under which its use is recorded."""
        return CODE_PREFIX + self.id.hex()

    @classmethod
    def new(cls, client_id: str, issued: int, ends: int, now: int) -> LoginCode:
        """Return a code that can be used from now on, not longer than its token is valid."""
        expires = min(now + CODE_SECONDS, ends)
        return cls(client_id, issued, ends, expires, secrets.token_bytes(12))

    def text(self, key: bytes) -> str:
        """Return the code as it stands in a link: `client_id.base64url`."""
        fields = _FIELDS.pack(self.issued, self.ends, self.expires, self.id)
        content = fields + _mac(key, self.client_id, fields)
        return f"{self.client_id}.{base64.urlsafe_b64encode(content).decode()}"

    @classmethod
    def parse(cls, text: str, key: bytes, now: int) -> LoginCode | None:
        """Return an authentic code that has not expired, None for any other text."""
        client_id, _, encoded = text.rpartition(".")
        if len(text) > MAX_CODE_LENGTH or not _CLIENT.fullmatch(client_id):
            return None
        try:
            content = base64.b64decode(encoded, altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            return None
        fields, mac = content[: _FIELDS.size], content[_FIELDS.size :]
        if not hmac.compare_digest(mac, _mac(key, client_id, fields)):
            return None
        code = cls(client_id, *_FIELDS.unpack(fields))
        return code if now < code.expires else None


def _mac(key: bytes, client_id: str, fields: bytes) -> bytes:
    message = b"\x1f".join((b"login-code", client_id.encode(), fields))
    return hmac.digest(key, message, hashlib.sha256)[:_MAC_BYTES]
