"""Fixtures: control planes for the session, an operator and a tenant for each test."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from operator_bench import REAL, OperatorProcess, Plane, World, apply_crds
from simulacra_crds.cluster import Cluster

_tenants = itertools.count(1)
PLANES = [
    pytest.param("embedded", marks=pytest.mark.embedded),
    pytest.param("real", marks=pytest.mark.controlplane),
]


@pytest.fixture(scope="session", params=PLANES)
def plane(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
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
    """A tenant of its own, on an operator of its own."""
    cluster = await Cluster.connect(str(plane.kubeconfig))
    await apply_crds(cluster)
    operator = OperatorProcess(tmp_path, plane.kubeconfig)
    world = World(cluster, operator, f"t{next(_tenants)}")
    pods = asyncio.create_task(world.pods.run())
    operator.start()
    try:
        yield world
    finally:
        pods.cancel()
        with suppress(asyncio.CancelledError):
            await pods
        if operator.running:
            operator.end(signal.SIGKILL)
        await _clear(world)


async def _clear(world: World) -> None:
    """Leave nothing for the operator of the next test, which has another store."""
    from operator_bench import WORK
    from simulacra_crds.cluster import TENANTS

    for resource in (*WORK.values(), TENANTS):
        async for one in world.cluster.list(resource):
            meta = one["metadata"]
            with suppress(Exception):
                await world.cluster.patch(
                    resource, meta["name"], {"metadata": {"finalizers": None}}, meta.get("namespace")
                )
            await world.cluster.delete(resource, meta["name"], meta.get("namespace"))
