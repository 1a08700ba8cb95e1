"""Client of Auth0's Management API, which gives an approved customer an OAuth2 client.

The operator creates the client; the API fetches its secret once, when the customer claims it. No
secret is kept. Four variables configure it (`Auth0Settings.from_env`). The credentials are those of
a machine-to-machine application with the scopes `read:clients create:clients update:client_keys
create:client_grants`. This module depends on no other part of Simulacra.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

DOMAIN_VARIABLE = "SIMULACRA_AUTH0_DOMAIN"
CLIENT_VARIABLE = "SIMULACRA_AUTH0_CLIENT_ID"
SECRET_VARIABLE = "SIMULACRA_AUTH0_CLIENT_SECRET"  # noqa: S105 - a name
AUDIENCE_VARIABLE = "SIMULACRA_AUDIENCE"
DEFAULT_AUDIENCE = "https://api.simulacra.dev"
TIMEOUT_S = 10.0
_PAGE = 100
_MAX_PAGES = 1000
_RENEW_BEFORE_S = 60.0


class Auth0Error(Exception):
    """Auth0 refused or did not answer: retry. The message has a status and a route, no content."""


@dataclass(frozen=True)
class Auth0Settings:
    """Auth0's domain, the management application, and the API (audience) to grant."""

    domain: str
    client_id: str
    client_secret: str = field(repr=False)
    audience: str

    @classmethod
    def from_env(cls, env: Mapping[str, str], audience: str) -> Auth0Settings | None:
        """Read the settings from the environment, None without a domain.

        Raises:
            ValueError: names the missing variable.
        """
        if not (domain := env.get(DOMAIN_VARIABLE)):
            return None
        for variable in (CLIENT_VARIABLE, SECRET_VARIABLE):
            if not env.get(variable):
                raise ValueError(f"{DOMAIN_VARIABLE} is set, so {variable} must be set too")
        return cls(domain, env[CLIENT_VARIABLE], env[SECRET_VARIABLE], audience)

    @property
    def issuer(self) -> str:
        """The issuer of its tokens."""
        return f"https://{self.domain}/"

    @property
    def token_url(self) -> str:
        """The URL of its tokens."""
        return f"https://{self.domain}/oauth/token"


class Auth0:
    """A client of the Management API; tests replace `transport`."""

    def __init__(
        self, settings: Auth0Settings, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        self.settings = settings
        self._http = httpx2.AsyncClient(
            base_url=f"https://{settings.domain}",
            timeout=TIMEOUT_S,
            transport=transport,
            follow_redirects=False,
        )
        self._token = ""
        self._expires = 0.0

    async def ensure_client(self, request_uid: str, tenant: str) -> str:
        """Return the id of an AccessRequest's client, created if missing, with a grant of the API.

        The client has the request's uid in its metadata, so a call can be repeated after a crash.
        """
        client_id = await self._find(request_uid)
        if client_id is None:
            client = {
                "name": f"simulacra {tenant}",
                "app_type": "non_interactive",
                "grant_types": ["client_credentials"],
                "token_endpoint_auth_method": "client_secret_post",
                "client_metadata": {"access_request": request_uid},
            }
            # The answer also has a secret, which is not kept.
            client_id = str((await self._call("POST", "/api/v2/clients", client))["client_id"])
        grant = {"client_id": client_id, "audience": self.settings.audience, "scope": []}
        await self._call("POST", "/api/v2/client-grants", grant, may_exist=True)
        return client_id

    async def rotate_secret(self, client_id: str) -> str:
        """Give a client a new secret and return it; the old one is invalid at once."""
        made = await self._call("POST", f"/api/v2/clients/{client_id}/rotate-secret")
        return str(made["client_secret"])

    async def accepts(self, client_id: str, secret: str) -> bool:
        """Return whether this is the client's secret: whether it gets a token of the API."""
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": secret,
            "audience": self.settings.audience,
        }
        answer = await self._send("POST", "/oauth/token", form, {})
        if answer.status_code in (400, 401, 403):
            return False
        _json(answer, "/oauth/token")
        return True

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _find(self, request_uid: str) -> str | None:
        fields = "fields=client_id,client_metadata&app_type=non_interactive"
        for page in range(_MAX_PAGES):
            query = f"{fields}&per_page={_PAGE}&page={page}"
            found = await self._call("GET", f"/api/v2/clients?{query}")
            for client in found:
                if (client.get("client_metadata") or {}).get("access_request") == request_uid:
                    return str(client["client_id"])
            if len(found) < _PAGE:
                return None
        raise Auth0Error(f"more than {_MAX_PAGES * _PAGE} clients; delete unused ones")

    async def _call(
        self, method: str, path: str, body: Any = None, *, may_exist: bool = False
    ) -> Any:
        headers = {"Authorization": f"Bearer {await self._management_token()}"}
        answer = await self._send(method, path, body, headers)
        if answer.status_code == 409 and may_exist:
            return None
        return _json(answer, path)

    async def _management_token(self) -> str:
        if time.monotonic() > self._expires - _RENEW_BEFORE_S:
            form = {
                "grant_type": "client_credentials",
                "client_id": self.settings.client_id,
                "client_secret": self.settings.client_secret,
                "audience": f"https://{self.settings.domain}/api/v2/",
            }
            path = "/oauth/token"
            answer = _json(await self._send("POST", path, form, {}), path)
            self._token = answer["access_token"]
            self._expires = time.monotonic() + float(answer["expires_in"])
        return self._token

    async def _send(
        self, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> httpx2.Response:
        try:
            return await self._http.request(method, path, json=body, headers=headers)
        except httpx2.HTTPError as error:
            raise Auth0Error(f"no answer: {type(error).__name__}") from None


def _json(answer: httpx2.Response, path: str) -> Any:
    route = path.partition("?")[0]
    if not answer.is_success:
        raise Auth0Error(f"{answer.status_code} at {route}")
    try:
        return answer.json()
    except ValueError:
        raise Auth0Error(f"no JSON at {route}") from None
