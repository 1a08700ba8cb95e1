"""Signup, claim of the client secret, and its rotation."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import logging
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from simulacra_api.access import rotation
from simulacra_api.access import service as signup
from simulacra_api.access.schemas import RotationRequest
from simulacra_api.auth import credentials
from simulacra_api.auth.credentials import Credentials, client_of_token
from simulacra_api.auth.signing import SigningKeyStore
from simulacra_api.auth.tenant_lookup import Tenants
from simulacra_api.http import problems
from simulacra_api.services import Services
from simulacra_crds.kube.client import ACCESS_REQUESTS, NAMESPACES, SECRETS, TENANTS, ClusterError
from simulacra_crds.names import access_request_name
from simulacra_custody.errors import AuditUnavailable

CLIENTS = "simulacra-system-clients"
ASKED = {"company": "Initech GmbH", "contact": "ada@initech.example"}
_addresses = itertools.count(1)


def _from() -> dict[str, str]:
    """Return an unused address, as the limits are per address."""
    return {"X-Forwarded-For": f"198.51.100.{next(_addresses)}"}


@pytest.fixture(autouse=True)
def _roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signup, "ALL_AN_HOUR", 10_000)  # the tests of this file exceed the limit


async def _ask(world: Any) -> str:
    async with httpx2.AsyncClient(base_url=world.url) as http:
        answer = await http.post("/v1/signup", json=ASKED, headers=_from())
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "pending"
    assert answer.headers["location"] == f"{world.url}/v1/signup/{answer.json()['request_id']}"
    return str(answer.json()["request_id"])


async def _approve(world: Any, request_id: str) -> str:
    """Approve as a person and then the operator do; return the client id."""
    client: str = await world.approve(request_id, "initech")
    tenant = {
        "apiVersion": "simulacra.dev/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": client},
    }
    await world.cluster.create(TENANTS, tenant | {"spec": {"clients": [client]}})
    return client


async def _look(world: Any, request_id: str) -> dict[str, Any]:
    async with httpx2.AsyncClient(base_url=world.url) as http:
        answer = await http.get(f"/v1/signup/{request_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def _claim(world: Any, token: str, url: str = "") -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=url or world.url) as http:
        return await http.post("/v1/credential-claims", json={"credential_claim_token": token})


async def _token(world: Any, client: str, secret: str) -> httpx2.Response:
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    async with httpx2.AsyncClient(base_url=world.url) as http:
        return await http.post("/oauth/token", data=form)


async def _customer(world: Any) -> tuple[str, str]:
    """Return a client that has claimed its secret, and the secret."""
    request_id = await _ask(world)
    await _approve(world, request_id)
    answer = await _claim(world, (await _look(world, request_id))["credential_claim_token"])
    assert answer.status_code == 201, answer.text
    return answer.json()["client_id"], answer.json()["client_secret"]


def _credentials(cluster: Any) -> Credentials:
    """Return the credentials of another process, which shares nothing with the served one."""
    return Credentials(cluster, SigningKeyStore(cluster), Tenants(cluster))


async def _owners(world: Any, client: str) -> list[tuple[str, str]]:
    found = await world.cluster.find(SECRETS, f"client-{client}", CLIENTS)
    assert found is not None
    return [(one["kind"], one["name"]) for one in found["metadata"].get("ownerReferences") or []]


async def _bearer(world: Any, client: str, secret: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {(await _token(world, client, secret)).json()['access_token']}"
    }


async def _stored(world: Any, client: str) -> tuple[str, list[Any]]:
    data = (await world.cluster.get(SECRETS, f"client-{client}", CLIENTS))["data"]
    texts = {name: base64.b64decode(value).decode() for name, value in data.items()}
    return "".join(texts.values()), json.loads(texts["hashes"])


async def test_signup_leads_to_a_token_and_leaks_no_secret(
    world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    request_id = await _ask(world)
    assert (await _look(world, request_id))["status"] == "pending"
    client = await _approve(world, request_id)
    approved = await _look(world, request_id)
    assert (approved["status"], approved["client_id"]) == ("approved", client)
    assert await _look(world, request_id) == approved  # a lost answer can be repeated
    claimed = await _claim(world, approved["credential_claim_token"])
    assert claimed.status_code == 201
    secret = claimed.json()["client_secret"]
    assert claimed.json()["previous_secret_expires_at"] is None
    assert (await _token(world, client, secret)).status_code == 200
    after = await _look(world, request_id)
    assert (after["status"], after["credential_claim_token"]) == ("claimed", None)
    again = await _claim(world, approved["credential_claim_token"])
    assert (again.status_code, again.json()["code"]) == (404, "simio_credential_claim_not_found")
    stored, _ = await _stored(world, client)
    kept = json.dumps([item async for item in world.cluster.list(ACCESS_REQUESTS)])
    logged = "".join(one.getMessage() for one in caplog.records if one.name.startswith("simulacra"))
    for secretive in (secret, approved["credential_claim_token"], request_id):
        for place in (stored, kept, world.audit_text(), logged):
            assert secretive not in place
    assert ASKED["contact"] not in world.audit_text() + logged


async def test_client_secret_is_deleted_with_its_tenant_for_good(
    world: Any,
) -> None:
    request_id = await _ask(world)
    client = await _approve(world, request_id)
    assert (
        await _claim(world, (await _look(world, request_id))["credential_claim_token"])
    ).status_code == 201
    assert await _owners(world, client) == [("Tenant", client)]
    await world.cluster.delete(TENANTS, client)
    for _ in range(1200):  # the real collector sees a new kind within half a minute
        if await world.cluster.find(SECRETS, f"client-{client}", CLIENTS) is None:
            break
        await asyncio.sleep(0.1)
    name = access_request_name(request_id)
    found = (await world.cluster.get(ACCESS_REQUESTS, name))["status"]["conditions"]
    gone = {**found[0], "type": "TenantReady", "status": "False", "reason": "TenantGone"}
    patch = {"status": {"conditions": [*found, gone]}}
    await world.cluster.patch(ACCESS_REQUESTS, name, patch, subresource="status")
    assert (await _look(world, request_id))["status"] == "expired"
    assert await world.cluster.find(SECRETS, f"client-{client}", CLIENTS) is None


async def test_write_adds_the_tenant_to_existing_owners(
    world: Any,
) -> None:
    client, _ = await _customer(world)
    other = {"apiVersion": "v1", "kind": "Namespace", "name": "kube-system"}
    other["uid"] = (await world.cluster.get(NAMESPACES, "kube-system"))["metadata"]["uid"]
    patch = {"metadata": {"ownerReferences": [other]}}
    await world.cluster.patch(SECRETS, f"client-{client}", patch, CLIENTS)
    own = _credentials(world.cluster)
    await own.write(await own.read(client))
    assert await _owners(world, client) == [("Namespace", "kube-system"), ("Tenant", client)]


class _Strict:
    """A cluster whose admission refuses owners on objects that the caller may not delete."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    async def patch(self, resource: Any, name: str, body: dict[str, Any], namespace: str) -> Any:
        if "ownerReferences" in body["metadata"]:
            raise ClusterError(
                403, "Forbidden", "cannot set an ownerRef on a resource you can't delete"
            )
        return await self._cluster.patch(resource, name, body, namespace)


