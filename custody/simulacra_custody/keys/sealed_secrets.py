"""Small secrets of a tenant that live outside the object store: sealed under a key that the tenant's key wraps.

AES-256-GCM with a key of its own for each box; the purpose is bound twice, to the wrapped key and to the box, so that
one cannot be put in the place of another. Destroying the tenant's key makes every box worthless.
"""

import base64
import binascii
import json
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from simulacra_custody.errors import KeyUnavailable
from simulacra_custody.keys.base import DATA_KEY_BYTES, KeyProvider

_NONCE_BYTES = 12


def seal(keys: KeyProvider, tenant: str, purpose: str, plaintext: bytes) -> str:
    """Return the plaintext sealed for this tenant and purpose, as printable text. Raises `KeyUnavailable`."""
    key, nonce = os.urandom(DATA_KEY_BYTES), os.urandom(_NONCE_BYTES)
    wrapped = keys.wrap(tenant, key, _context(tenant, purpose))
    box = nonce + AESGCM(key).encrypt(nonce, plaintext, purpose.encode())
    return json.dumps({"key": wrapped, "box": base64.b64encode(box).decode()})


def unseal(keys: KeyProvider, tenant: str, purpose: str, sealed: str) -> bytes:
    """Return what `seal` was given.

    Raises:
        KeyUnavailable: the tenant's key is gone, or this was sealed for another tenant or purpose, or was changed.
    """
    try:
        parts = json.loads(sealed)
        wrapped, box = str(parts["key"]), base64.b64decode(parts["box"], validate=True)
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise KeyUnavailable("a sealed secret is malformed") from None
    key = keys.unwrap(tenant, wrapped, _context(tenant, purpose))
    try:
        return AESGCM(key).decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], purpose.encode())
    except (InvalidTag, ValueError):
        raise KeyUnavailable("a sealed secret does not open for this purpose") from None


def reseal(keys: KeyProvider, tenant: str, purpose: str, sealed: str) -> str:
    """Return the same plaintext sealed under the newest version of the tenant's key; ``sealed`` itself if it is.

    Raises:
        KeyUnavailable: see `unseal`.
    """
    try:
        wrapped = str(json.loads(sealed)["key"])
    except (ValueError, KeyError, TypeError):
        raise KeyUnavailable("a sealed secret is malformed") from None
    if keys.is_current(tenant, wrapped):
        return sealed
    return seal(keys, tenant, purpose, unseal(keys, tenant, purpose, sealed))


def _context(tenant: str, purpose: str) -> dict[str, str]:
    return {"tenant": tenant, "purpose": purpose}
