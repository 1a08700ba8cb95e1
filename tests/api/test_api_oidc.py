"""An external issuer: discovery, key rotation, outage; a small ASGI issuer with real RS256 keys."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from simulacra_api.auth import oidc
from simulacra_api.auth.oidc import OidcKeys
from simulacra_api.auth.revocation import Revocations
from simulacra_api.auth.signing import SigningKeyStore
from simulacra_api.auth.verifier import TokenVerifier
from simulacra_api.http.problems import Problem

AUDIENCE = "https://api.simulacra.dev"


class Issuer:
    """The part of an OpenID provider that a resource server uses: discovery and keys."""

    def __init__(self, url: str) -> None:
        self.url, self.fetches, self.down = url, 0, False
        self.keys = [RSAKey.generate_key(2048, auto_kid=True)]

    def token(self, key: RSAKey | None = None, typ: str = "JWT", **claims: Any) -> str:
        body = {
            "iss": self.url,
            "aud": AUDIENCE,
            "azp": "client.acme",
            "exp": int(time.time()) + 60,
        }
        key = key or self.keys[0]
        return jwt.encode(
            {"alg": "RS256", "typ": typ, "kid": key.kid}, body | claims, key, algorithms=["RS256"]
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.fetches += scope["path"] == "/keys"
        discovery = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        jwks = KeySet(list(self.keys)).as_dict(private=False)
        body = httpx2.Response(
            200, json=discovery if "well-known" in scope["path"] else jwks
        ).content
        status = 503 if self.down else 200
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-type", b"application/json")],
            }
        )
        await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def _served(issuer: Issuer) -> AsyncIterator[OidcKeys]:
    keys = OidcKeys(issuer.url, httpx2.ASGITransport(issuer))
    yield keys
    await keys.close()


@pytest_asyncio.fixture(loop_scope="session")
async def issuer() -> Issuer:
    return Issuer("https://idp.example")


def _verifier(world: Any, keys: OidcKeys) -> TokenVerifier:
    settings = replace(world.settings, oidc_issuer=keys.issuer)
    signing, revocations = SigningKeyStore(world.cluster), Revocations(world.cluster)
    return TokenVerifier(settings, signing, keys, revocations)


async def test_issuer_token_gives_the_client(world: Any, issuer: Issuer) -> None:
    async with _served(issuer) as keys:
        verifier = _verifier(world, keys)
        assert await verifier.client_of(issuer.token()) == "client.acme"
        assert (
            await verifier.client_of(issuer.token(typ="at+jwt", client_id="client.globex"))
            == "client.globex"
        )
        assert issuer.fetches == 1


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "other"},
        {"exp": 0},
        {"azp": None},
        {"azp": "a b"},
        {"iss": "https://evil.example"},
        {"typ": "id+jwt"},
    ],
)
async def test_token_that_fails_a_check_is_refused(
    world: Any, issuer: Issuer, claims: dict[str, Any]
) -> None:
    async with _served(issuer) as keys:
        with pytest.raises(Problem) as refused:
            await _verifier(world, keys).client_of(issuer.token(**claims))
    assert refused.value.entry.code == "simio_unauthenticated"


async def test_rotated_key_is_fetched_at_most_every_30_seconds(
    world: Any, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _served(issuer) as keys:
        verifier = _verifier(world, keys)
        await verifier.client_of(issuer.token())
        issuer.keys.insert(0, RSAKey.generate_key(2048, auto_kid=True))
        for _ in range(3):
            with pytest.raises(Problem):
                await verifier.client_of(issuer.token())
        assert issuer.fetches == 1
        monkeypatch.setattr(oidc, "MISS_SECONDS", 0.0)
        assert await verifier.client_of(issuer.token()) == "client.acme"
        assert issuer.fetches == 2


async def test_cached_keys_survive_an_outage_and_no_keys_are_503(
    world: Any, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "MISS_SECONDS", 0.0)
    async with _served(issuer) as keys:
        verifier = _verifier(world, keys)
        issuer.down = True
        with pytest.raises(Problem) as refused:
            await verifier.client_of(issuer.token())
        assert refused.value.entry.status == 503
        issuer.down = False
        assert await verifier.client_of(issuer.token()) == "client.acme"
        issuer.down = True
        monkeypatch.setattr(oidc, "FRESH_SECONDS", 0.0)
        assert await verifier.client_of(issuer.token()) == "client.acme"
