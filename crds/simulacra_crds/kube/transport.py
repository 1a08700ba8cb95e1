"""HTTP connection pool to one API server: the official client logs in, aiohttp sends the requests.

The official client's own requests convert each object to generated classes; `Cluster` wants bytes.
Credentials are read again when the server refuses them, as tokens are replaced on disk.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import ConfigException, kube_config, load_incluster_config

CONNECT_SECONDS = 30.0
UNAUTHORIZED = 401
LOGINS = 2
"""Logins that one request tries: a login command may give a new token each time, for ever."""


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


@dataclass(frozen=True)
class _Login:
    """Address of the server, and options of each request: credentials, TLS, proxy."""

    server: str
    options: dict[str, Any]


class Connection:
    """Requests to one API server. Call `Connection.open()` in the event loop that uses it."""

    def __init__(self, kubeconfig: str | None, login: _Login) -> None:
        self._kubeconfig = kubeconfig
        self._login = login
        self._session: aiohttp.ClientSession | None = None
        self._lock = asyncio.Lock()

    @classmethod
    async def open(cls, kubeconfig: str | None = None) -> Self:
        """Log in by this kubeconfig, KUBECONFIG or the pod's service account, in this order."""
        return cls(kubeconfig, await _log_in(kubeconfig))

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

        The server may be silent for `seconds`.

        Raises:
            Unreachable: no answer, or not all of it.
        """
        for _ in range(LOGINS):
            login = self._login
            data = None if body is None else aiohttp.BytesPayload(body, content_type=media_type)
            async with self._request(login, method, path, seconds, params, data) as response:
                answer = _answer(response, await response.read())
            if answer.status != UNAUTHORIZED or not await self._log_in_again(login):
                break
        return answer

    async def lines(
        self, path: str, params: Mapping[str, str], *, silence: float
    ) -> AsyncGenerator[Answer | bytes]:
        """Yield the head of an answer (with content if it is an error), then each line as it comes.

        It ends where the server ends it, is cut off, or is silent for too long (seconds).

        Raises:
            Unreachable: no connection could be made.
        """
        login = self._login
        async with self._request(login, "GET", path, silence, params) as response:
            head = _answer(response, await response.read() if response.status >= 400 else b"")
            if head.status == UNAUTHORIZED:
                await self._log_in_again(login)
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
        self, login: _Login, method: str, path: str, silence: float, params: Any, data: Any = None
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        if self._session is None:
            # trust_env stays off: with it aiohttp looks up a proxy and netrc at each request.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
            )
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=silence)
        options = {"params": params, "data": data, "timeout": timeout, **login.options}
        try:
            async with self._session.request(method, login.server + path, **options) as response:
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(type(error).__name__) from error

    async def _log_in_again(self, refused: _Login) -> bool:
        """Read the credentials again; return whether the token is another one."""
        async with self._lock:
            if self._login is refused:
                self._login = await _log_in(self._kubeconfig)
            return self._login.options["headers"] != refused.options["headers"]


def _answer(response: aiohttp.ClientResponse, content: bytes) -> Answer:
    date = response.headers.get("Date")
    return Answer(response.status, response.reason or "", date, content)


async def _log_in(kubeconfig: str | None) -> _Login:
    """Read the kubeconfig, or the pod's service account where there is none, from disk."""
    found = Configuration()
    # As kubectl does: the strict checks of Python 3.13 refuse the CAs of many clusters.
    found.disable_strict_ssl_verification = True
    paths = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    try:
        if any(Path(one).expanduser().is_file() for one in paths.split(":")):  # noqa: ASYNC240
            config = kube_config.KubeConfigMerger(paths).config
            loader = kube_config.KubeConfigLoader(config, config_base_path=None)
            if loader.provider:
                # The library would refresh an OIDC token without checking who the issuer is.
                raise ConfigException("auth-provider is not supported. Use exec or a token.")
            await loader.load_and_set(found)
        else:
            load_incluster_config(found, try_refresh_token=False)
        tls = RESTClientObject(found).ssl_context
    finally:
        # The library copies keys and certificates of a kubeconfig to files and keeps them until
        # the process ends. It awaits nothing after that, so no other login needs these files.
        kube_config._cleanup_temp_files()
    scheme, _, token = found.api_key.get("BearerToken", "").strip().partition(" ")
    if found.host.startswith("https:") and not (token or found.cert_file):
        # The library only logs that a login command failed.
        raise ConfigException("The kubeconfig gave neither a token nor a certificate.")
    server = urlsplit(found.host)
    if not found.proxy and not proxy_bypass(server.hostname or ""):
        found.proxy = getproxies().get(server.scheme)
    headers = {"Authorization": f"{scheme.capitalize()} {token}"} if token else {}
    more = {"server_hostname": found.tls_server_name, "proxy": found.proxy}
    return _Login(found.host, {"headers": headers, "ssl": tls, **more})
