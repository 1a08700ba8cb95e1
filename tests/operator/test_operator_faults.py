"""Faults of the API server, lost and cut watches, a second operator, a wrong clock, a mind changed: the same end.

Each fault meets each kind of call (method, resource, subresource) that a life makes: the first of its kind in one
life, the second in the next, and so on.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

import operator_life as life
from operator_bench import OperatorProcess, World, ready, reason
from operator_proxy import Fault, KillingProxy
from simulacra_crds.contract.names import system_namespace
from simulacra_crds.kube import client as kube
from simulacra_operator.runtime.custody_client import CustodyClient
from simulacra_operator.runtime.executor import Executor
from simulacra_operator.runtime.leadership import LEASE
from simulacra_operator.work.actions import CreateJob, WriteRequest
from simulacra_operator.work.custom_resource import parse

NTH = (1, 2, 4)
REPEATED = 3
"""How many times as many writes a disturbed life may take."""
reliability = [pytest.mark.reliability, pytest.mark.timeout(1500)]
FAULTS = [
    pytest.param(500, False, NTH[:1], marks=pytest.mark.slow, id="first 500"),
    *(
        pytest.param(
            status, after, NTH, marks=reliability, id=f"{status}{' after' if after else ''}"
        )
        for status in (409, 410, 422, 429, 500, 0)
        for after in ((False, True) if status in (500, 0) else (False,))
    ),
]


@pytest.mark.parametrize(("status", "after", "nth"), FAULTS)
async def test_every_call_may_fail(
    world: World, proxy: KillingProxy, status: int, after: bool, nth: tuple[int, ...]
) -> None:
    await world.create_tenant()
    undisturbed = await life.full(world, proxy, 1)
    for number, one in enumerate(nth, start=2):
        proxy.disturb(Fault(status, one, after))
        writes = await life.full(world, proxy, number)
        proxy.disturb(None)
        assert writes <= undisturbed * REPEATED
    assert len(proxy.faults) > 15, "most kinds of call met it"
    what = f"{status or 'a cut connection'}{' after they were done' if after else ''}"
    print(f"{proxy.faults.total()} requests of {len(proxy.faults)} kinds met {what}")  # noqa: T201


@pytest.mark.reliability
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "kind", ["PATCH datasets/status", "POST jobs", "GET tenants", "GET datasets (list)"]
)
async def test_a_call_that_hangs_holds_nothing_up_for_long(
    world: World, proxy: KillingProxy, kind: str
) -> None:
    await world.create_tenant()
    proxy.disturb(Fault(-1, 1, only=kind))
    await life.full(world, proxy, 1, seconds=200)
    assert proxy.faults.total() == 1


@pytest.mark.reliability
@pytest.mark.timeout(900)
@pytest.mark.parametrize("way", ["cut", "drop"])
async def test_watches_that_end_early_or_lose_events(
    world: World, proxy: KillingProxy, way: str
) -> None:
    await world.create_tenant()
    world.operator.end()
    if way == "cut":
        proxy.cut_after = 2
    else:
        proxy.drop_every = 3
    for number in range(1, 4):
        await life.full(world, proxy, number, seconds=200)
    print(f"{proxy.lost} watches or events were lost ({way})")  # noqa: T201


async def test_of_two_operators_one_acts_and_the_other_takes_over(
    world: World, proxy: KillingProxy
) -> None:
    await world.create_tenant()
    with _another(world) as other:
        await life.full(world, proxy, 1)
        assert other.running
        assert await _holder(world) != "other"
        proxy.supervised = False
        await asyncio.to_thread(world.operator.end)  # the proxy is in this loop
        await life.full(world, proxy, 2)
        assert await _holder(world) == "other"


@pytest.mark.reliability
async def test_a_holder_that_fell_silent_is_replaced_and_ends_when_it_wakes(
    world: World, proxy: KillingProxy
) -> None:
    await world.create_tenant()
    with _another(world):
        proxy.supervised = False
        world.operator.send(signal.SIGSTOP)
        await life.full(world, proxy, 1)
        assert await _holder(world) == "other"
        assert await asyncio.to_thread(world.operator.end, signal.SIGCONT) == 1


@contextmanager
def _another(world: World) -> Iterator[OperatorProcess]:
    """A second operator, by the name of `other`."""
    other = OperatorProcess(world.operator.root, world.operator.kubeconfig)
    other.extra = {"SIMULACRA_OPERATOR_IDENTITY": "other"}
    other.start(world.operator.root / "proxy.kubeconfig")
    try:
        yield other
    finally:
        other.end(signal.SIGTERM)


async def _holder(world: World) -> str:
    """Return the name of the operator that acts."""
    lease = await world.cluster.get(kube.LEASES, LEASE, system_namespace())
    return str(lease["spec"]["holderIdentity"]).rpartition("_")[0]


async def test_nothing_is_made_on_a_stale_view(world: World) -> None:
    """What a second operator does between a first one's look at the resource and its look at the Job."""
    await world.create_tenant()
    await world.upload("ds-1", suspend=True)
    seen = await world.reaches(kube.DATASETS, "ds-1", reason("Suspended"))
    custody = CustodyClient(world.custody, cast(Any, None), cast(Any, None))
    dataset = parse({"kind": "Dataset", **seen})
    executor = Executor(world.cluster, custody, cast(Any, SimpleNamespace()), dataset)
    await world.cluster.patch(
        kube.DATASETS, "ds-1", {"spec": {"retentionSeconds": 90_000}}, world.namespace
    )
    with pytest.raises(kube.Conflict):
        await executor.run(CreateJob({"metadata": {"name": "ds-1-again"}}))
    assert await world.names(kube.JOBS) == []
    with pytest.raises(kube.Conflict):
        await executor.run(WriteRequest(b"{}"))


