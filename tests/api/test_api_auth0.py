"""Claims where Auth0 keeps the clients: it gives the secret, and nothing of it stays here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from types import MethodType, SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

from auth0_mock import SETTINGS, Auth0Mock
from simulacra_api.access import rotation
from simulacra_api.access.schemas import RotationRequest
from simulacra_api.auth.credentials import Credentials
from simulacra_api.auth.signing import SigningKeyStore
from simulacra_api.auth.tenant_lookup import Tenants
from simulacra_api.http.problems import Problem
from simulacra_api.services import Services
from simulacra_api.settings import Settings
from simulacra_crds.auth0 import Auth0
from simulacra_custody.wiring import open_audit


@pytest_asyncio.fixture(loop_scope="session")
async def services(world: Any) -> AsyncIterator[Any]:
    edge = Auth0Mock()
    auth0 = Auth0(SETTINGS, edge)
    settings = replace(world.settings, auth0=SETTINGS)
    own = Credentials(world.cluster, SigningKeyStore(world.cluster), Tenants(world.cluster))
    services = SimpleNamespace(edge=edge, auth0=auth0, settings=settings, credentials=own)
    services.tenants = SimpleNamespace(of_client=_nobody)
    services.audit = open_audit()
    services.record = MethodType(Services.record, services)
    yield services
    await auth0.close()


async def _nobody(_: str) -> Any:
    raise Problem("simio_forbidden")


async def _token(services: Any) -> tuple[str, str]:
    """An open claim of a client that Auth0 has made."""
    client_id = await services.auth0.ensure_client("uid-1", "acme")
    claim = await services.credentials.issue(
        client_id, "signup", "signup", overlap=0, knowledge="req"
    )
    await services.credentials.write((await services.credentials.read(client_id)).with_claim(claim))
    return client_id, await services.credentials.token_of(client_id, claim, "req")


async def test_claim_returns_the_secret_from_auth0(services: Any) -> None:
    client_id, token = await _token(services)
    given = await rotation.claim_credential(services, token, "request-1")
    assert given.client_secret == services.edge.clients[0]["secret"]
    assert (given.client_id, given.token_url) == (client_id, SETTINGS.token_url)
    assert (await services.credentials.read(client_id)).hashes == []
    with pytest.raises(Problem) as again:
        await rotation.claim_credential(services, token, "request-2")
    assert again.value.entry.code == "simio_credential_claim_not_found"


async def test_claim_stays_open_while_auth0_is_unreachable(services: Any) -> None:
    _, token = await _token(services)
    services.edge.fail = {"/api/v2/clients/": 503}
    with pytest.raises(Problem) as refused:
        await rotation.claim_credential(services, token, "request-1")
    assert refused.value.entry.code == "simio_unavailable"
    services.edge.fail = {}
    assert (await rotation.claim_credential(services, token, "request-2")).client_secret


async def test_rotation_with_auth0_has_no_overlap(services: Any) -> None:
    client_id, token = await _token(services)
    await rotation.claim_credential(services, token, "request-1")
    first = services.edge.clients[0]["secret"]
    caller: Any = SimpleNamespace(
        client_id=client_id,
        tenant=SimpleNamespace(metadata=SimpleNamespace(annotations={})),
        audit_data=lambda **fields: rotation.AuditData(client=client_id, **fields),
    )
    for secret in (None, "wrong"):  # Auth0 would end the present secret at once
        with pytest.raises(Problem) as refused:
            await rotation.request_rotation(services, caller, RotationRequest(client_secret=secret))
        assert refused.value.errors[0].pointer == "/client_secret"
    opened = await rotation.request_rotation(services, caller, RotationRequest(client_secret=first))
    assert opened.overlap_seconds == 0
    assert opened.credential_claim_token is not None
    assert (
        await rotation.claim_credential(services, opened.credential_claim_token, "request-2")
    ).client_secret != first


def test_auth0_is_the_default_external_issuer() -> None:
    env = {"SIMULACRA_AUTH0_DOMAIN": "x.auth0.example", "SIMULACRA_AUTH0_CLIENT_ID": "i"}
    env["SIMULACRA_AUTH0_CLIENT_SECRET"] = "s"
    settings = Settings.from_env("http://127.0.0.1:1", env)
    assert settings.oidc_issuer == "https://x.auth0.example/"
    assert settings.auth0 is not None
    assert settings.auth0.audience == settings.audience
    own = Settings.from_env(
        "http://127.0.0.1:1", env | {"SIMULACRA_OIDC_ISSUER": "https://custom.example/"}
    )
    assert own.oidc_issuer == "https://custom.example/"
