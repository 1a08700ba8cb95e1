"""The API with a real OpenID Connect issuer in its own process: accepted and refused tokens."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from oidc_server import OidcServer
from simulacra_api.__main__ import listen
from simulacra_api.auth import oidc
from simulacra_crds.kube.client import TENANTS


def _keys(*keys: RSAKey | ECKey) -> dict[str, object]:
    return dict(KeySet(list(keys)).as_dict(private=True))


def _rsa() -> RSAKey:
    return RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True)


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = token.split(".")
    return tuple(json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, claims))  # type: ignore[return-value]


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@dataclass
class Setup:
    """The issuer, its key, and the API that trusts it."""

    server: OidcServer
    key: RSAKey
    url: str

    async def get(self, token: str) -> httpx2.Response:
        async with httpx2.AsyncClient(base_url=self.url, timeout=60) as http:
            return await http.get("/v1/datasets", headers={"Authorization": f"Bearer {token}"})


@pytest_asyncio.fixture(loop_scope="session")
async def setup(
    world: Any, monkeypatch: pytest.MonkeyPatch, serve_api: Any
) -> AsyncIterator[Setup]:
    monkeypatch.setattr(oidc, "MISS_SECONDS", 0.0)
    probe = listen("127.0.0.1", 0)
    port = probe.getsockname()[1]
    probe.close()
    server, key = OidcServer(port, world.settings.audience), _rsa()
    await asyncio.to_thread(server.start, _keys(key))
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        async with serve_api(
            replace(world.settings, public_url=url, oidc_issuer=server.issuer), listener
        ):
            yield Setup(server, key, url)
    finally:
        server.stop()


async def test_real_token_is_accepted(setup: Setup) -> None:
    token = await asyncio.to_thread(setup.server.token)
    header, claims = _parts(token)
    assert (header["typ"], claims["client_id"]) == ("at+jwt", "client.acme")
    assert (await setup.get(token)).status_code == 200


async def test_real_token_for_another_audience_is_refused(setup: Setup) -> None:
    refused = await setup.get(
        await asyncio.to_thread(setup.server.token, "https://elsewhere.example")
    )
    assert (refused.status_code, refused.json()["code"]) == (401, "simio_unauthenticated")
    assert "audience" in refused.json()["detail"]
    assert "invalid_token" in refused.headers["www-authenticate"]


async def test_altered_real_token_is_refused(setup: Setup) -> None:
    header, claims = _parts(await asyncio.to_thread(setup.server.token))
    unsigned = f"{_part(header | {'alg': 'none'})}.{_part(claims)}."
    # HS256 with the public key as the shared secret
    signed = f"{_part(header | {'alg': 'HS256'})}.{_part(claims)}"
    mac = hmac.digest(setup.key.as_pem(private=False), signed.encode(), "sha256")
    confused = f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
    expired = jwt.encode(
        header, claims | {"exp": int(time.time()) - 60}, setup.key, algorithms=["RS256"]
    )
    early = jwt.encode(
        header, claims | {"nbf": int(time.time()) + 600}, setup.key, algorithms=["RS256"]
    )
    other = jwt.encode(header, claims, _rsa(), algorithms=["RS256"])
    # PS256 is not on the allow-list
    stronger = jwt.encode(header | {"alg": "PS256"}, claims, setup.key, algorithms=["PS256"])
    good = jwt.encode(header, claims, setup.key, algorithms=["RS256"])
    assert (await setup.get(good)).status_code == 200
    for token in (unsigned, confused, expired, early, other, stronger):
        assert (await setup.get(token)).status_code == 401


async def test_tokens_outlive_an_outage_of_the_issuer(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await asyncio.to_thread(setup.server.token)
    assert (await setup.get(token)).status_code == 200
    setup.server.stop()
    monkeypatch.setattr(oidc, "FRESH_SECONDS", 0.0)  # the cached keys are old
    assert (await setup.get(token)).status_code == 200


async def test_unreachable_issuer_is_503_before_its_first_keys(setup: Setup) -> None:
    token = await asyncio.to_thread(setup.server.token)
    setup.server.stop()
    answer = await setup.get(token)
    assert (answer.status_code, answer.json()["code"]) == (503, "simio_unavailable")
    assert "retry-after" in answer.headers
    await asyncio.to_thread(setup.server.start, _keys(setup.key))
    assert (await setup.get(token)).status_code == 200


async def test_issuer_may_rotate_and_withdraw_keys(setup: Setup) -> None:
    before = await asyncio.to_thread(setup.server.token)
    assert (await setup.get(before)).status_code == 200
    following = _rsa()
    setup.server.stop()
    await asyncio.to_thread(setup.server.start, _keys(following, setup.key))
    after = await asyncio.to_thread(setup.server.token)
    assert _parts(after)[0]["kid"] == following.kid
    assert (await setup.get(after)).status_code == 200
    assert (await setup.get(before)).status_code == 200
    setup.server.stop()
    await asyncio.to_thread(setup.server.start, _keys(following))
    third = jwt.encode(
        {"alg": "RS256", "kid": "unknown", "typ": "at+jwt"}, _parts(after)[1], _rsa()
    )
    assert (await setup.get(third)).status_code == 401  # fetches the keys again
    assert (await setup.get(before)).status_code == 401  # its key was withdrawn


async def test_es256_token_is_accepted(setup: Setup) -> None:
    setup.server.stop()
    key = ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True)
    await asyncio.to_thread(setup.server.start, _keys(key), alg="ES256")
    token = await asyncio.to_thread(setup.server.token)
    assert _parts(token)[0]["alg"] == "ES256"
    assert (await setup.get(token)).status_code == 200


async def test_suspended_tenant_is_refused_with_a_valid_token(world: Any, setup: Setup) -> None:
    token = await asyncio.to_thread(setup.server.token)
    await world.cluster.patch(TENANTS, "acme", {"spec": {"suspend": True}})
    try:
        deadline = time.monotonic() + 60
        while (answer := await setup.get(token)).status_code != 403:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.3)
        assert answer.json()["code"] == "simio_tenant_suspended"
    finally:
        await world.cluster.patch(TENANTS, "acme", {"spec": {"suspend": False}})
