"""Audit records of Jobs: start, end with its outcome, or that it was stopped."""

from __future__ import annotations

import pytest

from operator_bench import World, fail, hold, ready, reason
from operator_proxy import KillingProxy
from simulacra_crds.kube.client import DATASETS
from simulacra_crds.names import support_id

pytestmark = pytest.mark.embedded


def records(world: World, uid: str) -> list[tuple[str, str]]:
    """Return each record of a resource's Jobs once: event and outcome."""
    found = [one for one in world.audit() if ".job." in one["type"] and one["data"]["uid"] == uid]
    assert {one["data"]["support"] for one in found} <= {support_id(uid)}
    by_id = {one["id"]: one for one in found}
    return [(one["type"].rpartition(".")[2], one["data"]["outcome"]) for one in by_id.values()]


async def test_a_job_is_recorded_from_its_start_to_its_end(world: World) -> None:
    await world.create_tenant()
    uid = (await world.upload("ds-1"))["metadata"]["uid"]
    await world.reaches(DATASETS, "ds-1", ready)
    assert records(world, uid) == [("started", "success"), ("ended", "success")]
    kinds = [one["type"].rpartition(".")[2] for one in world.audit()]
    assert kinds.count("started") == kinds.count("ended") == 1


async def test_the_record_of_a_failed_job_has_the_support_id_of_its_message(world: World) -> None:
    await world.create_tenant()
    world.pods.plays["prepare"] = fail(45, "Internal", "")
    uid = (await world.upload("ds-1"))["metadata"]["uid"]
    failed = await world.reaches(DATASETS, "ds-1", reason("Internal"))
    assert records(world, uid) == [("started", "success"), ("ended", "failed")]
    assert support_id(uid) in failed["status"]["lastFailure"]["message"]


async def test_a_job_that_is_stopped_by_a_deletion_is_recorded(world: World) -> None:
    await world.create_tenant()
    world.pods.plays["prepare"] = hold
    uid = (await world.upload("ds-1"))["metadata"]["uid"]
    await world.reaches(DATASETS, "ds-1", reason("JobRunning"))
    await world.until(lambda: _started(world, uid), 30, lambda: "no start on record")
    await world.cluster.delete(DATASETS, "ds-1", world.namespace)
    await world.gone(DATASETS, "ds-1")
    assert records(world, uid) == [("started", "success"), ("stopped", "success")]


async def _started(world: World, uid: str) -> bool:
    return bool(records(world, uid))


@pytest.mark.timeout(300)
async def test_a_kill_at_any_write_loses_no_record_of_a_job(
    world: World, proxy: KillingProxy
) -> None:
    """A record that is repeated after the restart has the same id."""
    await world.create_tenant()
    for number, (point, before) in enumerate(
        [(point, before) for point in (2, 3, 4, 5) for before in (True, False)]
    ):
        proxy.at, proxy.before = proxy.writes + point, before
        uid = (await world.upload(f"ds-{number}"))["metadata"]["uid"]
        await world.reaches(DATASETS, f"ds-{number}", ready)
        assert records(world, uid) == [("started", "success"), ("ended", "success")], point
