"""Leader election: one process leads, and every way to lose or take over the Lease."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from operator_bench import Plane, apply_crds
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Cluster, Unavailable
from simulacra_crds.names import system_namespace
from simulacra_operator.runtime import leadership
from simulacra_operator.runtime.leadership import LEASE, Leadership, LeadershipLost

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def cluster(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    """A control plane without the Lease; the protocol has short intervals."""
    monkeypatch.setattr(leadership, "RENEW_S", 0.05)
    monkeypatch.setattr(leadership, "RETRY_S", 0.05)
    cluster = await Cluster.connect(str(plane.kubeconfig))
    await apply_crds(cluster)
    await cluster.delete(kube.LEASES, LEASE, system_namespace())
    yield cluster
    await cluster.delete(kube.LEASES, LEASE, system_namespace())
    await cluster.close()


async def _spec(cluster: Cluster) -> dict[str, Any]:
    return dict((await cluster.get(kube.LEASES, LEASE, system_namespace()))["spec"])


async def test_a_standby_takes_over_a_released_lease(cluster: Cluster) -> None:
    first, second = Leadership(cluster, "a"), Leadership(cluster, "b")
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(0.3)
    assert (first.leading, second.leading) == (True, False)
    await first.release()
    await waiting
    spec = await _spec(cluster)
    assert spec["holderIdentity"].startswith("b_")
    assert spec["leaseTransitions"] == 1


async def test_a_lease_is_taken_over_only_after_its_duration(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(leadership, "monotonic", lambda: clock[0])
    first, second = Leadership(cluster, "a"), Leadership(cluster, "b")
    await first.acquire()
    taken = []
    for renewed, passes in ((False, 14.9), (True, 14.9), (False, 0.0), (False, 15.0)):
        if renewed:
            assert await first._renewed()
        taken.append(await second._taken())
        clock[0] += passes
    assert taken == [False] * 4
    assert await second._taken()
    with pytest.raises(LeadershipLost):
        await first.hold()


async def test_a_restarted_process_takes_over_at_once_and_the_old_one_ends(
    cluster: Cluster,
) -> None:
    before, after = Leadership(cluster, "a"), Leadership(cluster, "a")
    await before.acquire()
    await after.acquire()
    with pytest.raises(LeadershipLost):
        await before.hold()
    holding = asyncio.create_task(after.hold())
    await asyncio.sleep(0.2)
    assert not holding.done()
    holding.cancel()


async def test_a_lost_answer_and_an_outage_do_not_lose_the_leadership(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Leadership(cluster, "a")
    await one.acquire()
    patch, steps = cluster.patch, ["answer lost", "no answer", "no answer"]

    async def lossy(*args: Any, **kwargs: Any) -> Any:
        step = steps.pop(0) if steps else ""
        answer = await patch(*args, **kwargs) if step != "no answer" else None
        if step:
            raise Unavailable(0, "Unreachable", "cut")
        return answer

    monkeypatch.setattr(cluster, "patch", lossy)
    assert [await one._renewed() for _ in range(5)] == [False, False, False, False, True]


async def test_deleting_the_lease_ends_the_leader(cluster: Cluster) -> None:
    one = Leadership(cluster, "a")
    await one.acquire()
    await cluster.delete(kube.LEASES, LEASE, system_namespace())
    with pytest.raises(LeadershipLost):
        await one.hold()


async def test_a_missing_system_namespace_is_waited_for(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULACRA_NAMESPACE", "not-yet")
    waiting = asyncio.create_task(Leadership(cluster, "a").acquire())
    await asyncio.sleep(0.2)
    assert not waiting.done()
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
