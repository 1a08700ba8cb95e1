"""Finished results outlive the expiry of their Dataset, and a requested deletion takes them.

Results are made with the API's owner reference to their Model, by which the garbage collector
would delete them.
"""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime
from typing import Any

import pytest

from operator_bench import World, condition, hold, ready, reason
from simulacra_crds.kinds.base import ANNOTATION_DELETED
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Object
from simulacra_custody.refs import ResourceRef

pytestmark = pytest.mark.timeout(600)
RESULTS = (("gen-1", kube.GENERATION_JOBS), ("eff-1", kube.EFFECT_ESTIMATES))


async def _made(world: World, dataset_s: int = 20, **spec: Any) -> None:
    """Create a tenant, and a Dataset with a Model, a generation and an effect estimate."""
    await world.create_tenant()
    await world.upload("ds-1", retentionSeconds=dataset_s)
    await world.model("mdl-1", "ds-1", retentionSeconds=dataset_s)
    await world.generation("gen-1", "mdl-1", "ds-1", **spec)
    await world.effect("eff-1", "mdl-1", "ds-1", **spec)


async def _results(world: World) -> list[Object]:
    return [await world.reaches(api, name, ready) for name, api in RESULTS]


async def _dataset_gone(world: World) -> None:
    await world.gone(kube.DATASETS, "ds-1", seconds=60)
    await world.gone(kube.MODELS, "mdl-1")


async def _shorten(world: World, name: str, api: kube.ApiResource) -> None:
    """Let a resource expire 10 s after its creation, the least, which has passed.

    On a loaded machine no time that is fixed at creation is long enough to make results in.
    """
    patch: Object = {"spec": {"retentionSeconds": 10}}
    await world.cluster.patch(api, name, patch, world.namespace)


async def _causes(world: World, *names: str) -> dict[str, str]:
    """Return the cause in the verified certificate of each erased resource."""
    tenant = (await world.cluster.get(kube.TENANTS, world.tenant))["metadata"]["uid"]
    return {name: (await world.certificate(tenant, name))["cause"] for name in names}


def _rows(world: World, generation: Object) -> bytes:
    """Return the stored rows of a generation, decrypted with the key in its status."""
    ref = ResourceRef(world.tenant, "generationjobs", generation["metadata"]["uid"])
    key = generation["status"]["wrappedKey"]
    return world.custody.read_bytes(ref.artifact("parts/00000.parquet"), key, limit=100)


async def test_finished_results_outlive_their_dataset_and_model(world: World) -> None:
    await _made(world, 900, retentionSeconds=900)
    generation, _ = await _results(world)
    for name, api in (("mdl-1", kube.MODELS), ("ds-1", kube.DATASETS)):
        await _shorten(world, name, api)
    await _dataset_gone(world)
    assert _rows(world, generation) == b"work"
    for name, api in RESULTS:
        found = await world.cluster.get(api, name, world.namespace)
        assert ready(found)
        assert "ownerReferences" not in found["metadata"]
    for name, api in RESULTS:
        await _shorten(world, name, api)
    for name, api in RESULTS:
        await world.gone(api, name, seconds=60)
    assert world.objects() == []
    names = ("ds-1", "mdl-1", "gen-1", "eff-1")
    assert await _causes(world, *names) == dict.fromkeys(names, "expired")


async def test_rows_finished_while_the_operator_was_away_are_kept(world: World) -> None:
    world.pods.plays["generate"] = hold
    await _made(world)
    await world.reaches(kube.EFFECT_ESTIMATES, "eff-1", ready)
    await world.reaches(kube.GENERATION_JOBS, "gen-1", reason("JobRunning"))
    world.operator.end(signal.SIGKILL)
    world.pods.plays.clear()
    await world.until(lambda: _complete(world), 60, lambda: "the Job has not ended")
    await _past_expiry(world)
    world.operator.start()
    await _dataset_gone(world)
    for one in await _results(world):
        assert one["status"]["finishedAt"]


async def _complete(world: World) -> bool:
    jobs = [one async for one in world.cluster.list(kube.JOBS, world.namespace)]
    return any(one["status"].get("completionTime") for one in jobs)


async def test_results_of_an_earlier_release_are_kept(world: World) -> None:
    await _made(world, 25)
    before = await _results(world)
    world.operator.end()
    model = await world.cluster.get(kube.MODELS, "mdl-1", world.namespace)
    owner = {"apiVersion": model["apiVersion"], "kind": "Model", "name": "mdl-1"}
    owner |= {"uid": model["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}
    for name, api in RESULTS:
        patch: Object = {"metadata": {"ownerReferences": [owner]}}
        await world.cluster.patch(api, name, patch, world.namespace)
    await _expire(world)
    world.operator.start()
    await _dataset_gone(world)
    after = await _results(world)
    assert [one["status"] for one in after] == [one["status"] for one in before]


async def _expire(world: World) -> None:
    """Wait, without an operator, until the Dataset is due; request its deletion as a sweep does."""
    await _past_expiry(world)
    await world.cluster.delete(kube.DATASETS, "ds-1", world.namespace)


async def _past_expiry(world: World) -> None:
    found = await world.cluster.get(kube.DATASETS, "ds-1", world.namespace)
    end = datetime.fromisoformat(found["status"]["expiresAt"])
    await asyncio.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()) + 1)


async def test_work_that_runs_when_its_dataset_expires_ends_with_a_reason(world: World) -> None:
    world.pods.plays |= {"generate": hold, "estimate": hold}
    await _made(world)
    for name, api in RESULTS:
        await world.reaches(api, name, reason("JobRunning"))
    await world.generation("gen-2", "mdl-1", "ds-1", suspend=True)
    await _dataset_gone(world)
    assert await world.names(kube.JOBS) == await world.names(kube.PODS) == []
    for name, api in (*RESULTS, ("gen-2", kube.GENERATION_JOBS)):
        ended = await world.cluster.get(api, name, world.namespace)
        assert ended["status"]["phase"] == "Failed"
        assert ended["status"]["lastFailure"]["reason"] == "Expired"
        assert condition(ended, "Ready")["reason"] == "Expired"


async def _check_all_deleted(world: World) -> None:
    """Wait for the end of dataset and results; nothing is stored, and each cause is a deletion."""
    await _dataset_gone(world)
    for name, api in RESULTS:
        await world.gone(api, name)
    assert world.objects() == []
    names = ("ds-1", "mdl-1", "gen-1", "eff-1")
    assert await _causes(world, *names) == dict.fromkeys(names, "deleted")


async def test_a_requested_deletion_takes_all_results(world: World) -> None:
    await _made(world, 86_400)
    await _results(world)
    await world.cluster.delete(kube.DATASETS, "ds-1", world.namespace)
    await _check_all_deleted(world)


async def test_a_deletion_requested_during_the_expiry_takes_all_results(world: World) -> None:
    await _made(world, 25)
    await _results(world)
    world.operator.end()
    await _expire(world)
    patch: Object = {"metadata": {"annotations": {ANNOTATION_DELETED: "now"}}}
    await world.cluster.patch(kube.DATASETS, "ds-1", patch, world.namespace)
    world.operator.start()
    await _check_all_deleted(world)
