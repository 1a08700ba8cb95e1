"""Sealed secrets: small secrets of a tenant outside the object store, under the tenant's key.

AES-256-GCM with a new key for each secret, wrapped by the tenant's key. The purpose is bound to the
wrapped key and to the ciphertext, so that no secret can replace another. Destroying the tenant's
key makes all of them unreadable.
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
    """Return the plaintext sealed for a tenant and purpose, as text. Raises `KeyUnavailable`."""
    key = os.urandom(DATA_KEY_BYTES)
    nonce = os.urandom(_NONCE_BYTES)
    wrapped = keys.wrap(tenant, key, _context(tenant, purpose))
    box = nonce + AESGCM(key).encrypt(nonce, plaintext, purpose.encode())
    return json.dumps({"key": wrapped, "box": base64.b64encode(box).decode()})


def unseal(keys: KeyProvider, tenant: str, purpose: str, sealed: str) -> bytes:
    """Return the plaintext of `seal`.

    Raises:
        KeyUnavailable: the tenant has no key, or the text is altered or of another tenant or
            purpose.
    """
    wrapped = _field(sealed, "key")
    try:
        box = base64.b64decode(_field(sealed, "box"), validate=True)
    except binascii.Error:
        raise KeyUnavailable("a sealed secret is malformed") from None
    key = keys.unwrap(tenant, wrapped, _context(tenant, purpose))
    try:
        return AESGCM(key).decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], purpose.encode())
    except (InvalidTag, ValueError):
        raise KeyUnavailable("a sealed secret does not open for this purpose") from None


def reseal(keys: KeyProvider, tenant: str, purpose: str, sealed: str) -> str:
    """Return the secret sealed under the newest version of the tenant's key, unchanged if it is.

    Raises:
        KeyUnavailable: see `unseal`.
    """
    if keys.is_current(tenant, _field(sealed, "key")):
        return sealed
    return seal(keys, tenant, purpose, unseal(keys, tenant, purpose, sealed))


def _field(sealed: str, name: str) -> str:
    try:
        return str(json.loads(sealed)[name])
    except (ValueError, KeyError, TypeError):
        raise KeyUnavailable("a sealed secret is malformed") from None


def _context(tenant: str, purpose: str) -> dict[str, str]:
    return {"tenant": tenant, "purpose": purpose}
