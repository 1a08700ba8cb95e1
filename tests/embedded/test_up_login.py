"""The login link of `simulacra up`: the client secret goes to the API of this machine alone."""

from __future__ import annotations

import asyncio

import pytest

from simulacra_embedded.supervisor.login import login_link

pytestmark = pytest.mark.embedded


async def test_proxy_of_the_environment_never_gets_the_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[str] = []

    async def listen(name: str) -> asyncio.Server:
        async def on_connection(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(name)
            writer.close()

        return await asyncio.start_server(on_connection, "127.0.0.1", 0)

    proxy, api = await listen("proxy"), await listen("api")
    ports = [one.sockets[0].getsockname()[1] for one in (proxy, api)]
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{ports[0]}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    known = {"client_id": "client.acme", "client_secret": "x", "audience": "y"}
    async with proxy, api:
        assert await login_link(known | {"api_url": f"http://127.0.0.1:{ports[1]}"}) is None
    assert heard == ["api"]
