"""A proxy between the operator and the API server that counts writes and can kill the operator at any of them."""

from __future__ import annotations

import base64
import ssl
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

import yaml

HOP = {"host", "connection", "transfer-encoding", "content-length", "content-encoding"}


class KillingProxy:
    """Forwards everything; at write number `at` it calls `kill`, before or after the API server sees the request.

    `created` counts successful creations by path and name, `writes` all writes that the API server saw.
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
        self.kills = 0

    async def start(self) -> Path:
        """Start serving on loopback; return the kubeconfig that leads here."""
        self._session = ClientSession(
            connector=TCPConnector(ssl=self._context, limit=0), timeout=ClientTimeout(total=None), auto_decompress=False
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

    async def stop(self) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        write = request.method != "GET"
        if write:
            self.writes += 1
            doomed = self.writes == self.at
            self.kills += doomed
            if doomed and self.before:
                self.kill()
                return web.Response(status=503)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        body = await request.read() if write else None
        async with self._session.request(
            request.method, self._url + request.path_qs, headers=headers, data=body
        ) as seen:
            kept = {name: value for name, value in seen.headers.items() if name.lower() not in HOP | {"server", "date"}}
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
            async for chunk in seen.content.iter_any():
                await response.write(chunk)
            return response


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
