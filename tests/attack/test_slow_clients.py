"""Clients that open connections and then take their time, against the served API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import httpx2
import pytest
import pytest_asyncio

from api_world import World
from simulacra_api.__main__ import listen
from simulacra_api.http import connection, middleware

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.embedded,
    pytest.mark.usefixtures("own_environment"),
]
CLIENTS = 200
LIMIT = 1.0
PATIENCE = 20.0
"""A loaded machine may be late; without a limit nothing would end at all."""


@pytest_asyncio.fixture(loop_scope="session")
async def url(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """An API of its own whose limits are a second."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", LIMIT)
    monkeypatch.setattr(middleware, "BODY_SECONDS", LIMIT)
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with world.serve(replace(world.settings, public_url=url), listener):
        yield url


async def _dribble(url: str, head: bytes, drop: bytes) -> bytes:
    """Send a head, then a byte now and then; return what came until the server hung up."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head)
    received = bytearray()

    async def feed() -> None:
        while True:
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.05)

    feeding = asyncio.create_task(feed())
    try:
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                while data := await reader.read(65_536):
                    received += data
        return bytes(received)
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        writer.close()


HEADS = [
    (b"", b""),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n"),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /", b"x"),
]
BODIES = ["/oauth/token", "/v1/signup", "/v1/credential-claims", "/v1/datasets"]


@pytest.mark.parametrize("case", range(len(HEADS)), ids=["nothing", "head", "second-head"])
async def test_endless_head_ends_the_connection(url: str, case: int) -> None:
    await _dribble(url, *HEADS[case])


@pytest.mark.parametrize("path", BODIES)
async def test_endless_anonymous_body_ends_the_connection(url: str, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    answer = await _dribble(url, (head + "Content-Length: 900000\r\n\r\n").encode(), b" ")
    assert answer.split(b" ")[1] == (b"401" if path == "/v1/datasets" else b"408")


async def test_many_slow_clients_leave_room_for_others(url: str) -> None:
    slow = [asyncio.create_task(_dribble(url, *HEADS[1])) for _ in range(CLIENTS)]
    worst = 0.0
    async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as http:
        while not all(task.done() for task in slow):
            began = time.monotonic()
            assert (await http.get("/healthz")).status_code == 200
            worst = max(worst, time.monotonic() - began)
            await asyncio.sleep(0.05)
    await asyncio.gather(*slow)
    assert worst < PATIENCE / 2
