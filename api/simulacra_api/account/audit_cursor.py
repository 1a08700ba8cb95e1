"""Cursors of the audit log: sealed positions, each for one tenant.

A position counts the segments of all tenants, so in the clear it would tell how much others do.
"""

import base64
import hashlib
import hmac
import os
import re
from typing import Annotated

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import AfterValidator, WithJsonSchema

from simulacra_api.http.problems import invalid_field

PATTERN = "^[A-Za-z0-9_-]{48}$"
_NONCE_BYTES = 12
_HELP = "Must be next_cursor of an earlier page, or absent for the first page."


def _check(cursor: str) -> str:
    if not re.fullmatch(PATTERN, cursor):
        raise ValueError(_HELP)
    return cursor


AuditCursor = Annotated[
    str, AfterValidator(_check), WithJsonSchema({"type": "string", "pattern": PATTERN})
]


def seal(link_key: bytes, tenant_uid: str, position: int) -> str:
    """Return the cursor of a position."""
    nonce = os.urandom(_NONCE_BYTES)
    sealed = _cipher(link_key).encrypt(nonce, position.to_bytes(8), tenant_uid.encode())
    return base64.urlsafe_b64encode(nonce + sealed).decode()


def unseal(link_key: bytes, tenant_uid: str, cursor: str) -> int:
    """Return the position of a cursor; 400 for one that was not made for this tenant."""
    data = base64.urlsafe_b64decode(cursor)
    nonce, sealed = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
    try:
        return int.from_bytes(_cipher(link_key).decrypt(nonce, sealed, tenant_uid.encode()))
    except InvalidTag:
        raise invalid_field("/cursor", _HELP) from None


def _cipher(link_key: bytes) -> AESGCM:
    return AESGCM(hmac.digest(link_key, b"audit-cursor", hashlib.sha256))
