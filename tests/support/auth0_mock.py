"""Mock of Auth0's Management API over HTTP, from its documentation."""

from __future__ import annotations

import json
import secrets
from typing import Any

import httpx2

from simulacra_crds.auth0 import Auth0Settings

SETTINGS = Auth0Settings(
    "acme.eu.auth0.example", "management", "management-secret", "https://api.simulacra.dev"
)


class Auth0Mock(httpx2.AsyncBaseTransport):
    """Transport with tokens, clients, grants and rotations; `fail` gives a path a status."""

    def __init__(self) -> None:
        self.clients: list[dict[str, Any]] = []
        self.grants: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.fail: dict[str, int] = {}
        self.token = secrets.token_hex(8)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        self.calls.append(f"{request.method} {path}")
        for prefix, status in self.fail.items():
            if path.startswith(prefix):
                return httpx2.Response(status, text="<html>a fault</html>")
        body = json.loads(request.content or b"null")
        if path == "/oauth/token" and body["client_id"] != "management":
            pair = (body["client_id"], body["client_secret"])
            known = pair in [(one["client_id"], one.get("secret")) for one in self.clients]
            return httpx2.Response(200 if known else 401, json={})
        if path == "/oauth/token":
            wanted = {"client_id": "management", "client_secret": "management-secret"}
            assert wanted.items() <= body.items()
            assert body["audience"] == f"https://{SETTINGS.domain}/api/v2/"
            return httpx2.Response(200, json={"access_token": self.token, "expires_in": 86_400})
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return httpx2.Response(401, json={"statusCode": 401})
        return self._manage(request, path, body)

    def _manage(self, request: httpx2.Request, path: str, body: Any) -> httpx2.Response:
        if (request.method, path) == ("GET", "/api/v2/clients"):
            size = int(request.url.params["per_page"])
            page = int(request.url.params["page"])
            listed = self.clients[page * size : (page + 1) * size]
            shown = [{k: c[k] for k in ("client_id", "client_metadata")} for c in listed]
            return httpx2.Response(200, json=shown)
        if (request.method, path) == ("POST", "/api/v2/clients"):
            made = body | {"client_id": secrets.token_hex(16)}
            self.clients.append(made)
            return httpx2.Response(201, json=made | {"client_secret": "never-used"})
        if (request.method, path) == ("POST", "/api/v2/client-grants"):
            if body in self.grants:
                return httpx2.Response(409, json={"statusCode": 409})
            self.grants.append(body)
            return httpx2.Response(201, json=body)
        if request.method == "POST" and path.endswith("/rotate-secret"):
            client = next(one for one in self.clients if f"/{one['client_id']}/" in path)
            client["secret"] = secrets.token_urlsafe(32)
            made = {"client_id": client["client_id"], "client_secret": client["secret"]}
            return httpx2.Response(200, json=made)
        return httpx2.Response(404, json={"statusCode": 404})
