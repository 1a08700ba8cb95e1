"""The part of Auth0's Management API by which an approved customer gets a client of their own.

The operator makes the client, the API asks for its secret once when the customer claims it; nothing of the secret is
kept here. Configured by four variables (`from_env`); the credentials are those of a machine-to-machine application
with the scopes `read:clients create:clients update:client_keys create:client_grants`.
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
_EARLY_S = 60.0


class Auth0Error(Exception):
    """Auth0 refused or did not answer: worth trying again. The message holds a status and a route, nothing else."""


@dataclass(frozen=True)
class Auth0Settings:
    """Where the tenant of Auth0 is, who manages it, and the API (audience) that clients are granted."""

    domain: str
    client_id: str
    client_secret: str = field(repr=False)
    audience: str

    @classmethod
    def from_env(cls, env: Mapping[str, str], audience: str) -> Auth0Settings | None:
        """Read SIMULACRA_AUTH0_DOMAIN, _CLIENT_ID and _CLIENT_SECRET; None when the domain is not set.

        Raises:
            ValueError: naming the variable that is missing.
        """
        if not (domain := env.get(DOMAIN_VARIABLE)):
            return None
        for variable in (CLIENT_VARIABLE, SECRET_VARIABLE):
            if not env.get(variable):
                raise ValueError(f"{variable} must be set where {DOMAIN_VARIABLE} is")
        return cls(domain, env[CLIENT_VARIABLE], env[SECRET_VARIABLE], audience)

    @property
    def issuer(self) -> str:
        """The issuer of its tokens."""
        return f"https://{self.domain}/"

    @property
    def token_url(self) -> str:
        """Where clients get tokens."""
        return f"https://{self.domain}/oauth/token"


class Auth0:
    """A client of the Management API; `transport` is the HTTP edge, which tests replace."""

    def __init__(self, settings: Auth0Settings, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self.settings = settings
        self._http = httpx2.AsyncClient(
            base_url=f"https://{settings.domain}", timeout=TIMEOUT_S, transport=transport, follow_redirects=False
        )
        self._token, self._expires = "", 0.0

    async def ensure_client(self, request_uid: str, tenant: str) -> str:
        """Return the client id made for an AccessRequest; made when there is none, with a grant of our API.

        Safe to repeat after a crash at any point: the client carries the request's uid.
        """
        client_id = await self._find(request_uid)
        if client_id is None:
            made = await self._call(
                "POST",
                "/api/v2/clients",
                {
                    "name": f"simulacra {tenant}",
                    "app_type": "non_interactive",
                    "grant_types": ["client_credentials"],
                    "token_endpoint_auth_method": "client_secret_post",
                    "client_metadata": {"access_request": request_uid},
                },
            )
            client_id = str(made["client_id"])  # the answer holds a secret as well, which is dropped here
        grant = {"client_id": client_id, "audience": self.settings.audience, "scope": []}
        await self._call("POST", "/api/v2/client-grants", grant, conflict_is_fine=True)
        return client_id

    async def rotate_secret(self, client_id: str) -> str:
        """Give a client a new secret and return it; the one before ends at once."""
        return str((await self._call("POST", f"/api/v2/clients/{client_id}/rotate-secret"))["client_secret"])

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _find(self, request_uid: str) -> str | None:
        for page in range(1000):
            fields = "client_id,client_metadata"
            query = f"fields={fields}&app_type=non_interactive&per_page={_PAGE}&page={page}"
            found = await self._call("GET", f"/api/v2/clients?{query}")
            for client in found:
                if (client.get("client_metadata") or {}).get("access_request") == request_uid:
                    return str(client["client_id"])
            if len(found) < _PAGE:
                return None
        raise Auth0Error("too many clients to look through")

    async def _call(self, method: str, path: str, body: Any = None, *, conflict_is_fine: bool = False) -> Any:
        headers = {"Authorization": f"Bearer {await self._management_token()}"}
        answer = await self._send(method, path, body, headers)
        if answer.status_code == 409 and conflict_is_fine:
            return None
        return self._json(answer, path)

    async def _management_token(self) -> str:
        if time.monotonic() > self._expires - _EARLY_S:
            settings = self.settings
            form = {
                "grant_type": "client_credentials",
                "client_id": settings.client_id,
                "client_secret": settings.client_secret,
                "audience": f"https://{settings.domain}/api/v2/",
            }
            path = "/oauth/token"
            answer = self._json(await self._send("POST", path, form, {}), path)
            self._token, self._expires = answer["access_token"], time.monotonic() + float(answer["expires_in"])
        return self._token

    async def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> httpx2.Response:
        try:
            return await self._http.request(method, path, json=body, headers=headers)
        except httpx2.HTTPError as error:
            raise Auth0Error(f"no answer: {type(error).__name__}") from None

    def _json(self, answer: httpx2.Response, path: str) -> Any:
        if not answer.is_success:
            raise Auth0Error(f"{answer.status_code} at {path.partition('?')[0]}")
        try:
            return answer.json()
        except ValueError:
            raise Auth0Error(f"no JSON at {path.partition('?')[0]}") from None
