"""A thief of a bearer token, or of a client's secret, against the rotation of credentials."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from api_world import CLIENTS, World
from simulacra_api.access.rotation import ROTATIONS_PER_DAY
from simulacra_api.auth.clients import hash_secret, trusted_entries
from simulacra_api.auth.credentials import Credentials
from simulacra_api.auth.revocation import CACHE_SECONDS
from simulacra_api.auth.signing import SigningKeyStore
from simulacra_api.auth.tenant_lookup import Tenants
from simulacra_crds import rotation_notice
from simulacra_crds.kinds.base import ANNOTATION_ROTATION_APPROVED, API_VERSION
from simulacra_crds.kube.client import CONFIGMAPS, NAMESPACES, SECRETS, TENANTS

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.embedded,
    pytest.mark.usefixtures("own_environment"),
]
SECRET = "sim_secret_of_the_owner"
ROTATIONS = "/v1/credential-rotations"
_numbers = itertools.count(1)


@pytest_asyncio.fixture(loop_scope="session")
async def owner(world: World) -> str:
    """A client of its own tenant, whose secret is SECRET."""
    client = f"owner-{next(_numbers)}"
    tenant = {"apiVersion": API_VERSION, "kind": "Tenant", "metadata": {"name": client}}
    await world.cluster.create(TENANTS, tenant | {"spec": {"clients": [client]}})
    hashes = json.dumps([{"hash": hash_secret(SECRET), "created": 0}]).encode()
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"client-{client}"}}
    data = {"hashes": base64.b64encode(hashes).decode()}
    await world.cluster.create(SECRETS, body | {"data": data}, CLIENTS)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"tenant-{client}"}}
    await world.cluster.create(NAMESPACES, namespace)
    return client


async def _token(world: World, client: str, secret: str) -> str | None:
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    async with httpx2.AsyncClient(base_url=world.url) as http:
        answer = await http.post("/oauth/token", data=form)
    return answer.json().get("access_token")  # type: ignore[no-any-return]


def _as(world: World, token: str | None) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=world.url, headers={"Authorization": f"Bearer {token}"})


async def _claim(world: World, opened: httpx2.Response) -> httpx2.Response:
    claim = {"credential_claim_token": opened.json()["credential_claim_token"]}
    async with httpx2.AsyncClient(base_url=world.url) as http:
        return await http.post("/v1/credential-claims", json=claim)


def _pointer(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["pointer"]


async def test_token_or_cookie_alone_leads_to_no_secret(world: World, owner: str) -> None:
    page = {"Origin": world.url, "Sec-Fetch-Site": "same-origin"}
    async with (
        _as(world, await _token(world, owner, SECRET)) as thief,
        httpx2.AsyncClient(base_url=world.url, headers=page) as browser,
    ):
        code = (await thief.post("/console/login-codes")).json()["code"]
        assert (await browser.post("/console/session", json={"code": code})).status_code == 201
        for http in (thief, browser):
            for overlap in (None, 0, 7200, 86_400):
                body = None if overlap is None else {"overlap_seconds": overlap}
                answer = await http.post(ROTATIONS, json=body)
                assert _pointer(answer) == (400, "/client_secret"), answer.text
        # A rotation that its owner has begun leads nobody else to its secret either.
        opened = await thief.post(ROTATIONS, json={"client_secret": SECRET})
        assert opened.json()["credential_claim_token"]
        seen = (await thief.get("/v1/audit-events", params={"limit": 100})).json()["items"]
        found = {one["uid"] for one in seen if one["type"].endswith("credential.offered")}
        assert found == {opened.json()["rotation_id"]}
        for http in (thief, browser):
            shown = (await http.get(opened.headers["Location"])).json()
            assert (shown["status"], shown["credential_claim_token"]) == ("approved", None)
    assert await _token(world, owner, SECRET)


async def test_claim_that_a_former_release_issued_without_proof_is_refused(
    world: World, owner: str
) -> None:
    own = SigningKeyStore(world.cluster)
    credentials = Credentials(world.cluster, own, Tenants(world.cluster))
    claim = await credentials.issue(owner, "rot-1", "rotation", overlap=7200, knowledge="")
    await credentials.write((await credentials.read(owner)).with_claim(claim))
    token = {"credential_claim_token": await credentials.token_of(owner, claim)}
    async with httpx2.AsyncClient(base_url=world.url) as http:
        answer = await http.post("/v1/credential-claims", json=token)
    assert (answer.status_code, answer.json()["code"]) == (404, "simio_credential_claim_not_found")


async def test_owner_takes_the_client_back_and_ends_the_thiefs_tokens(
    world: World, owner: str
) -> None:
    stolen = await _token(world, owner, SECRET)
    async with _as(world, stolen) as http:
        for _ in range(ROTATIONS_PER_DAY):
            assert (await http.post(ROTATIONS)).status_code == 400
        emergency = {"overlap_seconds": 0, "client_secret": SECRET}
        answer = await http.post(ROTATIONS, json=emergency)
        assert answer.status_code == 201, answer.text  # refusals used up none of these
        new = (await _claim(world, answer)).json()["client_secret"]
    fresh = await _token(world, owner, new)
    assert await _token(world, owner, SECRET) is None
    deadline = time.monotonic() + CACHE_SECONDS + 10
    async with _as(world, stolen) as http:
        while (await http.get("/v1/usage")).status_code != 401:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)
    async with _as(world, fresh) as http:
        assert (await http.get("/v1/usage")).status_code == 200
        types = {"credential.offered", "credential.claimed"}
        seen = (await http.get("/v1/audit-events", params={"limit": 100})).json()["items"]
    labels = rotation_notice.SELECTOR
    listed = world.cluster.list(CONFIGMAPS, f"tenant-{owner}", labels=labels)
    notices = [rotation_notice.content_of(one)["client_id"] async for one in listed]
    assert notices == [owner]
    told = {one["type"].removeprefix("dev.simulacra.") for one in seen if one.get("uid")}
    assert types <= told
    assert new not in world.audit_text()


async def test_wrong_proof_is_refused_and_on_record(world: World, owner: str) -> None:
    async with _as(world, await _token(world, owner, SECRET)) as http:
        answer = await http.post(ROTATIONS, json={"client_secret": "sim_secret_wrong"})
        assert _pointer(answer) == (400, "/client_secret")
        assert "sim_secret_wrong" not in answer.text
        kind = {"type": "dev.simulacra.credential.refused"}
        seen = (await http.get("/v1/audit-events", params=kind)).json()["items"]
    assert [one["outcome"] for one in seen] == ["refused"]
    assert "sim_secret_wrong" not in world.audit_text()


@pytest.mark.parametrize(
    ("until", "status"),
    [(timedelta(hours=1), 201), (timedelta(seconds=-1), 400), (None, 400)],
    ids=["approved", "over", "malformed"],
)
async def test_operator_approves_a_rotation_without_the_secret(
    world: World, owner: str, until: timedelta | None, status: int
) -> None:
    value = "tomorrow" if until is None else (datetime.now(UTC) + until).isoformat()
    note = {"metadata": {"annotations": {ANNOTATION_ROTATION_APPROVED: value}}}
    await world.cluster.patch(TENANTS, owner, note)
    async with _as(world, await _token(world, owner, SECRET)) as http:
        deadline = time.monotonic() + 60
        while True:  # the list of Tenants is a few seconds old
            answer = await http.post(ROTATIONS, json={"overlap_seconds": 0})
            if answer.status_code == status or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.5)
        kind = {"type": "dev.simulacra.credential.approved"}
        seen = (await http.get("/v1/audit-events", params=kind)).json()["items"]
    assert answer.status_code == status
    assert [one["kind"] for one in seen] == ["credential-rotations"] * (status == 201)


async def test_token_of_a_check_that_was_overtaken_is_revoked(
    world: World, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A leaked secret that waits for its check while it is revoked leads to no lasting token."""
    from simulacra_api.auth import clients

    held = asyncio.Event()
    real = clients.Clients._matches

    async def slow(self: Any, *args: Any) -> bool:
        found = await real(self, *args)
        await held.wait()
        return found

    proof = {"overlap_seconds": 0, "client_secret": SECRET}
    async with _as(world, await _token(world, owner, SECRET)) as http:
        opened = await http.post(ROTATIONS, json=proof)
    with monkeypatch.context() as patch:
        patch.setattr(clients.Clients, "_matches", slow)
        late = asyncio.create_task(_token(world, owner, SECRET))
        await asyncio.sleep(1.1)
        assert (await _claim(world, opened)).status_code == 201
        held.set()
        token = await late
    assert token
    await asyncio.sleep(CACHE_SECONDS)
    async with _as(world, token) as http:
        assert (await http.get("/v1/usage")).status_code == 401


async def test_secret_that_a_former_release_gave_for_a_token_proves_nothing(
    world: World, owner: str
) -> None:
    """Beside another one. A former release marked it, and the upgrade leaves it as it is."""
    thiefs = "sim_secret_of_a_thief"
    marked = {"hash": hash_secret(thiefs), "created": 1, "unproven": True}
    kept = [{"hash": hash_secret(SECRET), "created": 0, "expires": 2_000_000_000_000}, marked]
    data = {"hashes": base64.b64encode(json.dumps(kept).encode()).decode()}
    await world.cluster.patch(SECRETS, f"client-{owner}", {"data": data}, CLIENTS)
    async with _as(world, await _token(world, owner, thiefs)) as http:
        escalated = await http.post(ROTATIONS, json={"client_secret": thiefs})
        assert _pointer(escalated) == (400, "/client_secret")
        answer = await http.post(ROTATIONS, json={"client_secret": SECRET})
        assert answer.status_code == 201, answer.text
    assert [one["hash"] for one in trusted_entries([marked])] == [marked["hash"]]