async def test_claim_is_stored_when_owners_may_not_be_changed(world: Any) -> None:
    client, _ = await _customer(world)
    await world.cluster.patch(
        SECRETS, f"client-{client}", {"metadata": {"ownerReferences": []}}, CLIENTS
    )
    own = _credentials(_Strict(world.cluster))
    claim = await own.issue(client, "rot-1", "rotation", overlap=0, knowledge="")
    await own.write((await own.read(client)).with_claim(claim))
    assert (await own.read(client)).claim("rot-1") == claim
    assert await _owners(world, client) == []


async def test_one_of_many_concurrent_claims_gets_the_secret(world: Any) -> None:
    request_id = await _ask(world)
    client = await _approve(world, request_id)
    token = (await _look(world, request_id))["credential_claim_token"]
    second = _credentials(world.cluster)  # shares nothing with the served process
    answers, others = await asyncio.gather(
        asyncio.gather(*(_claim(world, token) for _ in range(6))),
        asyncio.gather(*(second.redeem(token) for _ in range(6))),
    )
    winners = [one.json()["client_secret"] for one in answers if one.status_code == 201]
    winners += [one.secret for one in others if one is not None and one.secret]
    assert len(winners) == 1
    assert {one.status_code for one in answers} <= {201, 404}
    assert len((await _stored(world, client))[1]) == 1
    assert (await _token(world, client, winners[0])).status_code == 200


