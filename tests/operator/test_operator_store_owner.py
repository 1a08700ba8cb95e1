"""Two installations on one store: the second does nothing, until it takes the store over on purpose."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import httpx2
import pytest

from operator_bench import OperatorProcess, Plane, World, apply_crds, ready
from simulacra_crds import cluster as kube
from simulacra_crds.cluster import Cluster
from simulacra_custody.store_owner import TAKE_OVER_VARIABLE
from simulacra_operator import ownership
from simulacra_operator.custodian import Custodian
from simulacra_operator.settings import OperatorSettingsError, read_settings

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
async def second(world: World, tmp_path: Path) -> AsyncIterator[World]:
    """Another cluster with an operator that is given the first one's store, and is not started yet."""
    plane = Plane(tmp_path / "second", real=False)
    plane.root.mkdir()
    plane.up()
    cluster = await Cluster.connect(str(plane.kubeconfig))
    await apply_crds(cluster)
    operator = OperatorProcess(plane.root, plane.kubeconfig)
    operator.extra = {"SIMULACRA_STORE": f"file://{world.operator.root}/store"}
    other = World(cluster, operator, world.tenant)
    other.custody = world.custody
    yield other
    if operator.running:
        operator.end(signal.SIGKILL)
    await cluster.close()
    plane.down()


async def test_a_second_installation_does_nothing_until_it_takes_the_store_over(world: World, second: World) -> None:
    await world.create_tenant()
    await world.upload("ds-1")
    await world.reaches(kube.DATASETS, "ds-1", ready)
    await world.until(lambda: _answers(world, "/readyz", 200), 20, lambda: "the first one does not work")
    kept = world.objects()
    for path in world.operator.root.glob("store/tenants/**/*"):
        if path.is_file():
            os.utime(path, (0, 0))
    await second.create("Tenant", world.tenant, {})
    second.operator.start()
    told = await second.until(lambda: _is_refused(second), 20, lambda: "the second one is ready")
    assert await _answers(second, "/livez", 200), "it is not to be killed for that"
    assert "simulacra_store_foreign 1.0" in await _get(second, "/metrics")
    assert "status" not in await second.cluster.get(kube.TENANTS, world.tenant), "nothing is begun"
    await second.cluster.delete(kube.TENANTS, world.tenant)
    await asyncio.sleep(1)
    assert world.objects() == kept, "a Tenant of the same name is no leave to erase, and nothing is an orphan"
    assert await second.cluster.find(kube.TENANTS, world.tenant) is not None

    first = (await world.cluster.get(kube.NAMESPACES, "kube-system"))["metadata"]["uid"]
    assert first in told
    second.operator.end()
    second.operator.extra[TAKE_OVER_VARIABLE] = first
    second.operator.start()
    await second.until(lambda: _answers(second, "/readyz", 200), 30, lambda: "it did not take the store over")

    async def swept() -> bool:
        return not world.objects()

    await second.until(swept, 20, lambda: "what nobody owns any more is left")
    await second.gone(kube.TENANTS, world.tenant, namespace=None)
    world.operator.end()
    world.operator.start()
    await world.until(lambda: _is_refused(world), 20, lambda: "who lost the store goes on")


async def test_what_was_stored_before_there_were_marks_is_adopted(world: World) -> None:
    await world.create_tenant()
    await world.upload("ds-1")
    await world.reaches(kube.DATASETS, "ds-1", ready)
    world.operator.end()
    for path in world.operator.root.glob("store/installation/**/*"):
        if path.is_file():
            path.unlink()
    kept = world.objects()
    world.operator.start()
    await world.until(lambda: _answers(world, "/readyz", 200), 20, lambda: "an older release's store is refused")
    assert world.objects() == kept
    assert len(list(world.operator.root.glob("store/installation/owner/*"))) == 1


def test_the_installation_to_take_over_from_is_named_as_one_can_be_called() -> None:
    assert read_settings({TAKE_OVER_VARIABLE: "ac0fa487-cc03"}).take_over == "ac0fa487-cc03"
    assert read_settings({TAKE_OVER_VARIABLE: ""}).take_over is None
    with pytest.raises(OperatorSettingsError, match=f"{TAKE_OVER_VARIABLE} is malformed: set it to the id"):
        read_settings({TAKE_OVER_VARIABLE: "the old one"})


class _Silent:
    """A custodian whose store never answers."""

    async def own_store(self, installation: str, take_over: str | None) -> None:
        await asyncio.Event().wait()


class _Named:
    """A cluster that has an id."""

    async def get(self, resource: object, name: str) -> kube.Object:
        return {"metadata": {"uid": "ours"}}


async def test_a_store_that_does_not_answer_keeps_nobody_from_the_rest_of_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ownership, "ANSWER_S", 0.01)
    claim = ownership.Ownership(cast(Cluster, _Named()), cast(Custodian, _Silent()), None)
    assert claim.refused is not None
    await claim.acquire()
    assert claim.refused is None


async def _is_refused(world: World) -> str | None:
    """Return why an operator is not ready, if it says how to take the store over."""
    told = await _answers(world, "/readyz", 503)
    return told if told is not None and TAKE_OVER_VARIABLE in told else None


async def _answers(world: World, path: str, status: int) -> str | None:
    """Return what an operator says if it answers with a status."""
    try:
        async with httpx2.AsyncClient() as http:
            answer = await http.get(f"http://127.0.0.1:{world.operator.port()}{path}")
    except (httpx2.TransportError, AssertionError, FileNotFoundError):
        return None
    return answer.text if answer.status_code == status else None


async def _get(world: World, path: str) -> str:
    async with httpx2.AsyncClient() as http:
        return (await http.get(f"http://127.0.0.1:{world.operator.port()}{path}")).text
