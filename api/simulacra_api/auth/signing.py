"""Keys of the built-in issuer: a Secret with the key that signs, the next one (published before it
signs), those that signed before (kept until their tokens have expired), and the key of download
links and claim tokens.

Which key signs is decided by time alone: each has the moment from which it signs, and the newest of
those that have come is active. So all processes change over at once without a word, and a verifier
has had the whole period to see the next key. When a next key has become active, whichever process
reads the Secret first adds another; the write is conditional, and who loses takes what the winner
wrote.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joserfc.jwk import ECKey, KeySet

from simulacra_crds.contract.names import system_namespace
from simulacra_crds.kube.client import SECRETS, AlreadyExists, Cluster, Conflict, Object

SECRET_NAME = "oauth-signing-keys"  # noqa: S105 - a name
RELOAD_SECONDS = 60.0
"""Keys are read again when they are older than this, or than `MISS_SECONDS` when a token names an unknown key."""
MISS_SECONDS = 5.0
PERIOD_SECONDS = 30 * 86_400
"""How long a key signs; its successor is published for as long before."""
RETIRED_SECONDS = 86_400
"""A key verifies for so long after it signed last: longer than any token lives, with leeway for clocks."""


@dataclass(frozen=True)
class _TimedKey:
    """A private key, and from when (seconds since the epoch) it signs."""

    key: ECKey
    since: int


@dataclass(frozen=True)
class SigningKeys:
    """What the Secret holds. `published` has the public keys that verify, in the order active, next, retired."""

    active: ECKey
    published: KeySet
    link_key: bytes

    def jwks(self) -> dict[str, Any]:
        """Return the JSON Web Key Set (RFC 7517), public parts only."""
        return dict(self.published.as_dict(private=False))


class SigningKeyStore:
    """Reads the signing keys, makes them at first and rotates them in time; keeps them for a minute."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._timed: list[_TimedKey] = []
        self._link_key = b""
        self._keys: SigningKeys | None = None
        self._loaded = float("-inf")

    async def current(self, *, max_age: float = RELOAD_SECONDS) -> SigningKeys:
        """Return the keys, read at most `max_age` seconds ago; which of them signs is decided now.

        The same object as before, unless they were read again or another key signs.
        """
        if time.monotonic() - self._loaded > max_age:
            secret = await self._rotated(await self._read_or_make())
            self._timed, self._link_key = _parse(secret)
            self._loaded, self._keys = time.monotonic(), None
        active, others = _split(self._timed)
        if self._keys is None or self._keys.active is not active.key:
            self._keys = SigningKeys(
                active.key, KeySet([active.key, *(one.key for one in others)]), self._link_key
            )
        return self._keys

    async def _read_or_make(self) -> Object:
        secret = await self._cluster.find(SECRETS, SECRET_NAME, system_namespace())
        if secret is not None:
            return secret
        try:
            return await self._cluster.create(SECRETS, _new_secret(), system_namespace())
        except AlreadyExists:  # another process was first: its keys are the keys
            return await self._cluster.get(SECRETS, SECRET_NAME, system_namespace())

    async def _rotated(self, secret: Object) -> Object:
        """Return the Secret with a next key and without those whose time is over."""
        timed, _ = _parse(secret)
        wanted = _rotate(timed)
        if [one.since for one in wanted] == [one.since for one in timed]:
            return secret
        version = {"resourceVersion": secret["metadata"]["resourceVersion"]}
        patch = {"metadata": version, "data": {"keys.json": _encode(_dump(wanted))}}
        try:
            return await self._cluster.patch(SECRETS, SECRET_NAME, patch, system_namespace())
        except Conflict:  # another process was first: its next key is the next key
            return await self._cluster.get(SECRETS, SECRET_NAME, system_namespace())


def _split(timed: list[_TimedKey]) -> tuple[_TimedKey, list[_TimedKey]]:
    """Return the key that signs now, and the others: next ones first, then those that signed before, newest first."""
    now = time.time()
    begun = sorted((one for one in timed if one.since <= now), key=lambda one: one.since)
    coming = sorted((one for one in timed if one.since > now), key=lambda one: one.since)
    active = begun.pop() if begun else coming.pop(0)
    return active, [*coming, *reversed(begun)]


def _rotate(timed: list[_TimedKey]) -> list[_TimedKey]:
    """Return the keys that there should be now, by the time from which they sign."""
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
    return json.dumps(
        [{"since": one.since, "key": one.key.as_dict(private=True)} for one in timed]
    ).encode()


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _parse(secret: Object) -> tuple[list[_TimedKey], bytes]:
    """Read the Secret. Keys of version 0.1 have no time: the first signs, the second will after a period."""
    data = secret["data"]
    created = secret["metadata"].get("creationTimestamp", "1970-01-01T00:00:00Z")
    timed = []
    for place, entry in enumerate(json.loads(base64.b64decode(data["keys.json"]))):
        since = entry.get("since")
        if since is None:
            since = int(datetime.fromisoformat(created).timestamp()) + place * PERIOD_SECONDS
        timed.append(_TimedKey(ECKey.import_key(entry.get("key", entry)), int(since)))
    return timed, base64.b64decode(data["link.key"])
