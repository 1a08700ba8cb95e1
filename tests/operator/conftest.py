"""Fixtures: control planes for the session, an operator and a tenant for each test."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from operator_bench import (
    REAL,
    WORK,
    OperatorProcess,
    Plane,
    World,
    apply_crds,
    operator_kubeconfig,
)
from operator_proxy import KillingProxy
from simulacra_crds.kube.client import CONFIGMAPS, TENANTS, Cluster, ClusterError
from simulacra_crds.names import AUDIT_CHECK, STORE_CLAIM, system_namespace

_tenants = itertools.count(1)
PLANES = [
    pytest.param("embedded", marks=pytest.mark.embedded),
    pytest.param("real", marks=pytest.mark.controlplane),
]


@pytest.fixture(scope="session", params=PLANES)
def plane(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Plane]:
    """A control plane without our CRDs."""
    real = request.param == "real"
    if real and not REAL.exists():
        pytest.skip("no real control plane at hand")
    plane = Plane(tmp_path_factory.mktemp(request.param), real)
    try:
        plane.up()
        yield plane
    finally:
        plane.down()


@pytest.fixture
async def world(plane: Plane, tmp_path: Path) -> AsyncIterator[World]:
    """A new tenant and operator; on the real plane the operator has the chart's rights."""
    cluster = await Cluster.connect(str(plane.kubeconfig))
    await apply_crds(cluster)
    kubeconfig = (
        await operator_kubeconfig(cluster, plane, tmp_path) if plane.real else plane.kubeconfig
    )
    world = World(cluster, OperatorProcess(tmp_path, kubeconfig), f"t{next(_tenants)}")
    pods = asyncio.create_task(world.pods.run())
    world.operator.start()
    try:
        yield world
    finally:
        pods.cancel()
        try:
            with suppress(asyncio.CancelledError):
                await pods
        finally:  # even if the pods failed: the next test must start clean
            if world.operator.running:
                world.operator.end(signal.SIGKILL)
            await _clear(cluster)
            await cluster.close()


@pytest.fixture
async def proxy(world: World) -> AsyncIterator[KillingProxy]:
    """A proxy between operator and API server, which restarts the operator when it is killed."""
    world.operator.end()
    proxy = KillingProxy(world.operator.kubeconfig, world.operator.root)
    kubeconfig = await proxy.start()
    proxy.kill = lambda: world.operator.end(signal.SIGKILL)

    async def supervise() -> None:
        while True:
            if proxy.supervised and not world.operator.running:
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


async def _clear(cluster: Cluster) -> None:
    """Delete everything: the operator of the next test has another store."""
    for resource in (*WORK.values(), TENANTS):
        async for one in cluster.list(resource):
            name, namespace = one["metadata"]["name"], one["metadata"].get("namespace")
            with suppress(ClusterError):
                await cluster.patch(resource, name, {"metadata": {"finalizers": None}}, namespace)
            await cluster.delete(resource, name, namespace)
    for name in (AUDIT_CHECK, STORE_CLAIM):
        await cluster.delete(CONFIGMAPS, name, system_namespace())
