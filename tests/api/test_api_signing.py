"""Rotation of the built-in issuer's keys: by time, by several processes, no token refused."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any

import pytest
import pytest_asyncio
from joserfc.jwk import ECKey

from simulacra_api.auth import signing, tokens
from simulacra_api.auth.revocation import Revocations
from simulacra_api.auth.signing import PERIOD_SECONDS, RETIRED_SECONDS, SigningKeyStore
from simulacra_api.auth.verifier import TokenVerifier
from simulacra_crds.kube.client import SECRETS

CLIENTS = "simulacra-system-clients"


@pytest_asyncio.fixture(loop_scope="session")
async def secret(world: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A separate Secret, so that the served API keeps its keys."""
    name = f"signing-{time.time_ns()}"
    monkeypatch.setattr(signing, "SECRET_NAME", name)
    return name


async def _age(world: Any, name: str, seconds: float) -> None:
    """Let time pass: move the times of all keys into the past."""
    found = await world.cluster.get(SECRETS, name, CLIENTS)
    keys = json.loads(base64.b64decode(found["data"]["keys.json"]))
    for key in keys:
        key["since"] -= int(seconds)
    data = {"keys.json": base64.b64encode(json.dumps(keys).encode()).decode()}
    await world.cluster.patch(SECRETS, name, {"data": data}, CLIENTS)


async def _kids(store: SigningKeyStore) -> tuple[str, list[str]]:
    keys = await store.current(max_age=0.0)
    return str(keys.active.kid), [str(key.kid) for key in keys.published.keys]


async def test_next_key_becomes_active_in_time_and_another_is_added(
    world: Any, secret: str
) -> None:
    store = SigningKeyStore(world.cluster)
    first, (_, second) = await _kids(store)
    await _age(world, secret, PERIOD_SECONDS - 60)
    assert await _kids(store) == (first, [first, second])
    await _age(world, secret, 61)
    active, published = await _kids(store)
    assert active == second
    assert published[0] == second
    assert len(published) == 3
    assert published[2] == first  # retired, still verifies
    third = published[1]
    await _age(world, secret, RETIRED_SECONDS)
    assert await _kids(store) == (second, [second, third])
    await _age(world, secret, PERIOD_SECONDS)
    assert (await _kids(store))[0] == third


async def test_tokens_of_a_retired_key_verify_until_they_expire(world: Any, secret: str) -> None:
    store = SigningKeyStore(world.cluster)
    verifier = TokenVerifier(world.settings, store, None, Revocations(world.cluster))
    url, audience = world.settings.public_url, world.settings.audience
    token = tokens.issue(
        await store.current(),
        issuer=url,
        audience=audience,
        client_id="client.acme",
        issued=int(time.time()),
        expires=int(time.time()) + 3600,
    )
    await _age(world, secret, PERIOD_SECONDS + 1)
    assert (await _kids(store))[0] != (await _kids(store))[1][2]
    assert await verifier.client_of(token) == "client.acme"
    await _age(world, secret, RETIRED_SECONDS)
    await _kids(store)
    with pytest.raises(tokens.Problem):
        await verifier.client_of(token)


async def test_concurrent_rotations_agree_on_the_keys(world: Any, secret: str) -> None:
    await SigningKeyStore(world.cluster).current()
    for _ in range(3):
        await _age(world, secret, PERIOD_SECONDS + 1)
        seen = await asyncio.gather(*(_kids(SigningKeyStore(world.cluster)) for _ in range(5)))
        assert len({active for active, _ in seen}) == 1
        assert len({tuple(published) for _, published in seen}) == 1


async def test_process_switches_keys_by_the_clock_without_a_read(
    world: Any, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SigningKeyStore(world.cluster)
    _, (_, second) = await _kids(store)
    now = time.time()
    monkeypatch.setattr("simulacra_api.auth.signing.time.time", lambda: now + PERIOD_SECONDS + 1)
    assert (await store.current()).active.kid == second  # without another read


async def test_keys_of_version_0_1_without_times_are_read(world: Any, secret: str) -> None:
    pair = [ECKey.generate_key("P-256", auto_kid=True) for _ in range(2)]
    data = {
        "keys.json": json.dumps([key.as_dict(private=True) for key in pair]),
        "link.key": "x" * 32,
    }
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}, "data": encoded}
    await world.cluster.create(SECRETS, body, CLIENTS)
    assert await _kids(SigningKeyStore(world.cluster)) == (pair[0].kid, [pair[0].kid, pair[1].kid])
