"""OAuth2 client credentials as an httpx2.Auth: fetches a token when it is needed and again when it is refused."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Generator

import httpx2

from simulacra.connection import Connection
from simulacra.errors import ApiError

REFRESH_BEFORE_SECONDS = 30.0


class ClientCredentials(httpx2.Auth):
    """RFC 6749, section 4.4, with the `audience` parameter that Auth0 and the built-in issuer want."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._token = ""
        self._expires = 0.0

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Read the answers that hold tokens; `requires_response_body` would read whole downloads into memory."""
        flow = self.auth_flow(request)
        asked = next(flow)
        while True:
            response = yield asked
            if asked is not request:
                response.read()
            try:
                asked = flow.send(response)
            except StopIteration:
                return

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Do the same as `sync_auth_flow`, awaited."""
        flow = self.auth_flow(request)
        asked = next(flow)
        while True:
            response = yield asked
            if asked is not request:
                await response.aread()
            try:
                asked = flow.send(response)
            except StopIteration:
                return

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Add the bearer token; on a 401 try once more with a new one."""
        if time.monotonic() > self._expires - REFRESH_BEFORE_SECONDS:
            self._remember((yield self._token_request()))
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == 401:
            self._remember((yield self._token_request()))
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _token_request(self) -> httpx2.Request:
        body = {
            "grant_type": "client_credentials",
            "client_id": self._connection.client_id,
            "client_secret": self._connection.client_secret,
            "audience": self._connection.audience,
        }
        return httpx2.Request("POST", self._connection.token_url, json=body)

    def _remember(self, response: httpx2.Response) -> None:
        if response.is_error:
            raise ApiError.from_response(response)
        body = response.json()
        self._token = body["access_token"]
        self._expires = time.monotonic() + float(body.get("expires_in", 60))
