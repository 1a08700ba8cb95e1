"""Faults of the API server, lost watches, a second operator, a wrong clock: the same outcome.

Each fault hits each kind of call (method, resource, subresource) of a life: the first of its kind
in one life, the second in the next, and so on.
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
from simulacra_crds.kube import client as kube
from simulacra_crds.names import system_namespace
from simulacra_operator.observed.custom_resource import parse
from simulacra_operator.runtime.custody_client import CustodyClient
from simulacra_operator.runtime.executor import Executor
from simulacra_operator.runtime.leadership import LEASE
from simulacra_operator.work.actions import CreateJob, WriteRequest

NTH = (1, 2, 4)
REPEATED = 3
"""Factor of writes that a disturbed life may need."""
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
async def test_a_failure_of_any_kind_of_call_is_survived(
    world: World, proxy: KillingProxy, status: int, after: bool, nth: tuple[int, ...]
) -> None:
    await world.create_tenant()
    undisturbed = await life.full(world, proxy, 1)
    for number, one in enumerate(nth, start=2):
        proxy.disturb(Fault(status, one, after))
        writes = await life.full(world, proxy, number)
        proxy.disturb(None)
        assert writes <= undisturbed * REPEATED
    assert len(proxy.faults) > 15, "most kinds of call were hit"
    what = f"{status or 'a cut connection'}{' after they were done' if after else ''}"
    print(f"{proxy.faults.total()} requests of {len(proxy.faults)} kinds met {what}")  # noqa: T201


@pytest.mark.reliability
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "kind", ["PATCH datasets/status", "POST jobs", "GET tenants", "GET datasets (list)"]
)
async def test_a_hanging_call_delays_nothing_for_long(
    world: World, proxy: KillingProxy, kind: str
) -> None:
    await world.create_tenant()
    proxy.disturb(Fault(-1, 1, only=kind))
    await life.full(world, proxy, 1, seconds=200)
    assert proxy.faults.total() == 1


@pytest.mark.reliability
@pytest.mark.timeout(900)
@pytest.mark.parametrize("way", ["cut", "drop"])
async def test_cut_watches_and_lost_events_are_survived(
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


async def test_of_two_operators_one_leads_and_the_other_takes_over(
    world: World, proxy: KillingProxy
) -> None:
    await world.create_tenant()
    with _another(world) as other:
        await life.full(world, proxy, 1)
        assert other.running
        assert await _holder(world) != "other"
        proxy.supervised = False
        await asyncio.to_thread(world.operator.end)  # the proxy runs in this loop
        await life.full(world, proxy, 2)
        assert await _holder(world) == "other"


@pytest.mark.reliability
async def test_a_paused_leader_is_replaced_and_ends_when_it_resumes(
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
    """A second operator with the identity `other`."""
    other = OperatorProcess(world.operator.root, world.operator.kubeconfig)
    other.extra = {"SIMULACRA_OPERATOR_IDENTITY": "other"}
    other.start(world.operator.root / "proxy.kubeconfig")
    try:
        yield other
    finally:
        other.end(signal.SIGTERM)


async def _holder(world: World) -> str:
    """Return the identity of the leader."""
    lease = await world.cluster.get(kube.LEASES, LEASE, system_namespace())
    return str(lease["spec"]["holderIdentity"]).rpartition("_")[0]


async def test_nothing_is_created_on_a_stale_read(world: World) -> None:
    """As when a second operator acts between our reads of the resource and of its Job."""
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


@pytest.mark.timeout(600)
async def test_expiry_uses_the_clock_of_the_api_server(world: World, proxy: KillingProxy) -> None:
    await world.create_tenant()
    await world.upload("ds-1", retentionSeconds=3600)
    await world.upload("ds-2", retentionSeconds=90_000)
    await world.reaches(kube.DATASETS, "ds-1", ready)
    proxy.ahead = timedelta(hours=2)
    await world.gone(kube.DATASETS, "ds-1")
    assert ready(await world.cluster.get(kube.DATASETS, "ds-2", world.namespace))


@pytest.mark.reliability
async def test_after_a_downtime_what_became_due_is_deleted_at_once(world: World) -> None:
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
async def test_repeated_extensions_of_a_retention_are_all_honored(world: World) -> None:
    """Each extension comes in the last second; an accepted one is kept."""
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
    await world.gone(kube.DATASETS, "ds-1", seconds=90)
    assert datetime.now(UTC) >= last


@pytest.mark.timeout(600)
async def test_an_extension_during_a_deletion_does_not_stop_it(world: World) -> None:
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