async def test_concurrent_polls_see_one_claim_token(world: Any) -> None:
    request_id = await _ask(world)
    await _approve(world, request_id)
    seen = await asyncio.gather(*(_look(world, request_id) for _ in range(6)))
    assert len({one["credential_claim_token"] for one in seen}) == 1


async def test_expired_claim_is_refused_and_replaced(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = await _ask(world)
    await _approve(world, request_id)
    monkeypatch.setattr(credentials, "CLAIM_SECONDS", 1)
    first = (await _look(world, request_id))["credential_claim_token"]
    await asyncio.sleep(2.1)
    assert (await _claim(world, first)).status_code == 404
    monkeypatch.setattr(credentials, "CLAIM_SECONDS", 3600)
    second = (await _look(world, request_id))["credential_claim_token"]
    assert second != first
    assert (await _claim(world, second)).status_code == 201


async def test_unclaimed_approval_expires(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    request_id = await _ask(world)
    await _approve(world, request_id)
    monkeypatch.setattr(signup, "CLAIMABLE", signup.timedelta(seconds=-5))
    ended = await _look(world, request_id)
    assert (ended["status"], ended["credential_claim_token"]) == ("expired", None)


async def test_denied_signup_gives_no_credentials(world: Any) -> None:
    request_id = await _ask(world)
    await world.cluster.patch(
        ACCESS_REQUESTS, access_request_name(request_id), {"spec": {"decision": "Denied"}}
    )
    denied = await _look(world, request_id)
    assert (denied["status"], denied["client_id"], denied["credential_claim_token"]) == (
        "denied",
        None,
        None,
    )


@pytest.mark.parametrize(
    "request_id", ["req_x", "ar-123", "req_" + "a" * 43, "req_" + "%00" * 14 + "x"]
)
async def test_unknown_signup_is_404(world: Any, request_id: str) -> None:
    async with httpx2.AsyncClient(base_url=world.url) as http:
        answer = await http.get(f"/v1/signup/{request_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "simio_signup_not_found")


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"company": "", "contact": "a@b.c"}, "/company"),
        ({"company": "x" * 129, "contact": "a@b.c"}, "/company"),
        ({"company": "a\nb", "contact": "a@b.c"}, "/company"),
        ({"company": "x", "contact": "nobody"}, "/contact"),
        ({"company": "x", "contact": "a b@c.d"}, "/contact"),
        ({"company": "x", "contact": "a@b.c", "decision": "Approved"}, "/decision"),
    ],
)
async def test_wrong_field_of_a_signup_is_named(world: Any, body: dict[str, str], at: str) -> None:
    async with httpx2.AsyncClient(base_url=world.url) as http:
        answer = await http.post("/v1/signup", json=body, headers=_from())
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_invalid_field")
    assert [error["pointer"] for error in answer.json()["errors"]] == [at]


async def test_signups_are_limited_per_address_and_in_total(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = _from()
    async with httpx2.AsyncClient(base_url=world.url) as http:
        answers = await asyncio.gather(
            *(http.post("/v1/signup", json=ASKED, headers=here) for _ in range(7))
        )
        assert (
            sorted(one.status_code for one in answers)
            == [202] * signup.PER_ADDRESS_AN_HOUR + [429] * 2
        )
        refused = next(one for one in answers if one.status_code == 429)
        assert refused.json()["code"] == "simio_rate_limited"
        assert 3500 < int(refused.headers["retry-after"]) <= 3600
        assert (await http.post("/v1/signup", json=ASKED, headers=_from())).status_code == 202
        monkeypatch.setattr(signup, "ALL_AN_HOUR", 3)
        assert (await http.post("/v1/signup", json=ASKED, headers=_from())).status_code == 429
    kept = json.dumps([item async for item in world.cluster.list(ACCESS_REQUESTS)])
    assert here["X-Forwarded-For"] not in kept


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    "token",
    ["x", "sim_claim_", "sim_claim_sim-1_" + "a" * 43, "sim_claim_../x_" + "a" * 43, "é" * 60],
)
async def test_malformed_claim_token_is_404(world: Any, token: str) -> None:
    answer = await _claim(world, token)
    assert (answer.status_code, answer.json()["code"]) == (404, "simio_credential_claim_not_found")


def test_claim_token_contains_the_client_id() -> None:
    assert client_of_token("sim_claim_a.b-c_" + "_" * 43) == "a.b-c"
    assert client_of_token("sim_claim_" + "_" * 44) is None


