"""Clients of the built-in issuer and their secrets, stored only as argon2id hashes.

Secret `client-<client_id>` in the clients' namespace holds the hashes. A client secret is 256
random bits. Parameters are OWASP's second profile (19 MiB, t=2, p=1): 17 ms a check. Argon2's
defaults cost 230 ms, a lever against the service for anyone who can call the token endpoint.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from simulacra_crds.contract.names import clients_namespace
from simulacra_crds.kube.client import SECRETS, Cluster, Object

CLIENT_ID = re.compile(r"[a-z0-9]([a-z0-9.-]{0,126}[a-z0-9])?")
"""Form of a client id: it is part of a Secret's name."""
SECRET_PREFIX = "sim_secret_"  # noqa: S105 - what secret scanners look for, not a secret
MAX_SECRET_LENGTH = 256
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def new_secret() -> str:
    """Return a fresh client secret: the prefix and 256 random bits in base64url."""
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """Return the argon2id hash of a client secret, in PHC string format."""
    return _HASHER.hash(secret)


_UNKNOWN = hash_secret(new_secret())
"""Checked for a client without hashes, so that it takes as long as a wrong secret."""


def verify_secret(secret: str, hashes: Iterable[str]) -> bool:
    """Return whether the secret has one of these hashes (at most two during a rotation).

    Takes about 17 ms per hash, and as long as one hash when there is none.
    """
    if len(secret) > MAX_SECRET_LENGTH:
        secret, hashes = "", ()
    given = secret.encode("utf-8", "surrogatepass")  # JSON can hold a lone surrogate
    found = False
    for hashed in list(hashes) or [_UNKNOWN]:
        try:
            found = _HASHER.verify(hashed, given) or found
        except (VerificationError, InvalidHashError):
            continue
    return found


def secret_name(client_id: str) -> str:
    """Return the name of the Secret that holds a client's hashes."""
    return f"client-{client_id}"


def stored_list(data: Object | None, name: str) -> list[Any]:
    """Return a JSON list in a Secret's data, an empty one when it is absent."""
    return list(json.loads(base64.b64decode((data or {}).get(name, "") or b"W10=")))


def expiry_of(entry: Mapping[str, Any]) -> float:
    """Return when a stored hash expires (seconds since the epoch), infinity when never."""
    return float(entry.get("expires", "inf"))


class Clients:
    """Checks client secrets, at most one per core at a time: each takes 19 MiB and 17 ms."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._slots = asyncio.Semaphore(os.cpu_count() or 1)

    async def authenticate(self, client_id: str, secret: str) -> bool:
        """Return whether this client has this secret; an unknown client takes as long."""
        hashes = await self._hashes(client_id) if CLIENT_ID.fullmatch(client_id) else []
        async with self._slots:
            return await asyncio.to_thread(verify_secret, secret, hashes)

    async def _hashes(self, client_id: str) -> list[str]:
        stored = await self._cluster.find(SECRETS, secret_name(client_id), clients_namespace())
        if stored is None:
            return []
        now = time.time()
        entries = stored_list(stored.get("data"), "hashes")
        return [str(entry["hash"]) for entry in entries if expiry_of(entry) > now]
