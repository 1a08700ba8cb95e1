"""The connection to an API server: credentials that change, answers that break off, lines of any length."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import yaml
from simulacra_controlplane.certificates import ensure
from simulacra_crds.kube.transport import Answer, Connection, Unreachable

VERSION = {"major": "1", "minor": "35", "gitVersion": "v1.35.0"}


class Server:
    """An API server that knows one token."""

    def __init__(self) -> None:
        self.token = "first"
        self.seen: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/version"):
            return web.json_response(VERSION)
        self.seen.append(request.path)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"reason": "Unauthorized"}, status=401)
        if request.path == "/whole":
            return web.json_response(
                {"body": (await request.read()).decode(), "type": request.content_type}
            )
        response = web.StreamResponse(
            headers={"Content-Length": "1000"} if request.path == "/short" else {}
        )
        await response.prepare(request)
        if request.path == "/lines":
            await response.write(b'{"a": 1}\n' + b"x" * 3_000_000 + b"\n\nunfinished")
        if request.path in ("/silent", "/lines"):
            await asyncio.sleep(0.2)
        if request.path == "/silent":
            await asyncio.sleep(5)
        assert request.transport is not None
        if request.path == "/short":
            request.transport.abort()
        return response


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, str]]:
    server, app = Server(), web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield server, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def kubeconfig(
    path: Path,
    url: str,
    token: str,
    cluster: dict[str, str] | None = None,
    user: dict[str, str] | None = None,
) -> Path:
    named = {
        "clusters": [{"name": "x", "cluster": {"server": url, **(cluster or {})}}],
        "users": [{"name": "x", "user": {"token": token, **(user or {})}}],
    }
    context = {
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **named, **context}))
    return path


@pytest.fixture
async def connection(server: tuple[Server, str], tmp_path: Path) -> AsyncIterator[Connection]:
    opened = await Connection.open(str(kubeconfig(tmp_path / "config", server[1], "first")))
    yield opened
    await opened.close()


async def whole(connection: Connection) -> Any:
    answer = await connection.send(
        "PATCH", "/whole", seconds=5, body=b"{}", media_type="application/merge-patch+json"
    )
    return answer.status, json.loads(answer.content)


async def test_a_request_and_its_answer(connection: Connection) -> None:
    assert await whole(connection) == (200, {"body": "{}", "type": "application/merge-patch+json"})


async def test_a_token_replaced_on_disk_is_read_when_the_old_one_is_refused(
    connection: Connection, server: tuple[Server, str], tmp_path: Path
) -> None:
    assert (await whole(connection))[0] == 200
    server[0].token = "second"
    assert (await whole(connection))[0] == 401
    assert server[0].seen[1:] == ["/whole"], "with nothing new to try it is not tried again"
    kubeconfig(tmp_path / "config", server[1], "second")
    both = await asyncio.gather(whole(connection), whole(connection))
    assert [status for status, _ in both] == [200, 200]


@pytest.mark.parametrize(
    "shared", [False, True]
)  # kr8s has one login for all that name no kubeconfig
async def test_no_copy_of_a_key_or_certificate_stays_on_disk(
    server: tuple[Server, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    authority, certificate, key = (
        base64.b64encode(one.read_bytes()).decode() for one in ensure(tmp_path)
    )
    secret = {"client-key-data": key, "client-certificate-data": certificate}
    path = kubeconfig(
        tmp_path / "other", server[1], "first", {"certificate-authority-data": authority}, secret
    )
    monkeypatch.setenv("KUBECONFIG", str(path))
    given = None if shared else str(path)
    one, two = await Connection.open(given), await Connection.open(given)
    for connection in (one, two, one):
        assert (await whole(connection))[0] == 200
        assert list(scratch.iterdir()) == []
        await connection.close()
    assert (await whole(one))[0] == 200
    server[0].token = "second"
    assert (await whole(one))[0] == 401
    assert list(scratch.iterdir()) == []
    await one.close()


async def test_an_answer_that_breaks_off_or_does_not_come_is_none(connection: Connection) -> None:
    for path, seconds in (("/short", 5.0), ("/silent", 0.2)):
        with pytest.raises(Unreachable):
            await connection.send("GET", path, seconds=seconds)


async def test_nobody_there(
    tmp_path: Path, connection: Connection, server: tuple[Server, str]
) -> None:
    connection._auth.server = "http://127.0.0.1:9"
    with pytest.raises(Unreachable):
        await connection.send("GET", "/whole", seconds=1)
    with pytest.raises(Unreachable):
        async with aclosing(connection.lines("/lines", {}, silence=1)) as lines:
            await anext(lines)


async def test_lines_of_any_length_until_the_end_or_silence(connection: Connection) -> None:
    found = [line async for line in connection.lines("/lines", {}, silence=5)]
    assert isinstance(found[0], Answer)
    assert [len(line) for line in found[1:] if isinstance(line, bytes)] == [8, 3_000_000, 0]
    assert len([line async for line in connection.lines("/silent", {}, silence=0.4)]) == 1


async def test_the_environments_proxy_is_used_but_not_for_loopback(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with pytest.raises(Unreachable):
        await whole(connection)
    await connection.close()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert (await whole(connection))[0] == 200