@pytest.mark.timeout(120)
async def test_expiry_goes_by_the_clock_of_the_api_server(
    world: World, proxy: KillingProxy
) -> None:
    await world.create_tenant()
    await world.upload("ds-1", retentionSeconds=3600)
    await world.upload("ds-2", retentionSeconds=90_000)
    await world.reaches(kube.DATASETS, "ds-1", ready)
    proxy.ahead = timedelta(hours=2)
    await world.gone(kube.DATASETS, "ds-1")
    assert ready(await world.cluster.get(kube.DATASETS, "ds-2", world.namespace))


@pytest.mark.reliability
async def test_an_operator_that_was_down_deletes_at_once_what_became_due(world: World) -> None:
    await world.create_tenant()
    await world.upload("ds-1", retentionSeconds=12)
    await world.generation("gen-1", "mdl-1", "ds-1", retentionSeconds=12)
    await world.reaches(kube.DATASETS, "ds-1", ready)
    world.operator.end()
    await asyncio.sleep(14)
    world.operator.start()
    await world.gone(kube.DATASETS, "ds-1")
    await world.gone(kube.GENERATION_JOBS, "gen-1")
    assert world.objects() == []


@pytest.mark.reliability
async def test_a_retention_extended_again_and_again_is_never_overrun(world: World) -> None:
    """Each extension is made in the last second; whichever came first counts, and what was granted is kept."""
    await world.create_tenant()
    made = await world.upload("ds-1", retentionSeconds=10)
    created = datetime.fromisoformat(made["metadata"]["creationTimestamp"])
    retention = 10
    for _ in range(4):
        end = created + timedelta(seconds=retention)
        await asyncio.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds() - 0.3))
        retention += 4
        await world.cluster.patch(
            kube.DATASETS, "ds-1", {"spec": {"retentionSeconds": retention}}, world.namespace
        )
    last = created + timedelta(seconds=retention)
    await world.gone(kube.DATASETS, "ds-1", seconds=20)
    assert datetime.now(UTC) >= last


@pytest.mark.timeout(120)
async def test_a_retention_changed_while_deleting_does_not_hold_it(world: World) -> None:
    await world.create_tenant()
    await world.upload("ds-1")
    await world.reaches(kube.DATASETS, "ds-1", ready)
    world.operator.end()
    await world.cluster.delete(kube.DATASETS, "ds-1", world.namespace)
    longer = {"spec": {"retentionSeconds": 600_000}}
    await world.cluster.patch(kube.DATASETS, "ds-1", longer, world.namespace)
    world.operator.start()
    await world.gone(kube.DATASETS, "ds-1")
    assert world.objects() == []
