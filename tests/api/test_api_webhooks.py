"""Webhooks: the secret is shown once, URL and secret are sealed at rest, 16 at most."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from simulacra_api.__main__ import listen
from simulacra_crds.kube.client import CONFIGMAPS
from simulacra_crds.webhook import DISABLED, WebhookTarget, sealing_purpose
from simulacra_custody.keys.sealed_secrets import unseal

HOOK = {"url": "https://hooks.example.com/T0/very-secret-path"}


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _delete_all(world: Any) -> AsyncIterator[None]:
    yield
    async for found in world.cluster.list(
        CONFIGMAPS, "tenant-acme", labels="simulacra.dev/kind=webhook"
    ):
        await world.cluster.delete(CONFIGMAPS, found["metadata"]["name"], "tenant-acme")


async def test_webhook_is_created_shown_and_deleted(world: Any, http: httpx2.AsyncClient) -> None:
    made = await http.post(
        "/v1/webhooks", json=HOOK | {"events": ["job.failed", "job.ready", "job.failed"]}
    )
    assert made.status_code == 201, made.text
    body = made.json()
    assert made.headers["location"] == f"{world.url}/v1/webhooks/{body['webhook_id']}"
    assert body["events"] == ["job.ready", "job.failed"]
    assert len(base64.b64decode(body["secret"].removeprefix("whsec_"))) == 32
    shown = await http.get(f"/v1/webhooks/{body['webhook_id']}")
    assert shown.json() == {name: value for name, value in body.items() if name != "secret"}
    assert (await http.get("/v1/webhooks")).json() == {"items": [shown.json()]}
    async with world.client("globex") as other:
        for method in ("GET", "DELETE"):
            foreign = await other.request(method, f"/v1/webhooks/{body['webhook_id']}")
            assert (foreign.status_code, foreign.json()["code"]) == (404, "simio_webhook_not_found")
        assert (await other.get("/v1/webhooks")).json() == {"items": []}
    assert (await http.delete(f"/v1/webhooks/{body['webhook_id']}")).status_code == 204
    assert (await http.delete(f"/v1/webhooks/{body['webhook_id']}")).status_code == 404
    assert "webhook.created" in world.audit_text()
    assert "webhook.deleted" in world.audit_text()


async def test_url_and_secret_are_sealed_for_the_tenant(
    world: Any, http: httpx2.AsyncClient
) -> None:
    made = (await http.post("/v1/webhooks", json=HOOK)).json()
    stored = await world.cluster.get(CONFIGMAPS, f"webhook-{made['webhook_id']}", "tenant-acme")
    for secretive in ("very-secret-path", made["secret"]):
        assert secretive not in str(stored)
        assert secretive not in world.audit_text()
    purpose = sealing_purpose(made["webhook_id"])
    target = WebhookTarget.model_validate_json(
        unseal(world.custody.keys, "acme", purpose, stored["data"]["sealed"])
    )
    assert (target.url, target.secret) == (HOOK["url"], made["secret"])


async def test_one_that_was_let_be_says_so(world: Any, http: httpx2.AsyncClient) -> None:
    made = (await http.post("/v1/webhooks", json=HOOK)).json()
    note = {"metadata": {"annotations": {DISABLED: "2026-03-01T12:00:00+00:00"}}}
    await world.cluster.patch(CONFIGMAPS, f"webhook-{made['webhook_id']}", note, "tenant-acme")
    assert (await http.get("/v1/webhooks")).json()["items"][0][
        "disabled_at"
    ] == "2026-03-01T12:00:00Z"


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"url": "http://hooks.example.com"}, "/url"),
        ({"url": "https://127.0.0.1/"}, "/url"),
        ({"url": "https://169.254.169.254/latest/meta-data"}, "/url"),
        ({"url": "https://user:word@hooks.example.com"}, "/url"),
        ({"url": "https://localhost"}, "/url"),
        ({"url": "x" * 1025}, "/url"),
        ({}, "/url"),
        (HOOK | {"events": []}, "/events"),
        (HOOK | {"events": ["job.begun"]}, "/events/0"),
        (HOOK | {"secret": "mine"}, "/secret"),
    ],
)
async def test_wrong_field_of_a_webhook_is_named(
    http: httpx2.AsyncClient, body: dict[str, Any], at: str
) -> None:
    answer = await http.post("/v1/webhooks", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_invalid_field")
    assert [error["pointer"] for error in answer.json()["errors"]] == [at]


@pytest.mark.parametrize("webhook_id", ["x", "0" * 24, "..%2fother", "Z" * 24])
async def test_unknown_webhook_is_a_404(http: httpx2.AsyncClient, webhook_id: str) -> None:
    answer = await http.get(f"/v1/webhooks/{webhook_id}")
    assert answer.status_code == 404
    assert answer.json()["code"] in ("simio_webhook_not_found", "simio_not_found")


async def test_seventeenth_webhook_is_refused(http: httpx2.AsyncClient) -> None:
    for _ in range(16):
        assert (await http.post("/v1/webhooks", json=HOOK)).status_code == 201
    answer = await http.post("/v1/webhooks", json=HOOK)
    assert (answer.status_code, answer.json()["code"]) == (402, "simio_quota_exceeded")


async def test_private_address_needs_a_setting(world: Any, serve_api: Any) -> None:
    listener = listen("127.0.0.1", 0)
    settings = replace(world.settings, webhooks_allow_private=True)
    headers = {"Authorization": f"Bearer {await world.token('acme')}"}
    async with serve_api(settings, listener), httpx2.AsyncClient(headers=headers) as other:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/webhooks"
        assert (await other.post(url, json={"url": "http://127.0.0.1:8080/x"})).status_code == 201
        assert (await other.post(url, json={"url": "ftp://127.0.0.1/x"})).status_code == 400
