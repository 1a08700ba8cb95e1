"""Rows under the customer's own key: the API returns links and a command, never rows."""

from __future__ import annotations

import asyncio
import shlex
from typing import Any

import httpx2
import pyarrow as pa
import pytest

from simulacra_api.auth.tenant_lookup import CACHE_SECONDS
from simulacra_crds.kube.client import GENERATION_JOBS, TENANTS

pytestmark = pytest.mark.asyncio(loop_scope="session")
KEY = "arn:aws:kms:eu-central-1:111122223333:key/0d1c2b3a-0000-4000-8000-000000000000"


async def generated(http: httpx2.AsyncClient, acme: Any, dataset: str, key: str) -> str:
    path, headers = f"/v1/datasets/{dataset}/generations", {"Idempotency-Key": key}
    name = str(
        (await http.post(path, json={"row_count": 3}, headers=headers)).json()["generation_id"]
    )
    await acme.generate(name, [pa.table({"n": [1, 2, 3]})])
    return name


async def to_customers_key(acme: Any, name: str) -> None:
    found = await acme.cluster.get(GENERATION_JOBS, name, acme.namespace)
    parts = [one | {"keyArn": KEY} for one in found["status"]["artefacts"]]
    await acme.status(GENERATION_JOBS, name, artefacts=parts)


async def test_customer_key_rows_come_with_a_decrypt_command_only(
    http: httpx2.AsyncClient, acme: Any, ready: str, key: str
) -> None:
    name = await generated(http, acme, ready, key)
    managed = (await http.get(f"/v1/generations/{name}")).json()
    assert managed["artifacts"] is None
    await to_customers_key(acme, name)
    body = (await http.get(f"/v1/generations/{name}")).json()
    assert body["artifact_url"] is None
    [part] = body["artifacts"]
    uid = (await acme.cluster.get(GENERATION_JOBS, name, acme.namespace))["metadata"]["uid"]
    assert part["decrypt"]["key_arn"] == KEY
    context = {
        "tenant": "acme",
        "kind": "generationjobs",
        "uid": uid,
        "artefact": "parts/00000.parquet",
    }
    assert part["decrypt"]["encryption_context"] == context
    words = shlex.split(part["decrypt"]["command"])
    assert words[:2] == ["aws-encryption-cli", "--decrypt"]
    assert f"key={KEY}" in words
    assert part["url"] is None, "a folder store has no links"
    refused = await http.get(managed["artifact_url"])
    assert (refused.status_code, refused.json()["code"]) == (409, "simio_customer_key")


async def test_probe_is_refused_with_a_customer_key(
    http: httpx2.AsyncClient, world: Any, ready: str
) -> None:
    spec = {"encryption": {"mode": "Customer", "keyArn": KEY}}
    await world.cluster.patch(TENANTS, "acme", {"spec": spec})
    await asyncio.sleep(CACHE_SECONDS + 0.5)  # until the API has read it
    try:
        answer = await http.post(f"/v1/datasets/{ready}/probe", json={})
        while answer.status_code == 504:
            answer = await http.post(f"/v1/datasets/{ready}/probe", json={})
        assert (answer.status_code, answer.json()["code"]) == (409, "simio_customer_key")
    finally:
        await world.cluster.patch(
            TENANTS, "acme", {"spec": {"encryption": {"mode": "Managed", "keyArn": None}}}
        )
        await asyncio.sleep(CACHE_SECONDS + 0.5)
