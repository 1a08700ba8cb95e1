"""Forged, malformed and endless tokens, and secrets that no encoder accepts."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import httpx2
import pytest
from joserfc import jws

from api_world import SECRET
from simulacra_api.auth import tokens
from simulacra_api.auth.signing import SigningKeyStore

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.embedded,
    pytest.mark.usefixtures("own_environment"),
]
FORM = {"grant_type": "client_credentials", "client_id": "client.acme", "client_secret": SECRET}
DEEP = 5_500
"""Characters: in base64 still below the limit of a token's length."""
SPECIAL = ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400, "true", '"9e9"', "[]", "null"]


def _b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


async def _call(world: Any, token: str) -> tuple[int, str]:
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http:
        answer = await http.get(f"{world.url}/v1/usage")
    return answer.status_code, answer.json().get("code", "")


async def _signed(world: Any, payload: str) -> str:
    """Sign any text, as an issuer that makes mistakes would."""
    keys = await SigningKeyStore(world.cluster).current()
    head = {"alg": "ES256", "typ": "at+jwt", "kid": keys.active.kid}
    return jws.serialize_compact(head, payload.encode(), keys.active, algorithms=["ES256"])


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("open_", ["[", '{"a":'])
async def test_deeply_nested_token_is_401(world: Any, part: int, open_: str) -> None:
    nested = (open_ * DEEP)[:DEEP]
    parts = [json.dumps({"alg": "ES256", "kid": "x"}), json.dumps({"iss": world.url})]
    parts[part] = nested
    token = ".".join(_b64(one.encode()) for one in parts) + ".AAAA"
    assert len(token) <= tokens.MAX_TOKEN_LENGTH
    assert await _call(world, token) == (401, "simio_unauthenticated")


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", SPECIAL)
async def test_signed_token_without_a_finite_time_is_401(world: Any, name: str, value: str) -> None:
    now = int(time.time())
    claims = {"iss": world.url, "aud": world.settings.audience, "client_id": "client.acme"}
    times = {"iat": now, "nbf": now - 1, "exp": now + 60}
    text = json.dumps(claims | times).replace(f'"{name}": {times[name]}', f'"{name}": {value}')
    assert value in text
    assert await _call(world, await _signed(world, text)) == (401, "simio_unauthenticated")


@pytest.mark.parametrize("client", ["7", "[]", "{}", "null", '"../x"', '"\\ud800"'])
async def test_signed_token_of_no_client_is_refused(world: Any, client: str) -> None:
    now = int(time.time())
    claims = {"iss": world.url, "aud": world.settings.audience, "iat": now, "exp": now + 60}
    text = json.dumps(claims)[:-1] + f', "client_id": {client}}}'
    status, _ = await _call(world, await _signed(world, text))
    assert status in (401, 403)


@pytest.mark.parametrize("field", ["client_secret", "client_id", "audience", "grant_type"])
async def test_lone_surrogate_gets_a_refusal(world: Any, field: str) -> None:
    body = json.dumps(FORM | {field: "sim_\ud800"})
    headers = {"Content-Type": "application/json"}
    async with httpx2.AsyncClient(base_url=world.url) as http:
        answer = await http.post("/oauth/token", content=body, headers=headers)
    assert answer.status_code in (400, 401), answer.text