async def test_unrecorded_claim_gives_no_secret_and_stays_open(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = await _ask(world)
    await _approve(world, request_id)
    token = (await _look(world, request_id))["credential_claim_token"]

    async def fail(*_: Any) -> None:
        raise AuditUnavailable("no")

    with monkeypatch.context() as broken:
        broken.setattr(Services, "record", fail)
        assert (await _claim(world, token)).status_code == 503
    assert (await _claim(world, token)).status_code == 201


async def test_rotation_overlaps_and_retires_the_oldest_secret(world: Any) -> None:
    client, old = await _customer(world)
    async with httpx2.AsyncClient(
        base_url=world.url, headers=await _bearer(world, client, old)
    ) as http:
        opened = await http.post("/v1/credential-rotations", json={"client_secret": old})
        assert opened.status_code == 201, opened.text
        shown = (await http.get(opened.headers["location"])).json()
        assert shown == opened.json() | {"credential_claim_token": None}
        assert (await _token(world, client, old)).status_code == 200
        token = opened.json()["credential_claim_token"]
        claimed = (await _claim(world, token)).json()
        new = claimed["client_secret"]
        assert claimed["previous_secret_expires_at"] is not None
        shown = (await http.get(opened.headers["location"])).json()
        assert (shown["status"], shown["credential_claim_token"]) == ("claimed", None)
        again = await _claim(world, token)
        assert (again.status_code, again.json()["code"]) == (
            410,
            "simio_rotation_claim_already_consumed",
        )
        for secret in (old, new):
            assert (await _token(world, client, secret)).status_code == 200
        emergency = {"overlap_seconds": 0, "client_secret": old}
        leaked = await http.post("/v1/credential-rotations", json=emergency)
        newest = (await _claim(world, leaked.json()["credential_claim_token"])).json()[
            "client_secret"
        ]
        codes = [(await _token(world, client, secret)).status_code for secret in (old, new, newest)]
        assert codes == [401, 401, 200]


async def test_previous_secret_expires_with_the_overlap(world: Any) -> None:
    client, old = await _customer(world)
    async with httpx2.AsyncClient(
        base_url=world.url, headers=await _bearer(world, client, old)
    ) as http:
        proof = {"overlap_seconds": 2, "client_secret": old}
        opened = await http.post("/v1/credential-rotations", json=proof)
    new = (await _claim(world, opened.json()["credential_claim_token"])).json()["client_secret"]
    assert (await _token(world, client, old)).status_code == 200
    await asyncio.sleep(2.1)
    assert (await _token(world, client, old)).status_code == 401
    assert (await _token(world, client, new)).status_code == 200


async def test_rotations_are_limited_and_private_to_their_client(world: Any) -> None:
    client, secret = await _customer(world)
    async with httpx2.AsyncClient(
        base_url=world.url, headers=await _bearer(world, client, secret)
    ) as http:
        answers = [
            await http.post("/v1/credential-rotations", json={"client_secret": secret})
            for _ in range(rotation.ROTATIONS_PER_DAY + 1)
        ]
        assert [one.status_code for one in answers] == [201] * rotation.ROTATIONS_PER_DAY + [429]
        assert answers[-1].json()["code"] == "simio_rotation_rate_limited"
        assert int(answers[-1].headers["retry-after"]) > 86_000
        for wrong in ("rot-" + "0" * 24, "signup"):
            missing = await http.get(f"/v1/credential-rotations/{wrong}")
            assert (missing.status_code, missing.json()["code"]) == (
                404,
                "simio_rotation_request_not_found",
            )
        bad = await http.post("/v1/credential-rotations", json={"overlap_seconds": 90_000})
        assert bad.json()["errors"][0]["pointer"] == "/overlap_seconds"
    async with world.client("globex") as other:  # another tenant's rotation is a 404
        foreign = await other.get(f"/v1/credential-rotations/{answers[0].json()['rotation_id']}")
        assert foreign.status_code == 404


async def test_client_of_an_external_issuer_cannot_rotate_here(world: Any) -> None:
    services = SimpleNamespace(credentials=_credentials(world.cluster), auth0=None)
    caller: Any = SimpleNamespace(client_id="auth0-client")
    with pytest.raises(rotation.Problem) as refused:
        await rotation.request_rotation(services, caller, RotationRequest())
    answer = problems.problem_response(refused.value, world.url, "req-1")
    assert (answer.status_code, json.loads(answer.body)["code"]) == (
        409,
        "simio_credentials_external",
    )
