"""Tombstones: a used key of a deleted resource replays the first answer and creates nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx2

from operator_facts import observed, tenant
from outage import blocked
from simulacra_crds.kinds.base import utcnow
from simulacra_crds.kube.client import CONFIGMAPS, DATASETS, GENERATION_JOBS, MODELS, ApiResource
from simulacra_crds.names import model_name
from simulacra_crds.tombstone import (
    REQUEST_DIGEST,
    TOMBSTONE_LIFETIME,
    Tombstone,
    manifest,
    tombstone_name,
)
from simulacra_operator.work.tombstones import tombstone

NAMESPACE = "tenant-acme"
CSV = b"segment,price\n" + b"loyal,5.5\n" * 100


async def _bury(
    world: Any, acme: Any, resource: ApiResource, name: str, age: timedelta = timedelta()
) -> None:
    """Delete a resource and leave a tombstone, as the operator does."""
    found = await world.cluster.get(resource, name, NAMESPACE)
    spec = found["spec"]
    source = spec.get("source", {})
    tombstone = Tombstone(
        request=found["metadata"]["annotations"][REQUEST_DIGEST],
        content=source.get("sha256"),
        bytes=source.get("bytes"),
        rows=spec.get("rowCount"),
        seed=spec.get("seed"),
        created=utcnow() - age,
    )
    await world.cluster.delete(resource, name, NAMESPACE)
    await acme.erase(resource, name)
    if resource is DATASETS:
        await world.cluster.delete(MODELS, model_name(name), NAMESPACE)
        await acme.erase(MODELS, model_name(name))
    await world.cluster.create(CONFIGMAPS, manifest(name, NAMESPACE, tombstone), NAMESPACE)


async def _upload(
    http: httpx2.AsyncClient, key: str, content: bytes = CSV, **fields: str
) -> httpx2.Response:
    headers = {"Idempotency-Key": key}
    return await http.post(
        "/v1/datasets", files={"file": ("t.csv", content)}, data=fields, headers=headers
    )


async def test_deleted_upload_is_replayed_from_its_tombstone(
    world: Any, http: httpx2.AsyncClient, acme: Any, key: str
) -> None:
    first = await _upload(http, key)
    name = first.json()["dataset_id"]
    await _bury(world, acme, DATASETS, name)
    again = await asyncio.gather(*(_upload(http, key) for _ in range(3)))
    assert [one.status_code for one in again] == [202] * 3
    assert all(one.json() == first.json() for one in again)
    assert await world.cluster.find(DATASETS, name, NAMESPACE) is None
    assert (await http.get(f"/v1/datasets/{name}")).status_code == 404
    for other in (
        await _upload(http, key, CSV + b"x,1\n"),
        await _upload(http, key, retention_seconds="600"),
    ):
        assert (other.status_code, other.json()["code"]) == (409, "simio_idempotency_conflict")


async def test_key_is_free_when_its_tombstone_expires(
    world: Any, http: httpx2.AsyncClient, acme: Any, key: str
) -> None:
    name = (await _upload(http, key)).json()["dataset_id"]
    await _bury(world, acme, DATASETS, name, age=TOMBSTONE_LIFETIME)
    assert (await _upload(http, key)).status_code == 202
    assert await world.cluster.find(DATASETS, name, NAMESPACE) is not None


async def test_deleted_generation_is_replayed_with_its_seed(
    world: Any, http: httpx2.AsyncClient, acme: Any, ready: str, key: str
) -> None:
    path, headers = f"/v1/datasets/{ready}/generations", {"Idempotency-Key": key}
    first = await http.post(path, json={"row_count": 30}, headers=headers)
    assert first.status_code == 202, first.text
    await _bury(world, acme, GENERATION_JOBS, first.json()["generation_id"])
    again = await http.post(path, json={"row_count": 30}, headers=headers)
    assert again.status_code == 202, again.text
    assert again.json() == first.json()
    other = await http.post(path, json={"row_count": 31}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "simio_idempotency_conflict")
    kept = await world.cluster.get(
        CONFIGMAPS, tombstone_name(first.json()["generation_id"]), NAMESPACE
    )
    assert set(kept["data"]) == {"tombstone.json"}
    assert "genz" not in str(kept)


async def test_a_request_that_could_not_be_recorded_is_made_by_its_repetition(
    world: Any, http: httpx2.AsyncClient, acme: Any, ready: str, key: str
) -> None:
    """It was answered with 503, so its key names nothing, and no tombstone may answer for it."""
    path, headers = f"/v1/datasets/{ready}/generations", {"Idempotency-Key": key}
    before = await _deleted(world)  # those of other tests
    with blocked(world.folder / "audit"):
        refused = await http.post(path, json={"row_count": 30}, headers=headers)
    assert refused.status_code == 503
    (made,) = [one for name, one in (await _deleted(world)).items() if name not in before]
    assert tombstone(observed(made, tenant=tenant())) == []
    waiting = await http.post(path, json={"row_count": 30}, headers=headers)
    assert (waiting.status_code, waiting.json()["code"]) == (409, "simio_idempotency_in_flight")
    await acme.erase(GENERATION_JOBS, made["metadata"]["name"])
    again = await http.post(path, json={"row_count": 30}, headers=headers)
    assert again.status_code == 202, again.text
    assert (await http.get(f"/v1/jobs/{again.json()['job_id']}")).status_code == 200


async def _deleted(world: Any) -> dict[str, Any]:
    """Return the generations that are being deleted, by name."""
    found = {}
    async for one in world.cluster.list(GENERATION_JOBS, NAMESPACE):
        if one["metadata"].get("deletionTimestamp"):
            found[one["metadata"]["name"]] = one
    return found
