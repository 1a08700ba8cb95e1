"""Client secrets: argon2id hashes of the stated cost, and their verification."""

from __future__ import annotations

from typing import Literal

import argon2
import pytest

from simulacra_api.auth import clients
from simulacra_api.auth.clients import SECRET_PREFIX, hash_secret, new_secret, verify_secret

COST = "$argon2id$v=19$m=19456,t=2,p=1"


def test_hash_is_argon2id_with_the_stated_cost() -> None:
    assert hash_secret("x").startswith(f"{COST}$")


def test_either_of_two_active_secrets_is_accepted() -> None:
    old, new = new_secret(), new_secret()
    hashes = [hash_secret(old), hash_secret(new)]
    assert verify_secret(old, hashes)
    assert verify_secret(new, hashes)
    assert not verify_secret(new_secret(), hashes)


def test_missing_hash_damaged_hash_and_long_secret_are_refused() -> None:
    secret = new_secret()
    assert not verify_secret(secret, [])
    assert not verify_secret(secret, ["no hash at all"])
    assert not verify_secret(secret * 100, [hash_secret(secret * 100)])


def test_unknown_client_costs_the_same_as_a_wrong_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare the costs of the hashes, because times would include the machine's load."""
    costs: list[str] = []
    known = hash_secret(new_secret())

    class Hasher(argon2.PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
            costs.append(str(hash).rsplit("$", 2)[0])
            return super().verify(hash, password)

    monkeypatch.setattr(clients, "_HASHER", Hasher())
    for hashes in ([known], []):
        assert not verify_secret("wrong", hashes)
    assert costs == [COST, COST]


def test_secrets_differ_and_carry_the_prefix() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert first.startswith(SECRET_PREFIX)
    assert len(first) >= len(SECRET_PREFIX) + 43
