"""Clients that open connections and then take their time, against the served API."""

from __future__ import annotations

import asyncio
import random
import socket
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import httpx2
import pyarrow as pa
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


async def test_unread_download_ends_the_connection(
    world: World, owned: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its rows stay in the API's memory for as long as a customer likes."""
    monkeypatch.setattr(connection, "DRAIN_SECONDS", LIMIT)
    table = pa.table({"price": [random.Random(1).randbytes(24 << 20)]})
    async with world.client() as http:
        asked = await http.post(
            f"/v1/datasets/{owned['dataset_id']}/generations",
            json={"row_count": 1},
            headers={"Idempotency-Key": uuid.uuid4().hex},
        )
        generation = asked.json()["generation_id"]
        await world.stand_in().generate(generation, [table])
        link = (await http.get(f"/v1/generations/{generation}")).json()["artifact_url"]
    target = httpx2.URL(link).raw_path.decode()
    head = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    head += f"Authorization: Bearer {await world.token('acme')}\r\n\r\n"
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        address = httpx2.URL(world.url)
        await loop.sock_connect(client, (address.host, address.port or 0))
        await loop.sock_sendall(client, head.encode())
        assert (await loop.sock_recv(client, 12)) == b"HTTP/1.1 200"
        async with httpx2.AsyncClient(base_url=world.url) as http, asyncio.timeout(PATIENCE):
            while await _answering(http) > 1:  # besides the one that asks
                await asyncio.sleep(0.1)


async def _answering(http: httpx2.AsyncClient) -> float:
    """Return how many requests the API is answering."""
    text = (await http.get("/metrics")).text
    return float(text.partition("\nsimulacra_api_requests_in_progress ")[2].split()[0])
