"""Wrong secrets at the token endpoint: bounded, on record, and the same answer for all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from api_world import SECRET, World
from simulacra_api.__main__ import listen, server_config
from simulacra_api.app import create_app
from simulacra_api.auth import attempts, clients, routes
from simulacra_api.auth.attempts import Attempts, network_of
from simulacra_api.http.problems import Problem

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.embedded,
    pytest.mark.usefixtures("own_environment"),
]
WRONG = "sim_secret_that_is_wrong"
LIMIT = 4


@pytest_asyncio.fixture(loop_scope="session")
async def url(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """An API of its own, with counters of its own and low limits."""
    monkeypatch.setattr(attempts, "PER_ADDRESS", 2 * LIMIT)
    monkeypatch.setattr(attempts, "PER_CLIENT", LIMIT)
    monkeypatch.setattr(attempts, "WINDOW_SECONDS", 10**9)
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with world.serve(replace(world.settings, public_url=url), listener):
        yield url


async def _ask(url: str, client: str, secret: str, address: str) -> httpx2.Response:
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    async with httpx2.AsyncClient(headers={"X-Forwarded-For": address}) as http:
        return await http.post(f"{url}/oauth/token", data=form)


async def test_wrong_secrets_are_limited_per_client_but_not_for_its_owner(url: str) -> None:
    owner, other = "203.0.113.1", "203.0.113.2"
    assert (await _ask(url, "client.acme", SECRET, owner)).status_code == 200
    codes = [(await _ask(url, "client.acme", WRONG, other)).status_code for _ in range(LIMIT + 2)]
    assert codes == [401] * LIMIT + [429] * 2
    limited = await _ask(url, "client.acme", SECRET, "203.0.113.3")
    assert (limited.status_code, limited.json()["code"]) == (429, "simio_rate_limited")
    assert int(limited.headers["retry-after"]) > 0
    assert (await _ask(url, "client.acme", SECRET, owner)).status_code == 200
    assert (await _ask(url, "client.globex", SECRET, other)).status_code == 200


async def test_wrong_secrets_are_limited_per_address(url: str) -> None:
    answers = await asyncio.gather(
        *(_ask(url, f"client.{number}", WRONG, "203.0.113.9") for number in range(3 * LIMIT))
    )
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [401] * (2 * LIMIT) + [429] * LIMIT
    assert (await _ask(url, "client.acme", SECRET, "203.0.113.10")).status_code == 200


async def test_refusal_is_the_same_for_unknown_clients(url: str) -> None:
    told = []
    for client in ("client.acme", "client.unknown", "../x"):
        began = time.monotonic()
        answer = await _ask(url, client, WRONG, "203.0.113.20")
        assert time.monotonic() - began >= routes.REFUSAL_SECONDS
        body = answer.json()
        told.append((answer.status_code, {**body, "request_id": ""}, set(answer.headers)))
    assert told[0] == told[1] == told[2]


async def test_wrong_secret_is_on_record_without_the_secret(url: str, world: World) -> None:
    assert (await _ask(url, "client.globex", WRONG, "203.0.113.30")).status_code == 401
    kind = {"type": "dev.simulacra.token.refused", "limit": 100}
    async with world.client("globex") as http:
        seen = (await http.get("/v1/audit-events", params=kind)).json()["items"]
    assert ("client.globex", "refused") in [(one["client"], one["outcome"]) for one in seen]
    assert WRONG not in world.audit_text()


async def test_queue_of_checks_is_bounded(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "MAX_WAITING", 2)
    monkeypatch.setattr(attempts, "PER_CLIENT", 1000)
    begun, go = asyncio.Event(), asyncio.Event()
    real = clients.verify_secret

    async def held(call: Any, *args: Any) -> Any:
        if call is not real:
            return await to_thread(call, *args)
        begun.set()
        await go.wait()
        return False

    to_thread = asyncio.to_thread
    monkeypatch.setattr(clients.asyncio, "to_thread", held)
    waiting = [
        asyncio.create_task(_ask(url, "client.acme", WRONG, f"203.0.113.{40 + number}"))
        for number in range(6)
    ]
    await begun.wait()
    while sum(one.done() for one in waiting) < 4:  # those beyond the queue are answered at once
        await asyncio.sleep(0.02)
    go.set()
    codes = sorted([(await one).status_code for one in waiting])
    assert codes == [401, 401, 503, 503, 503, 503]


async def test_addresses_of_one_network_count_as_one() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:2")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"


async def test_counters_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "REMEMBERED", 10)
    counted = Attempts()
    for number in range(100):
        counted.succeeded(counted.begin(f"client.{number}", "192.0.2.1"))
        counted.begin(f"client.{number}", f"192.0.2.{number}")
    assert len(counted._counts) <= 13
    assert len(counted._known) <= 10


async def test_success_is_taken_off_the_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "PER_ADDRESS", 1)
    counted = Attempts()
    counted.succeeded(counted.begin("client.a", "192.0.2.1"))
    counted.begin("client.b", "192.0.2.1")
    with pytest.raises(Problem):
        counted.begin("client.c", "192.0.2.1")


async def test_forwarded_address_counts_only_from_a_named_proxy(world: World) -> None:
    app = create_app(world.settings)
    assert not server_config(app, {}).proxy_headers
    named = server_config(app, {"FORWARDED_ALLOW_IPS": "192.0.2.1"})
    assert (named.proxy_headers, named.forwarded_allow_ips) == (True, "192.0.2.1")
