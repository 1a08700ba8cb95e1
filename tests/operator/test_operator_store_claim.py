"""Two installations on one store: the second is idle until it takes over the store."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from operator_bench import OperatorProcess, Plane, World, apply_crds, ready
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Cluster
from simulacra_crds.names import STORE_CLAIM, system_namespace
from simulacra_custody.errors import StoreForeign, StoreUnavailable
from simulacra_custody.keys.base import KeyProvider
from simulacra_custody.refs import ResourceRef
from simulacra_custody.service import Custody
from simulacra_custody.stores.local import LocalStore
from simulacra_custody.stores.owner import TAKE_OVER_VARIABLE
from simulacra_custody.wiring import open_certificates
from simulacra_operator.runtime import store_claim
from simulacra_operator.runtime.custody_client import CustodyClient
from simulacra_operator.settings import OperatorSettingsError, read_settings

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def second(world: World, tmp_path: Path) -> AsyncIterator[World]:
    """Another cluster whose operator has the first one's store and is not started yet."""
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


async def test_a_second_installation_is_idle_until_it_takes_over_the_store(
    world: World, second: World
) -> None:
    await world.create_tenant()
    await world.upload("ds-1")
    await world.reaches(kube.DATASETS, "ds-1", ready)
    await world.until(
        lambda: _answers(world, "/readyz", 200), 20, lambda: "the first one is not ready"
    )
    kept = world.objects()
    for path in world.operator.root.glob("store/tenants/**/*"):
        if path.is_file():
            os.utime(path, (0, 0))
    await second.create("Tenant", world.tenant, {})
    second.operator.start()
    told = await second.until(lambda: _is_refused(second), 60, lambda: "the second one is ready")
    assert await _answers(second, "/livez", 200), "it must not be restarted for that"
    assert "simulacra_store_foreign 1.0" in await _get(second, "/metrics")
    assert "status" not in await second.cluster.get(kube.TENANTS, world.tenant), (
        "nothing is started"
    )
    await second.cluster.delete(kube.TENANTS, world.tenant)
    await asyncio.sleep(1)
    assert world.objects() == kept, (
        "a Tenant of the same name does not erase, and nothing is an orphan"
    )
    assert await second.cluster.find(kube.TENANTS, world.tenant) is not None

    first = (await world.cluster.get(kube.NAMESPACES, "kube-system"))["metadata"]["uid"]
    assert first in told
    second.operator.end()
    second.operator.extra[TAKE_OVER_VARIABLE] = first
    second.operator.start()
    await second.until(
        lambda: _answers(second, "/readyz", 200), 30, lambda: "it did not take over the store"
    )

    async def swept() -> bool:
        return not world.objects()

    await second.until(swept, 90, lambda: "orphaned objects still exist")
    await second.gone(kube.TENANTS, world.tenant, namespace=None)
    world.operator.end()
    world.operator.start()
    await world.until(lambda: _is_refused(world), 60, lambda: "the former owner still works")


async def test_a_store_without_owner_marks_is_adopted(world: World) -> None:
    await world.create_tenant()
    await world.upload("ds-1")
    await world.reaches(kube.DATASETS, "ds-1", ready)
    world.operator.end()
    for path in world.operator.root.glob("store/installation/**/*"):
        if path.is_file():
            path.unlink()
    kept = world.objects()
    await world.cluster.delete(kube.CONFIGMAPS, STORE_CLAIM, system_namespace())
    world.operator.start()
    await world.until(
        lambda: _answers(world, "/readyz", 200),
        20,
        lambda: "the store of an older release is refused",
    )
    assert world.objects() == kept
    assert len(list(world.operator.root.glob("store/installation/owner/*"))) == 1


async def test_nothing_is_certified_in_an_empty_directory_in_place_of_the_store(
    world: World,
) -> None:
    await world.create_tenant()
    await world.upload("ds-1")
    dataset = await world.reaches(kube.DATASETS, "ds-1", ready)
    store = world.operator.root / "store"
    world.operator.end()
    store.rename(world.operator.root / "mounted")
    store.mkdir()
    await world.cluster.delete(kube.DATASETS, "ds-1", dataset["metadata"]["namespace"])
    world.operator.start()
    told = await world.until(
        lambda: _is_refused(world), 60, lambda: "an empty directory is claimed as the store"
    )
    assert "mount the volume" in told
    assert not _certificates(world), "erasure found nothing there, and certified it"
    assert not any(store.iterdir())

    world.operator.end()
    store.rmdir()
    (world.operator.root / "mounted").rename(store)
    world.operator.start()
    await world.gone(kube.DATASETS, "ds-1")
    assert not world.objects()
    assert len(_certificates(world)) == 1

    world.operator.end()
    store.rename(world.operator.root / "lost")
    uid = (await world.cluster.get(kube.NAMESPACES, "kube-system"))["metadata"]["uid"]
    world.operator.extra[TAKE_OVER_VARIABLE] = uid
    world.operator.start()
    await world.until(
        lambda: _answers(world, "/readyz", 200), 30, lambda: "a new store is refused for ever"
    )


