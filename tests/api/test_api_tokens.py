"""Tokens: how a client gets one, and every check of a token."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from simulacra_api.auth.signing import SigningKeyStore
from simulacra_crds.kube.client import SECRETS, TENANTS

SECRET = "sim_secret_of_the_tests"
FORM = {"grant_type": "client_credentials", "client_id": "client.acme", "client_secret": SECRET}
AUDIENCE = "https://api.simulacra.dev"


async def _token(world: Any, **kwargs: Any) -> httpx2.Response:
    async with httpx2.AsyncClient() as http:
        return await http.post(f"{world.url}/oauth/token", **kwargs)


def _b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _basic(client: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()}


@pytest.mark.parametrize(
    "request_",
    [
        {"json": FORM | {"audience": AUDIENCE}},
        {"data": FORM},
        {"data": {"grant_type": "client_credentials"}, "headers": _basic("client.acme", SECRET)},
    ],
    ids=["json", "form", "basic"],
)
async def test_client_gets_a_token(world: Any, request_: dict[str, Any]) -> None:
    answer = await _token(world, **request_)
    assert answer.status_code == 200
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["expires_in"] == 3600
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    ("request_", "status", "error"),
    [
        ({"json": FORM | {"client_secret": "wrong"}}, 401, "invalid_client"),
        ({"json": FORM | {"client_id": "client.unknown"}}, 401, "invalid_client"),
        ({"json": FORM | {"client_id": "../secrets"}}, 401, "invalid_client"),
        ({"json": {"grant_type": "client_credentials"}}, 401, "invalid_client"),
        (
            {
                "data": {"grant_type": "client_credentials"},
                "headers": {"Authorization": "Basic %%%"},
            },
            401,
            "invalid_client",
        ),
        ({"json": FORM | {"grant_type": "password"}}, 400, "unsupported_grant_type"),
        ({"json": FORM | {"audience": "https://elsewhere"}}, 400, "invalid_target"),
        ({"json": FORM, "headers": _basic("client.acme", SECRET)}, 400, "invalid_request"),
        (
            {"content": b"[1]", "headers": {"Content-Type": "application/json"}},
            400,
            "invalid_request",
        ),
        (
            {"content": b"[" * 90_000, "headers": {"Content-Type": "application/json"}},
            400,
            "invalid_request",
        ),
        ({"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415, None),
    ],
)
async def test_refusals_have_oauth_and_problem_fields(
    world: Any, request_: dict[str, Any], status: int, error: str | None
) -> None:
    answer = await _token(world, **request_)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().get("error") == error
    assert SECRET not in answer.text
    assert ("www-authenticate" in answer.headers) == (error == "invalid_client")


@pytest.mark.parametrize(
    ("client", "code"), [("asleep", "simio_tenant_suspended"), ("nobody", "simio_forbidden")]
)
async def test_client_without_an_active_tenant_gets_no_token(
    world: Any, client: str, code: str
) -> None:
    answer = await _token(world, json=FORM | {"client_id": f"client.{client}"})
    assert (answer.status_code, answer.json()["code"]) == (403, code)


async def _claims(world: Any) -> dict[str, Any]:
    return {
        "iss": world.url,
        "sub": "client.acme",
        "aud": AUDIENCE,
        "client_id": "client.acme",
        "exp": int(time.time()) + 60,
    }


async def _call(world: Any, token: str) -> httpx2.Response:
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http:
        return await http.get(f"{world.url}/v1/datasets")


async def _signed(world: Any, header: dict[str, Any] | None = None, **claims: Any) -> str:
    keys = await SigningKeyStore(world.cluster).current()
    head = {"alg": "ES256", "typ": "at+jwt", "kid": keys.active.kid} | (header or {})
    return jwt.encode(head, await _claims(world) | claims, keys.active, algorithms=["ES256"])


async def test_audience_list_and_small_clock_skew_are_accepted(world: Any) -> None:
    token = await _signed(
        world, aud=["x", AUDIENCE], nbf=int(time.time()) + 20, exp=int(time.time()) - 20
    )
    assert (await _call(world, token)).status_code == 200


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 0},
        {"exp": None},
        {"exp": "never"},
        {"nbf": 1e12},
        {"aud": "https://elsewhere"},
        {"aud": [AUDIENCE + "x"]},
        {"aud": None},
        {"iss": "https://elsewhere"},
    ],
)
async def test_wrong_claim_is_401(world: Any, claims: dict[str, Any]) -> None:
    answer = await _call(world, await _signed(world, **claims))
    assert (answer.status_code, answer.json()["code"]) == (401, "simio_unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    ("client", "code"), [("asleep", "simio_tenant_suspended"), ("nobody", "simio_forbidden")]
)
async def test_valid_token_without_an_active_tenant_is_403(
    world: Any, client: str, code: str
) -> None:
    answer = await _call(world, await _signed(world, client_id=f"client.{client}"))
    assert (answer.status_code, answer.json()["code"]) == (403, code)


async def test_suspension_takes_effect_within_seconds(world: Any) -> None:
    await world.token("tiny")
    for suspended, status in ((True, 403), (False, 200)):
        await world.cluster.patch(TENANTS, "tiny", {"spec": {"suspend": suspended}})
        deadline = time.monotonic() + 60
        while (await _call(world, world.tokens["tiny"])).status_code != status:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.3)


async def test_forged_tokens_are_401(world: Any) -> None:
    claims = await _claims(world)
    keys = await SigningKeyStore(world.cluster).current()
    other = ECKey.generate_key("P-256", auto_kid=True)
    header = {"typ": "at+jwt", "kid": keys.active.kid}
    unsigned = ".".join(
        _b64(json.dumps(part).encode()) for part in (header | {"alg": "HS256"}, claims)
    )
    confused = hmac.digest(keys.active.as_pem(private=False), unsigned.encode(), "sha256")
    forged = [
        await _signed(world, {"typ": "JWT"}),
        jwt.encode(header | {"alg": "ES256"}, claims, other, algorithms=["ES256"]),
        jwt.encode(
            header | {"alg": "ES256", "kid": other.kid}, claims, other, algorithms=["ES256"]
        ),
        f"{unsigned}.{_b64(confused)}",
        "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + (await _signed(world)).split(".")[1] + ".",
        (await _signed(world))[:-4] + "AAAA",
        "a.b.c",
        "x" * 10_000,
    ]
    for token in forged:
        assert (await _call(world, token)).status_code == 401


async def test_next_key_is_published_and_verifies(world: Any) -> None:
    async with httpx2.AsyncClient() as http:
        metadata = (await http.get(f"{world.url}/.well-known/openid-configuration")).json()
        published = (await http.get(metadata["jwks_uri"])).json()["keys"]
    assert len(published) == 2
    assert not any("d" in key for key in published)
    following = (await SigningKeyStore(world.cluster).current()).published.keys[1]
    token = jwt.encode(
        {"alg": "ES256", "typ": "at+jwt", "kid": following.kid}, await _claims(world), following
    )
    assert (await _call(world, token)).status_code == 200


async def test_processes_starting_together_agree_on_the_keys(world: Any) -> None:
    await world.cluster.delete(SECRETS, "oauth-signing-keys", "simulacra-system-clients")
    stores = [SigningKeyStore(world.cluster) for _ in range(4)]
    keys = await asyncio.gather(*(store.current() for store in stores))
    assert len({key.active.kid for key in keys}) == 1
    world.tokens.clear()
    deadline = time.monotonic() + 60  # the served process reads keys again for an unknown key id
    while (await _call(world, await _signed(world))).status_code != 200:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.5)
