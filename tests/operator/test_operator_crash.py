"""The crash sweep: SIGKILL before and after writes of a whole life, restart, and nothing is lost, doubled or left.

A small version: every `STRIDE`-th write of the workload, alternately before and after the API server saw it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from operator_bench import World, ready
from operator_proxy import KillingProxy
from simulacra_crds import cluster as kube

STRIDE = 5
REPEATED = 6
"""Writes that a restart may add: the one that was cut off and what conflicts or is recorded again because of it."""


@pytest.fixture
async def proxy(world: World) -> AsyncIterator[KillingProxy]:
    """A proxy that the operator of this test goes through, and that restarts it when it was killed."""
    world.operator.end()
    proxy = KillingProxy(world.operator.kubeconfig, world.operator.root)
    kubeconfig = await proxy.start()
    proxy.kill = lambda: world.operator.end(signal.SIGKILL)

    async def supervise() -> None:
        while True:
            if not world.operator.running:
                world.operator.start(kubeconfig)
            await asyncio.sleep(0.1)

    task = asyncio.create_task(supervise())
    yield proxy
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    if world.operator.running:
        world.operator.end(signal.SIGKILL)
    await proxy.stop()


async def live_and_die(world: World, proxy: KillingProxy, number: int) -> int:
    """Let a Dataset, its Model and a generation come and go; return how many writes it took."""
    start = proxy.writes
    dataset, model, generation = f"ds-{number}", f"mdl-{number}", f"gen-{number}"
    uids = [(await world.upload(dataset))["metadata"]["uid"]]
    uids.append((await world.model(model, dataset))["metadata"]["uid"])
    uids.append((await world.generation(generation, model, dataset))["metadata"]["uid"])
    done = await world.reaches(kube.GENERATION_JOBS, generation, ready, seconds=90)
    assert [one["name"] for one in done["status"]["artefacts"]] == ["parts/00000.parquet"]
    assert done["status"]["rows"] == 10
    await world.cluster.delete(kube.DATASETS, dataset, world.namespace)
    for resource, name in ((kube.DATASETS, dataset), (kube.MODELS, model), (kube.GENERATION_JOBS, generation)):
        await world.gone(resource, name, seconds=90)
    assert world.objects() == []
    assert await world.names(kube.JOBS) == []
    jobs = {path: count for path, count in proxy.created.items() if f"-{number}-" in path.rpartition("/")[2]}
    assert sorted(jobs.values()) == [1, 1, 1], "every piece of work ran as exactly one Job"
    erased = [record["data"]["uid"] for record in world.audit() if record["type"].endswith("resource.erased")]
    assert set(uids) <= set(erased)
    return proxy.writes - start


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_killed_at_any_write_it_ends_the_same(world: World, proxy: KillingProxy) -> None:
    await world.create_tenant()
    undisturbed = await live_and_die(world, proxy, 1)
    for number, point in enumerate(range(1, undisturbed + 1, STRIDE), start=2):
        proxy.at, proxy.before = proxy.writes + point, bool(number % 2)
        writes = await live_and_die(world, proxy, number)
        assert writes <= undisturbed + REPEATED, f"killed at write {point} it took {writes} writes, not {undisturbed}"
        assert proxy.kills == number - 1
