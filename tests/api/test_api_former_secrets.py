"""The Secrets of release 0.2.0 are copied once, and a rollback loses nothing."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from simulacra_api.auth.clients import Clients, hash_secret, new_secret, secret_name
from simulacra_api.auth.former_secrets import COPIED, copy_former_secrets
from simulacra_crds.kube.client import SECRETS

SYSTEM, CLIENTS = "simulacra-system", "simulacra-system-clients"
pytestmark = pytest.mark.asyncio(loop_scope="session")


def _hashes(secret: str) -> dict[str, str]:
    text = json.dumps([{"hash": hash_secret(secret), "created": 1}])
    return {"hashes": base64.b64encode(text.encode()).decode()}


@pytest_asyncio.fixture(loop_scope="session")
async def former(world: Any) -> AsyncIterator[tuple[str, str]]:
    """A client of the former release: its id and secret."""
    client, secret = f"former-{secrets.token_hex(4)}", new_secret()
    metadata = {"name": secret_name(client), "labels": {"simulacra.dev/kind": "client"}}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": _hashes(secret)}
    await world.cluster.create(SECRETS, body, SYSTEM)
    yield client, secret
    for namespace in (SYSTEM, CLIENTS):
        if await world.cluster.find(SECRETS, secret_name(client), namespace):
            await world.cluster.delete(SECRETS, secret_name(client), namespace)


async def test_former_client_authenticates_after_the_copy(
    world: Any, former: tuple[str, str]
) -> None:
    clients = Clients(world.cluster)
    assert (await clients.authenticate(*former)).issued is None
    assert await copy_former_secrets(world.cluster) == 1
    assert (await clients.authenticate(*former)).issued is not None
    copy = await world.cluster.get(SECRETS, secret_name(former[0]), CLIENTS)
    assert copy["metadata"]["labels"] == {"simulacra.dev/kind": "client"}
    kept = await world.cluster.get(SECRETS, secret_name(former[0]), SYSTEM)
    assert kept["data"] == copy["data"], "a rollback finds it"
    assert COPIED in kept["metadata"]["annotations"]


async def test_second_copy_restores_no_rotated_or_deleted_secret(
    world: Any, former: tuple[str, str]
) -> None:
    name, clients = secret_name(former[0]), Clients(world.cluster)
    await copy_former_secrets(world.cluster)
    await world.cluster.patch(SECRETS, name, {"data": _hashes(new_secret())}, CLIENTS)
    # Touched, but not changed: an administrator labels it.
    await world.cluster.patch(SECRETS, name, {"metadata": {"labels": {"kept": "yes"}}}, SYSTEM)
    assert await copy_former_secrets(world.cluster) == 0
    assert (await clients.authenticate(*former)).issued is None
    await world.cluster.delete(SECRETS, name, CLIENTS)
    assert await copy_former_secrets(world.cluster) == 0
    assert (await clients.authenticate(*former)).issued is None


async def test_secret_rotated_during_a_rollback_is_copied_again(
    world: Any, former: tuple[str, str]
) -> None:
    name, clients, rotated = secret_name(former[0]), Clients(world.cluster), new_secret()
    await copy_former_secrets(world.cluster)
    await world.cluster.patch(SECRETS, name, {"data": _hashes(rotated)}, SYSTEM)
    assert await copy_former_secrets(world.cluster) == 1
    assert (await clients.authenticate(former[0], rotated)).issued is not None
    assert (await clients.authenticate(*former)).issued is None


async def test_other_secrets_of_the_installation_are_not_copied(world: Any) -> None:
    name = f"client-certificate-{secrets.token_hex(4)}"
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
    await world.cluster.create(SECRETS, body | {"data": {"tls.key": "eA=="}}, SYSTEM)
    try:
        assert await copy_former_secrets(world.cluster) == 0
        assert await world.cluster.find(SECRETS, name, CLIENTS) is None
    finally:
        await world.cluster.delete(SECRETS, name, SYSTEM)
