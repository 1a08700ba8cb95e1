"""Token cache of the verifier: no entry outlives its token's times, key or audience."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest
from joserfc.jwk import ECKey, KeySet

from simulacra_api.auth import tokens, verifier
from simulacra_api.auth.revocation import Revocations, Revoked
from simulacra_api.auth.signing import SigningKeys, SigningKeyStore
from simulacra_api.http.problems import Problem
from simulacra_api.settings import Settings

URL, AUDIENCE = "https://api.example", "https://api.simulacra.dev"


class Store:
    """Signing keys that a test can replace."""

    def __init__(self) -> None:
        self.rotate()

    def rotate(self) -> None:
        key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
        self.keys = SigningKeys(key, KeySet([key]), b"")

    async def current(self, *, max_age: float = 60) -> SigningKeys:
        return self.keys


class Watermark:
    """Revocations whose watermark a test can set."""

    at = 0

    async def of(self, client_id: str) -> Revoked:
        return Revoked(self.at, frozenset())


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Signatures that were verified."""
    seen: list[str] = []
    real = tokens.verify

    def counted(token: str, *args: Any, **options: Any) -> Any:
        seen.append(token)
        return real(token, *args, **options)

    monkeypatch.setattr(tokens, "verify", counted)
    return seen


def made(store: Store, audience: str = AUDIENCE) -> verifier.TokenVerifier:
    settings, signing = Settings(URL, audience), cast(SigningKeyStore, store)
    return verifier.TokenVerifier(settings, signing, None, cast(Revocations, Watermark()))


def issued(store: Store, seconds: int = 3600) -> str:
    return tokens.issue(
        store.keys,
        issuer=URL,
        audience=AUDIENCE,
        client_id="sim-a",
        issued=int(time.time()),
        expires=int(time.time()) + seconds,
    )


async def test_signature_is_verified_once_per_key_set(store: Store, checks: list[str]) -> None:
    one, token = made(store), issued(store)
    assert [await one.client_of(token) for _ in range(3)] == ["sim-a"] * 3
    assert len(checks) == 1
    # the same keys, read again
    store.keys = SigningKeys(store.keys.active, KeySet([store.keys.active]), b"")
    assert await one.client_of(token) == "sim-a"
    assert len(checks) == 2


async def test_cached_token_expires(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    one, token = made(store), issued(store, 60)
    await one.client_of(token)
    now = time.time()
    monkeypatch.setattr(tokens.time, "time", lambda: now + 60 + tokens.LEEWAY_SECONDS + 1)
    with pytest.raises(Problem) as refused:
        await one.client_of(token)
    assert refused.value.entry.status == 401


async def test_cached_token_is_dropped_with_its_key(store: Store) -> None:
    one, token = made(store), issued(store)
    await one.client_of(token)
    store.rotate()
    with pytest.raises(Problem):
        await one.client_of(token)


async def test_cached_token_is_dropped_once_it_is_revoked(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, token = made(store), issued(store)
    await one.client_of(token)
    monkeypatch.setattr(Watermark, "at", time.time() + 1)
    with pytest.raises(Problem) as refused:
        await one.client_of(token)
    assert refused.value.entry.status == 401


async def test_changed_byte_makes_another_token(store: Store) -> None:
    one, token = made(store), issued(store)
    await one.client_of(token)
    flipped = token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:]
    with pytest.raises(Problem):
        await one.client_of(flipped)


async def test_token_cache_is_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch, checks: list[str]
) -> None:
    monkeypatch.setattr(verifier, "CACHED_TOKENS", 2)
    one, several = made(store), [issued(store) for _ in range(3)]
    for token in several:
        await one.client_of(token)
    await one.client_of(several[2])
    assert len(checks) == 3
    await one.client_of(several[0])
    assert len(checks) == 4
