"""Connection to an API server: new credentials, answers that break off, lines of any length."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml
from aiohttp import web
from kubernetes.aio.config import ConfigException, incluster_config

from simulacra_controlplane.certificates import ensure
from simulacra_crds.kube.transport import Answer, Connection, Unreachable


class Server:
    """An API server that knows one token."""

    def __init__(self) -> None:
        self.token = "first"
        self.seen: list[str] = []
        self.released = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
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
        if request.path == "/held":
            await response.write(b"before\n")
            await self.released.wait()
            await response.write(b"after\n")
        if request.path in ("/silent", "/lines"):
            await asyncio.sleep(0.2)
        if request.path == "/silent":
            await asyncio.sleep(5)
        assert request.transport is not None
        if request.path == "/short":
            request.transport.abort()
        return response


@asynccontextmanager
async def serving(server: Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    yield f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, str]]:
    server = Server()
    async with serving(server) as url:
        yield server, url


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[tuple[Server, str, tuple[Path, Path, Path]]]:
    """A server with TLS, its address, and the files of its CA, certificate and key."""
    server, files = Server(), ensure(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(files[1], files[2])
    async with serving(server, tls) as url:
        yield server, url, files


def kubeconfig(
    path: Path,
    url: str,
    token: str,
    cluster: dict[str, str] | None = None,
    user: dict[str, Any] | None = None,
) -> Path:
    named = {
        "clusters": [{"name": "x", "cluster": {"server": url, **(cluster or {})}}],
        "users": [{"name": "x", "user": {"token": token} if user is None else user}],
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


@pytest.mark.timeout(600)
async def test_a_login_whose_every_new_token_is_refused_is_tried_twice(
    server: tuple[Server, str], tmp_path: Path
) -> None:
    login = tmp_path / "login"
    login.write_text(
        "#!/bin/sh\n"
        f"echo x >> {tmp_path}/logins; token=$(wc -l < {tmp_path}/logins)\n"
        'echo \'{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",\'\n'
        'echo \'"status": {"token": "refused-\'$token\'"}}\'\n'
    )
    login.chmod(0o700)
    run = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(login)}
    path = kubeconfig(tmp_path / "config", server[1], "", user={"exec": run})
    connection = await Connection.open(str(path))
    assert (await whole(connection))[0] == 401
    assert server[0].seen == ["/whole"] * 2
    await connection.close()


async def test_a_refused_token_cuts_no_other_request(
    connection: Connection, server: tuple[Server, str], tmp_path: Path
) -> None:
    async with aclosing(connection.lines("/held", {}, silence=5)) as lines:
        assert isinstance(await anext(lines), Answer)
        assert await anext(lines) == b"before"
        server[0].token = "second"
        kubeconfig(tmp_path / "config", server[1], "second")
        assert (await whole(connection))[0] == 200
        server[0].released.set()
        assert [line async for line in lines] == [b"after"]


@pytest.mark.parametrize("named", [True, False])
async def test_no_copy_of_a_key_or_certificate_stays_on_disk(
    secure: tuple[Server, str, tuple[Path, Path, Path]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: bool,
) -> None:
    server, url, files = secure
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    made = Mock(wraps=tempfile.mkstemp)
    monkeypatch.setattr(tempfile, "mkstemp", made)
    authority, certificate, key = (base64.b64encode(one.read_bytes()).decode() for one in files)
    secret = {"token": "first", "client-key-data": key, "client-certificate-data": certificate}
    trust = {"certificate-authority-data": authority}
    path = kubeconfig(tmp_path / "other", url, "first", trust, secret)
    monkeypatch.setenv("KUBECONFIG", str(path))
    given = str(path) if named else None
    one, two = await Connection.open(given), await Connection.open(given)
    assert made.call_count == 6, "the library makes three files a login"
    for connection in (one, two, one):
        assert (await whole(connection))[0] == 200
        assert list(scratch.iterdir()) == []
        await connection.close()
    assert (await whole(one))[0] == 200
    server.token = "second"
    assert (await whole(one))[0] == 401
    path.write_text(path.read_text().replace(certificate, "bm90IGEgY2VydGlmaWNhdGU="))
    with pytest.raises(ssl.SSLError):
        await Connection.open(given)
    assert list(scratch.iterdir()) == []
    await one.close()


async def test_a_pod_logs_in_with_its_service_account_and_reads_new_tokens(
    secure: tuple[Server, str, tuple[Path, Path, Path]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, url, files = secure
    token = tmp_path / "token"
    token.write_text("first\n")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(files[0]))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", url.rpartition(":")[2])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    connection = await Connection.open()
    assert (await whole(connection))[0] == 200
    server.token = "second"
    token.write_text("second\n")
    assert (await whole(connection))[0] == 200
    await connection.close()


async def test_a_server_under_another_authority_is_not_trusted(
    secure: tuple[Server, str, tuple[Path, Path, Path]], tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    trust = {"certificate-authority": str(ensure(tmp_path / "other")[0])}
    connection = await Connection.open(
        str(kubeconfig(tmp_path / "config", secure[1], "first", trust))
    )
    with pytest.raises(Unreachable, match="Certificate"):
        await whole(connection)
    await connection.close()


@pytest.mark.parametrize(
    "user",
    [
        {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "false"}},
        {"auth-provider": {"name": "oidc", "config": {"id-token": "a.b.c"}}},
    ],
)
async def test_a_login_without_credentials_fails(tmp_path: Path, user: dict[str, Any]) -> None:
    path = kubeconfig(tmp_path / "config", "https://127.0.0.1:9", "", user=user)
    with pytest.raises(ConfigException):
        await Connection.open(str(path))


async def test_an_answer_that_breaks_off_or_does_not_come_is_none(connection: Connection) -> None:
    for path, seconds in (("/short", 5.0), ("/silent", 0.2)):
        with pytest.raises(Unreachable):
            await connection.send("GET", path, seconds=seconds)


async def test_nobody_there(tmp_path: Path) -> None:
    connection = await Connection.open(
        str(kubeconfig(tmp_path / "config", "http://127.0.0.1:9", "first"))
    )
    with pytest.raises(Unreachable):
        await connection.send("GET", "/whole", seconds=1)
    with pytest.raises(Unreachable):
        async with aclosing(connection.lines("/lines", {}, silence=1)) as lines:
            await anext(lines)
    await connection.close()


async def test_lines_of_any_length_until_the_end_or_silence(connection: Connection) -> None:
    found = [line async for line in connection.lines("/lines", {}, silence=5)]
    assert isinstance(found[0], Answer)
    assert [len(line) for line in found[1:] if isinstance(line, bytes)] == [8, 3_000_000, 0]
    assert len([line async for line in connection.lines("/silent", {}, silence=0.4)]) == 1


async def test_the_environments_proxy_is_used_but_not_for_loopback(
    server: tuple[Server, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    path = str(kubeconfig(tmp_path / "config", server[1], "first"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    proxied = await Connection.open(path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    direct = await Connection.open(path)
    with pytest.raises(Unreachable):
        await whole(proxied)
    assert (await whole(direct))[0] == 200
    await proxied.close()
    await direct.close()
