"""A proxy between operator and API server that counts and disturbs requests."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import yaml
from aiohttp import ClientResponse, ClientSession, ClientTimeout, TCPConnector, web

HANG_S = 40.0
"""Longer than any of our programs waits for a response."""
HOP = {"host", "connection", "transfer-encoding", "content-length", "content-encoding"}


@dataclass(frozen=True)
class Fault:
    """Fault of the n-th request of each kind of call: method, resource, subresource. No watches.

    Attributes:
        status: HTTP code; 0 cuts the connection, -1 lets it hang for `HANG_S` first.
        nth: which of the calls of a kind, counted from 1.
        after: whether the API server gets the request nevertheless.
        only: the one kind of call to disturb; None: each.
    """

    status: int
    nth: int
    after: bool = False
    only: str | None = None


def kind_of_call(method: str, path: str) -> str:
    """Return method, resource and subresource of a request: `PATCH datasets/status`."""
    parts = path.strip("/").split("/")
    parts = parts[2 if parts[0] == "api" else 3 :]
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    what = "/".join(part for at, part in enumerate(parts) if at != 1)
    return f"{method} {what}{'' if len(parts) > 1 or method == 'POST' else ' (list)'}"


class KillingProxy:
    """Forwards everything; at write number `at` it calls `kill`, before or after forwarding it.

    `created` counts successful creations by path and name, `writes` all forwarded writes except
    those of the Lease, which depend on the clock.
    """

    def __init__(self, upstream: Path, folder: Path) -> None:
        config = yaml.safe_load(upstream.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._url = cluster["server"].rstrip("/")
        self._context = _tls(cluster, user, folder)
        self._token: str | None = user.get("token")
        self._folder = folder
        self.created: Counter[str] = Counter()
        self.writes = 0
        self.at: int | None = None
        self.before = True
        self.kill: Callable[[], object] = lambda: None
        self.supervised = True
        self.kills = 0
        self.fault: Fault | None = None
        self.faults: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.cut_after: int | None = None
        self.drop_every: int | None = None
        self.lost = 0
        self.ahead = timedelta(0)

    async def start(self) -> Path:
        """Start serving on loopback; return a kubeconfig for it."""
        self._session = ClientSession(
            connector=TCPConnector(ssl=self._context, limit=0),
            timeout=ClientTimeout(total=None),
            auto_decompress=False,
        )
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", self._forward)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "p", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "p", "user": {"token": "none"}}],
            "contexts": [{"name": "p", "context": {"cluster": "p", "user": "p"}}],
            "current-context": "p",
        }
        target = self._folder / "proxy.kubeconfig"
        target.write_text(yaml.safe_dump(config))
        return target

    def disturb(self, fault: Fault | None) -> None:
        """Reset the counts of calls, and disturb one of each kind."""
        self.calls.clear()
        self.fault = fault

    async def stop(self) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        write = request.method != "GET"
        if "watch" not in request.query:
            kind = kind_of_call(request.method, request.path)
            self.calls[kind] += 1
            fault = self.fault
            if fault is not None and self.calls[kind] == fault.nth and fault.only in (None, kind):
                self.faults[kind] += 1
                return await self._fail(request, fault)
        doomed = False
        if write and "/leases" not in request.path:
            self.writes += 1
            doomed = self.writes == self.at
            self.kills += doomed
            if doomed and self.before:
                self.kill()
                return web.Response(status=503)
        headers = {
            name: value for name, value in request.headers.items() if name.lower() not in HOP
        }
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        body = await request.read() if write else None
        async with self._session.request(
            request.method, self._url + request.path_qs, headers=headers, data=body
        ) as seen:
            kept = {
                name: value
                for name, value in seen.headers.items()
                if name.lower() not in HOP | {"server", "date"}
            }
            kept["Date"] = format_datetime(datetime.now(UTC) + self.ahead, usegmt=True)
            if write:
                content = await seen.read()
                if request.method == "POST" and seen.status == 201 and body:
                    name = yaml.safe_load(body)["metadata"].get("name", "")
                    self.created[f"{request.path}/{name}"] += 1
                if doomed:
                    self.kill()
                    return web.Response(status=503)
                return web.Response(status=seen.status, headers=kept, body=content)
            response = web.StreamResponse(status=seen.status, headers=kept)
            await response.prepare(request)
            if "watch" in request.query:
                with suppress(ConnectionResetError):  # the operator was killed
                    await self._stream(seen, response)
                return response
            async for chunk in seen.content.iter_any():
                await response.write(chunk)
            return response

    async def _stream(self, seen: ClientResponse, response: web.StreamResponse) -> None:
        """Forward a watch line by line; lose some lines, or end it early, as configured."""
        passed = 0
        async for line in seen.content:
            passed += 1
            if self.drop_every and passed % self.drop_every == 0:
                self.lost += 1
                continue
            await response.write(line)
            if self.cut_after and passed >= self.cut_after:
                self.lost += 1
                return

    async def _fail(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault.after:
            body = await request.read()
            headers = {
                name: value for name, value in request.headers.items() if name.lower() not in HOP
            }
            if self._token:
                headers["Authorization"] = f"Bearer {self._token}"
            url = self._url + request.path_qs
            async with self._session.request(
                request.method, url, headers=headers, data=body
            ) as seen:
                await seen.read()
        if fault.status == -1:
            await asyncio.sleep(HANG_S)
        if fault.status <= 0:
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=503)
        names = {
            409: "Conflict",
            410: "Expired",
            422: "Invalid",
            429: "TooManyRequests",
            500: "InternalError",
        }
        answer = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": fault.status}
        answer |= {"reason": names[fault.status], "message": "injected"}
        headers = {"Retry-After": "1"} if fault.status == 429 else {}
        return web.json_response(answer, status=fault.status, headers=headers)


def _tls(cluster: dict[str, str], user: dict[str, str], folder: Path) -> ssl.SSLContext | bool:
    if not cluster["server"].startswith("https"):
        return False

    def file(source: dict[str, str], name: str) -> str | None:
        if data := source.get(f"{name}-data"):
            target = folder / f"proxy.{name}"
            target.write_bytes(base64.b64decode(data))
            return str(target)
        return source.get(name)

    context = ssl.create_default_context(cafile=file(cluster, "certificate-authority"))
    certificate = file(user, "client-certificate")
    if certificate:
        context.load_cert_chain(certificate, file(user, "client-key"))
    return context
