"""Clients of the built-in issuer and their secrets, stored only as argon2id hashes.

Secret `client-<client_id>` in the clients' namespace holds the hashes. A client secret is 256
random bits. Parameters are OWASP's second profile (19 MiB, t=2, p=1): 17 ms a check. Argon2's
defaults cost 230 ms, a lever against the service for anyone who can call the token endpoint.
"""

import asyncio
import base64
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from simulacra_api.http.problems import Problem
from simulacra_crds.kube.client import SECRETS, Cluster, Object
from simulacra_crds.names import clients_namespace

CLIENT_ID = re.compile(r"[a-z0-9]([a-z0-9.-]{0,126}[a-z0-9])?")
"""Form of a client id: it is part of a Secret's name."""
SECRET_PREFIX = "sim_secret_"  # noqa: S105 - what secret scanners look for, not a secret
MAX_SECRET_LENGTH = 256
MAX_WAITING = 64
"""Checks of this process that run or wait; one more is refused."""
WATERMARK = "revoked-before"
"""Key of a client's Secret: tokens issued before this time are refused."""
SPENT = "spent"
"""Key of a client's Secret: ids of used login codes and ended sessions, with their expiry."""
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


def record_name(client_id: str) -> str:
    """Return the name of a client's Secret; an id that is no valid name is digested."""
    if CLIENT_ID.fullmatch(client_id):
        return secret_name(client_id)
    digest = hashlib.sha256(client_id.encode("utf-8", "surrogatepass")).hexdigest()
    return secret_name(f"x-{digest[:40]}")


def stored_list(data: Object | None, name: str) -> list[Any]:
    """Return a JSON list in a Secret's data, an empty one when it is absent."""
    return list(json.loads(base64.b64decode((data or {}).get(name, "") or b"W10=")))


def expiry_of(entry: Mapping[str, Any]) -> float:
    """Return when a stored hash expires (seconds since the epoch), infinity when never."""
    return float(entry.get("expires", "inf"))


def valid_entries(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the stored hashes that have not expired."""
    now = time.time()
    return [entry for entry in entries if expiry_of(entry) > now]


def trusted_entries(valid: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those of the valid hashes whose secret proves who the owner is: all if it is one.

    A former release marked secrets that a token alone led to; they prove nothing beside another.
    """
    return valid if len(valid) == 1 else [one for one in valid if not one.get("unproven")]


def watermark_of(data: Object | None) -> int:
    """Return before which time (seconds since the epoch) a client's tokens are revoked, or 0."""
    return int(base64.b64decode((data or {}).get(WATERMARK, "")) or b"0")


class Checked(NamedTuple):
    """Result of a check: whether the client exists, and the `iat` of its token, if it gets one."""

    known: bool
    issued: int | None


class Clients:
    """Checks client secrets, at most one per core at a time: each takes 19 MiB and 17 ms."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._slots = asyncio.Semaphore(os.cpu_count() or 1)
        self._waiting = 0

    async def authenticate(self, client_id: str, secret: str) -> Checked:
        """Check a secret; an unknown client takes as long as a wrong secret.

        The `iat` is the time of the read: a secret that is revoked while it is checked gives a
        token that is revoked as well.
        """
        now = int(time.time())
        data = await self._data(client_id)
        found = await self._matches(secret, valid_entries(stored_list(data, "hashes")))
        return Checked(data is not None, max(now, watermark_of(data)) if found else None)

    async def is_owner(self, client_id: str, secret: str) -> bool:
        """Return whether this secret proves who the owner of the client is."""
        data = await self._data(client_id)
        trusted = trusted_entries(valid_entries(stored_list(data, "hashes")))
        return await self._matches(secret, trusted)

    async def _matches(self, secret: str, entries: list[dict[str, Any]]) -> bool:
        if self._waiting >= MAX_WAITING:
            detail = "Too many secrets are being checked. Try again as Retry-After says."
            raise Problem("simio_unavailable", detail)
        hashes = [str(entry["hash"]) for entry in entries]
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(verify_secret, secret, hashes)
        finally:
            self._waiting -= 1

    async def _data(self, client_id: str) -> Object | None:
        if not CLIENT_ID.fullmatch(client_id):
            return None
        stored = await self._cluster.find(SECRETS, secret_name(client_id), clients_namespace())
        return stored and stored.get("data")
