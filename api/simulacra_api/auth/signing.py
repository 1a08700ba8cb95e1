"""Signing keys of the built-in issuer, and their rotation by the clock.

One Secret holds the active key, the next one (published before it signs), retired ones (kept until
their tokens have expired), and the key of download links and claim tokens.

Each key has the time from which it signs; the newest key whose time has come is active. So all
processes switch at the same moment without coordination, and verifiers had the whole period to see
the next key. When a next key becomes active, the first process that reads the Secret adds another.
The write is conditional: a process that loses uses the keys of the winner.
"""

import base64
import json
import secrets
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joserfc.jwk import ECKey, KeySet

from simulacra_crds.kube.client import SECRETS, AlreadyExists, Cluster, Conflict, Object
from simulacra_crds.names import clients_namespace

SECRET_NAME = "oauth-signing-keys"  # noqa: S105 - a name
RELOAD_SECONDS = 60.0
"""Maximum age of cached keys."""
MISS_SECONDS = 5.0
"""Maximum age of cached keys when a token names an unknown key."""
PERIOD_SECONDS = 30 * 86_400
"""How long a key signs; its successor is published that long before it signs."""
RETIRED_SECONDS = 86_400
"""How long a key verifies after it signed last: longer than any token lives, with leeway."""


@dataclass(frozen=True)
class _TimedKey:
    """A private key, and the time (seconds since the epoch) from which it signs."""

    key: ECKey
    since: int


@dataclass(frozen=True)
class SigningKeys:
    """The keys now. `published` are the keys that verify: active, next, retired."""

    active: ECKey
    published: KeySet
    link_key: bytes

    def jwks(self) -> dict[str, Any]:
        """Return the JSON Web Key Set (RFC 7517), public parts only."""
        return dict(self.published.as_dict(private=False))


class SigningKeyStore:
    """Reads, creates and rotates the signing keys; caches them for a minute."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._timed: list[_TimedKey] = []
        self._link_key = b""
        self._keys: SigningKeys | None = None
        self._loaded = float("-inf")

    async def current(self, *, max_age: float = RELOAD_SECONDS) -> SigningKeys:
        """Return the keys, read at most `max_age` seconds ago.

        The same object as before, unless they were read again or another key signs now.
        """
        if time.monotonic() - self._loaded > max_age:
            secret = await self._rotated(await self._read_or_create())
            self._timed, self._link_key = _parse(secret)
            self._loaded = time.monotonic()
            self._keys = None
        active, others = _split(self._timed)
        if self._keys is None or self._keys.active is not active.key:
            published = KeySet([active.key, *(one.key for one in others)])
            self._keys = SigningKeys(active.key, published, self._link_key)
        return self._keys

    async def _read_or_create(self) -> Object:
        secret = await self._cluster.find(SECRETS, SECRET_NAME, clients_namespace())
        if secret is not None:
            return secret
        try:
            return await self._cluster.create(SECRETS, _new_secret(), clients_namespace())
        except AlreadyExists:  # by another process: its keys count
            return await self._cluster.get(SECRETS, SECRET_NAME, clients_namespace())

    async def _rotated(self, secret: Object) -> Object:
        """Return the Secret with a next key and without expired ones."""
        timed, _ = _parse(secret)
        wanted = _rotate(timed)
        if [one.since for one in wanted] == [one.since for one in timed]:
            return secret
        version = {"resourceVersion": secret["metadata"]["resourceVersion"]}
        patch = {"metadata": version, "data": {"keys.json": _encode(_dump(wanted))}}
        try:
            return await self._cluster.patch(SECRETS, SECRET_NAME, patch, clients_namespace())
        except Conflict:  # another process was first: its next key counts
            return await self._cluster.get(SECRETS, SECRET_NAME, clients_namespace())


def _split(timed: list[_TimedKey]) -> tuple[_TimedKey, list[_TimedKey]]:
    """Return the active key and the others: next ones, then retired ones from the newest on."""
    now = time.time()
    keys = sorted(timed, key=lambda one: one.since)
    begun = [one for one in keys if one.since <= now]
    coming = [one for one in keys if one.since > now]
    active = begun.pop() if begun else coming.pop(0)
    return active, [*coming, *reversed(begun)]


def _rotate(timed: list[_TimedKey]) -> list[_TimedKey]:
    """Return the keys that should exist now, by the time from which they sign."""
    now = int(time.time())
    keys = sorted(timed, key=lambda one: one.since)
    if not any(one.since > now for one in keys):
        keys.append(_TimedKey(_new_key(), now + PERIOD_SECONDS))
    ends = [following.since for following in keys[1:]]
    over = {one.since for one, end in zip(keys, ends, strict=False) if end + RETIRED_SECONDS <= now}
    return [one for one in keys if one.since not in over]


def _new_key() -> ECKey:
    return ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)


def _new_secret() -> Object:
    now = int(time.time())
    pair = [_TimedKey(_new_key(), now), _TimedKey(_new_key(), now + PERIOD_SECONDS)]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET_NAME},
        "type": "simulacra.dev/signing-keys",
        "data": {"keys.json": _encode(_dump(pair)), "link.key": _encode(secrets.token_bytes(32))},
    }


def _dump(timed: list[_TimedKey]) -> bytes:
    keys = [{"since": one.since, "key": one.key.as_dict(private=True)} for one in timed]
    return json.dumps(keys).encode()


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _parse(secret: Object) -> tuple[list[_TimedKey], bytes]:
    """Read the Secret. Keys of version 0.1 have no time: the first signs, the second is next."""
    data = secret["data"]
    created = secret["metadata"].get("creationTimestamp", "1970-01-01T00:00:00Z")
    timed = []
    for place, entry in enumerate(json.loads(base64.b64decode(data["keys.json"]))):
        since = entry.get("since")
        if since is None:
            since = int(datetime.fromisoformat(created).timestamp()) + place * PERIOD_SECONDS
        timed.append(_TimedKey(ECKey.import_key(entry.get("key", entry)), int(since)))
    return timed, base64.b64decode(data["link.key"])
