"""The client of Auth0's Management API, with a mock of its HTTP interface."""

from __future__ import annotations

import pytest

from auth0_mock import SETTINGS, Auth0Mock
from simulacra_crds.auth0 import Auth0, Auth0Error, Auth0Settings


async def test_client_is_created_once_with_a_grant() -> None:
    edge = Auth0Mock()
    edge.clients = [
        {"client_id": f"other{n}", "client_metadata": {"access_request": f"u{n}"}}
        for n in range(250)
    ]
    auth0 = Auth0(SETTINGS, edge)
    client_id = await auth0.ensure_client("uid-1", "acme")
    assert await auth0.ensure_client("uid-1", "acme") == client_id
    assert len(edge.clients) == 251
    made = edge.clients[-1]
    assert made["grant_types"] == ["client_credentials"]
    assert edge.grants == [{"client_id": client_id, "audience": SETTINGS.audience, "scope": []}]
    assert edge.calls.count("POST /oauth/token") == 1
    assert await auth0.rotate_secret(client_id) == made["secret"]
    await auth0.close()


async def test_missing_grant_is_created_after_a_crash() -> None:
    edge = Auth0Mock()
    edge.fail = {"/api/v2/client-grants": 503}
    auth0 = Auth0(SETTINGS, edge)
    with pytest.raises(Auth0Error, match="503 at /api/v2/client-grants"):
        await auth0.ensure_client("uid-1", "acme")
    edge.fail = {}
    await auth0.ensure_client("uid-1", "acme")
    assert (len(edge.clients), len(edge.grants)) == (1, 1)


@pytest.mark.parametrize("path", ["/oauth/token", "/api/v2/clients"])
@pytest.mark.parametrize("status", [200, 302, 401, 429, 500])
async def test_bad_answer_is_an_error_without_its_text(path: str, status: int) -> None:
    edge = Auth0Mock()
    edge.fail = {path: status}
    with pytest.raises(Auth0Error) as refused:
        await Auth0(SETTINGS, edge).ensure_client("uid-1", "acme")
    assert "html" not in str(refused.value)
    assert "management-secret" not in repr(SETTINGS)


def test_settings_are_complete_or_absent() -> None:
    env = {"SIMULACRA_AUTH0_DOMAIN": "x.auth0.example", "SIMULACRA_AUTH0_CLIENT_ID": "i"}
    with pytest.raises(ValueError, match="SIMULACRA_AUTH0_CLIENT_SECRET"):
        Auth0Settings.from_env(env, "a")
    found = Auth0Settings.from_env(env | {"SIMULACRA_AUTH0_CLIENT_SECRET": "s"}, "a")
    assert found is not None
    assert (found.issuer, found.token_url) == (
        "https://x.auth0.example/",
        "https://x.auth0.example/oauth/token",
    )
    assert Auth0Settings.from_env({}, "a") is None
