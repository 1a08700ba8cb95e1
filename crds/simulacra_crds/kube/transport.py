"""One HTTP connection pool to an API server: kr8s knows who we are there, aiohttp carries the requests.

kr8s sends its own through httpx, which costs four times the CPU time of aiohttp a request; a busy operator did little
else. Credentials are read again when the server no longer knows them: tokens of service accounts are replaced on disk.
"""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import kr8s.asyncio

CONNECT_SECONDS = 30.0
UNAUTHORIZED = 401


class Unreachable(Exception):
    """There was no answer; the message is the kind of fault, never what was sent."""


@dataclass(frozen=True)
class Answer:
    """What the server answered. `date` is its Date header."""

    status: int
    phrase: str
    date: str | None
    content: bytes

    @property
    def is_error(self) -> bool:
        """Whether it refused."""
        return self.status >= 400


class Connection:
    """Requests to one API server. Create it with `await Connection.open()` inside the event loop that uses it."""

    def __init__(self, auth: Any, tls: ssl.SSLContext | bool) -> None:
        self._auth = auth
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._proxy: str | None = None
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, kubeconfig: str | None = None) -> Self:
        """Log in by the kubeconfig given, KUBECONFIG, or the pod's service account, in this order."""
        # kr8s warns about servers newer than itself; only its login is used here.
        warnings.filterwarnings("ignore", "Kubernetes version .* is not supported", UserWarning)
        auth = (await kr8s.asyncio.api(kubeconfig=kubeconfig)).auth
        return cls(auth, await _tls(auth))

    async def close(self) -> None:
        """Close every connection of the pool."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(
        self,
        method: str,
        path: str,
        *,
        seconds: float,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        media_type: str = "application/json",
    ) -> Answer:
        """Send one request and return the whole answer.

        Args:
            method: HTTP method.
            path: path below the server's address.
            seconds: how long the server may be silent.
            params: query.
            body: content, None for none.
            media_type: what the body is.

        Raises:
            Unreachable: no answer, or not all of it.
        """
        headers = {"Content-Type": media_type} if body is not None else {}
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=seconds)
        options = {"params": params, "data": body, "headers": headers, "timeout": timeout}
        while True:
            session = self._session or await self._log_in()
            async with self._request(session, method, path, **options) as response:
                content = await response.read()
                answer = Answer(
                    response.status, response.reason or "", response.headers.get("Date"), content
                )
            if answer.status != UNAUTHORIZED or not await self._log_in_again(session):
                return answer

    async def lines(
        self, path: str, params: Mapping[str, str], *, silence: float
    ) -> AsyncGenerator[Answer | bytes]:
        """Yield the head of an answer (its content only when it is an error), then each line as it comes.

        It ends where the server ends it, is cut off, or is silent for too long (seconds).

        Raises:
            Unreachable: no connection could be made.
        """
        session = self._session or await self._log_in()
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=silence)
        async with self._request(session, "GET", path, params=params, timeout=timeout) as response:
            content = await response.read() if response.status >= 400 else b""
            head = Answer(
                response.status, response.reason or "", response.headers.get("Date"), content
            )
            if head.status == UNAUTHORIZED:
                await self._log_in_again(session)
            yield head
            rest = b""
            try:
                async for chunk in response.content.iter_any():
                    *whole, rest = (rest + chunk).split(b"\n")
                    for line in whole:
                        yield line
            except (aiohttp.ClientError, TimeoutError):
                return

    @asynccontextmanager
    async def _request(
        self, session: aiohttp.ClientSession, method: str, path: str, **options: Any
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        url = self._auth.server.rstrip("/") + path
        if self._auth.tls_server_name:
            options["server_hostname"] = self._auth.tls_server_name
        try:
            async with session.request(method, url, proxy=self._proxy, **options) as response:
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(type(error).__name__) from error

    async def _log_in(self) -> aiohttp.ClientSession:
        async with self._turn:
            if self._session is None:
                token = self._auth.token
                headers = {"Authorization": f"Bearer {token.strip()}"} if token else {}
                self._proxy = _proxy(self._auth)
                connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
                self._session = aiohttp.ClientSession(
                    connector=connector, headers=headers, cookie_jar=aiohttp.DummyCookieJar()
                )
            return self._session

    async def _log_in_again(self, refused: aiohttp.ClientSession) -> bool:
        """Read the credentials anew; return whether they are others than those of the session that was refused."""
        async with self._turn:
            if self._session is not refused:
                return True
            before = self._auth.token
            await self._auth.reauthenticate()
            self._tls = await _tls(self._auth)
            if self._auth.token == before:
                return False
            self._session = None
        await refused.close()
        return True


async def _tls(auth: Any) -> ssl.SSLContext | bool:
    """Return the TLS side of a login, and remove the files that kr8s makes of keys that a kubeconfig holds as data."""
    context: ssl.SSLContext | bool = await auth.ssl_context()
    for section, name, path in (
        (auth._user, "client-key-data", auth.client_key_file),
        (auth._user, "client-certificate-data", auth.client_cert_file),
        (auth._cluster, "certificate-authority-data", auth.server_ca_file),
    ):
        if name in section:
            await asyncio.to_thread(Path(path).unlink, missing_ok=True)
    return context


def _proxy(auth: Any) -> str | None:
    """Return the proxy that the kubeconfig names, or the environment (HTTPS_PROXY, NO_PROXY)."""
    server = urlsplit(auth.server)
    if auth.proxy or proxy_bypass(server.hostname or ""):
        return str(auth.proxy) if auth.proxy else None
    return getproxies().get(server.scheme)