def test_a_malformed_installation_to_take_over_is_named() -> None:
    assert read_settings({TAKE_OVER_VARIABLE: "ac0fa487-cc03"}).take_over == "ac0fa487-cc03"
    assert read_settings({TAKE_OVER_VARIABLE: ""}).take_over is None
    with pytest.raises(
        OperatorSettingsError, match=f"{TAKE_OVER_VARIABLE} is malformed: set it to the id"
    ):
        read_settings({TAKE_OVER_VARIABLE: "the old one"})


class _Silent:
    """Custody whose store never answers."""

    async def claim_store(self, installation: str, take_over: str | None, claimed: bool) -> None:
        await asyncio.Event().wait()


class _Named:
    """A cluster with an id."""

    async def get(self, resource: object, name: str) -> kube.Object:
        return {"metadata": {"uid": "ours"}}

    async def find(self, resource: object, name: str, namespace: str) -> None:
        return None


async def test_a_store_that_does_not_answer_does_not_block_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store_claim, "ANSWER_S", 0.01)
    claim = store_claim.StoreClaim(cast(Cluster, _Named()), cast(CustodyClient, _Silent()), None)
    assert claim.refused is not None
    await claim.acquire()
    assert claim.refused is None


class _Taken:
    """Custody whose store another installation took over."""

    async def claim_store(self, installation: str, take_over: str | None, claimed: bool) -> None:
        raise StoreForeign("another installation")


async def test_a_store_that_was_taken_over_ends_the_claim() -> None:
    claim = store_claim.StoreClaim(cast(Cluster, _Named()), cast(CustodyClient, _Taken()), None)
    with pytest.raises(StoreForeign):
        await asyncio.wait_for(claim.hold(), 1)


async def test_an_erasure_in_a_store_that_lost_its_mark_is_an_error(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    client = CustodyClient(
        Custody(store, cast(KeyProvider, None)), cast(Any, None), cast(Any, None)
    )
    await client.claim_store("ours", None, claimed=False)
    dataset = ResourceRef("acme", "datasets", "u1")
    assert (await client.erase("erase", client.service.erase, dataset)).verified_empty
    store.root.rename(tmp_path / "mounted")
    store.root.mkdir()
    with pytest.raises(StoreForeign, match="mount the volume"):
        await client.erase("erase", client.service.erase, dataset)
    with pytest.raises(StoreForeign, match="mount the volume"):
        await client.count(dataset)  # or the certificate would say that nothing was stored


async def test_a_standby_hears_of_a_claim_that_was_recorded_after_its_start(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    client = CustodyClient(
        Custody(store, cast(KeyProvider, None)), cast(Any, None), cast(Any, None)
    )
    store.root.rmdir()
    with pytest.raises(StoreUnavailable):
        await client.claim_store("ours", None, claimed=False)
    store.root.mkdir()
    with pytest.raises(StoreForeign, match="mount the volume"):
        await client.claim_store("ours", None, claimed=True)


def _certificates(world: World) -> list[str]:
    return list(open_certificates(world.operator.env).read_all())


async def _is_refused(world: World) -> str | None:
    """Return why an operator is not ready if it explains how to take over the store."""
    told = await _answers(world, "/readyz", 503)
    return told if told is not None and TAKE_OVER_VARIABLE in told else None


async def _answers(world: World, path: str, status: int) -> str | None:
    """Return an operator's response if it has this status."""
    try:
        async with httpx2.AsyncClient() as http:
            answer = await http.get(f"http://127.0.0.1:{world.operator.port()}{path}")
    except (httpx2.TransportError, AssertionError, FileNotFoundError):
        return None
    return answer.text if answer.status_code == status else None


async def _get(world: World, path: str) -> str:
    async with httpx2.AsyncClient() as http:
        return (await http.get(f"http://127.0.0.1:{world.operator.port()}{path}")).text
