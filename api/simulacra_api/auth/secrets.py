"""Client secrets: 256 random bits that are only ever stored as argon2id hashes.

Parameters are OWASP's second profile (19 MiB, t=2, p=1): 17 ms a check. Argon2's repository defaults
cost 230 ms, which gives anyone who can call the token endpoint a lever against the service.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

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
"""Checked when there is nothing to check, so that an unknown client takes as long as a wrong secret."""


def verify_secret(secret: str, hashes: Iterable[str]) -> bool:
    """Return whether the secret is one of those hashed (two at most are active while rotating).

    Takes about 17 ms a hash, and as long as one hash when there is none.
    """
    if len(secret) > MAX_SECRET_LENGTH:
        secret, hashes = "", ()
    found = False
    for hashed in list(hashes) or [_UNKNOWN]:
        try:
            found = _HASHER.verify(hashed, secret) or found
        except (VerificationError, InvalidHashError):
            continue
    return found
