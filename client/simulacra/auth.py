"""OAuth2 client credentials for httpx2: a token on demand, and a new one after a 401."""

import time
from collections.abc import AsyncGenerator, Generator

import httpx2

from simulacra.connection import Connection
from simulacra.errors import ApiError

REFRESH_BEFORE_SECONDS = 30.0
Flow = Generator[httpx2.Request, httpx2.Response, None]


class ClientCredentials(httpx2.Auth):
    """RFC 6749, section 4.4, with the `audience` parameter of Auth0 and the built-in issuer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._token = ""
        self._expires = 0.0

    def sync_auth_flow(self, request: httpx2.Request) -> Flow:
        """Read only the responses with tokens.

        `requires_response_body` would read whole downloads into memory.
        """
        flow = self.auth_flow(request)
        step = next(flow)
        while True:
            response = yield step
            if step is not request:
                response.read()
            try:
                step = flow.send(response)
            except StopIteration:
                return

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Do the same as `sync_auth_flow`, awaited."""
        flow = self.auth_flow(request)
        step = next(flow)
        while True:
            response = yield step
            if step is not request:
                await response.aread()
            try:
                step = flow.send(response)
            except StopIteration:
                return

    def auth_flow(self, request: httpx2.Request) -> Flow:
        """Add the bearer token; after a 401, try once more with a new one."""
        if time.monotonic() > self._expires - REFRESH_BEFORE_SECONDS:
            self._store_token((yield self._token_request()))
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == 401:
            self._store_token((yield self._token_request()))
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

    def _store_token(self, response: httpx2.Response) -> None:
        if response.is_error:
            raise ApiError.from_response(response)
        body = response.json()
        self._token = body["access_token"]
        self._expires = time.monotonic() + float(body.get("expires_in", 60))
