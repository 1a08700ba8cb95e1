"""Keys of the built-in issuer: a Secret with the key that signs, the next one (published before it signs) and
the key of download links. Made once, by whichever process comes first; everybody else reads it.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

from joserfc.jwk import ECKey, KeySet

from simulacra_crds.cluster import SECRETS, AlreadyExists, Cluster, Object
from simulacra_crds.names import SYSTEM_NAMESPACE

SECRET_NAME = "oauth-signing-keys"  # noqa: S105 - a name
RELOAD_SECONDS = 60.0
"""Keys are read again when they are older than this, or than `MISS_SECONDS` when a token names an unknown key."""
MISS_SECONDS = 5.0


@dataclass(frozen=True)
class SigningKeys:
    """What the Secret holds. `published` has the public keys that verify, in the order active, next."""

    active: ECKey
    published: KeySet
    link_key: bytes

    def jwks(self) -> dict[str, Any]:
        """Return the JSON Web Key Set (RFC 7517), public parts only."""
        return dict(self.published.as_dict(private=False))


class SigningKeyStore:
    """Reads, and at first makes, the signing keys; keeps them for a minute."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._keys: SigningKeys | None = None
        self._loaded = 0.0

    async def current(self, *, max_age: float = RELOAD_SECONDS) -> SigningKeys:
        """Return the keys, at most `max_age` seconds old."""
        if self._keys is None or time.monotonic() - self._loaded > max_age:
            self._keys = _parse(await self._read_or_make())
            self._loaded = time.monotonic()
        return self._keys

    async def _read_or_make(self) -> Object:
        secret = await self._cluster.find(SECRETS, SECRET_NAME, SYSTEM_NAMESPACE)
        if secret is not None:
            return secret
        try:
            return await self._cluster.create(SECRETS, _new_secret(), SYSTEM_NAMESPACE)
        except AlreadyExists:  # another process was first: its keys are the keys
            return await self._cluster.get(SECRETS, SECRET_NAME, SYSTEM_NAMESPACE)


def _new_secret() -> Object:
    pair = [ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True) for _ in range(2)]
    data = {
        "keys.json": json.dumps([key.as_dict(private=True) for key in pair]).encode(),
        "link.key": secrets.token_bytes(32),
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET_NAME},
        "type": "simulacra.dev/signing-keys",
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }


def _parse(secret: Object) -> SigningKeys:
    data = secret["data"]
    keys = [ECKey.import_key(key) for key in json.loads(base64.b64decode(data["keys.json"]))]
    return SigningKeys(keys[0], KeySet(list(keys)), base64.b64decode(data["link.key"]))
