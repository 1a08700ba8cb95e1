"""Tombstones keep an Idempotency-Key for 24 hours after its use, in hashes only."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from operator_bench import World
from operator_facts import CREATED, NOW, SECRET, SETTINGS, iso, resource
from simulacra_crds.kinds.base import utcnow
from simulacra_crds.kube.client import CONFIGMAPS, DATASETS, ClusterError, Object
from simulacra_crds.tombstone import (
    REQUEST_DIGEST,
    TOMBSTONE_LIFETIME,
    Tombstone,
    manifest,
    tombstone_name,
)
from simulacra_operator.observed.custom_resource import parse
from simulacra_operator.observed.observe import Observed
from simulacra_operator.tasks.cleanup import delete_tombstones
from simulacra_operator.work import actions as act
from simulacra_operator.work.erasure import reconcile
from simulacra_operator.work.tombstones import leave

DIGEST = "d" * 64
TENANT = resource("Tenant", "acme", {}, namespace=None)


def going(kind: str, spec: Object | None = None, tenant: Object = TENANT, **meta: Any) -> Observed:
    body = resource(
        kind, "x-1", spec, deletionTimestamp=iso(NOW), annotations={REQUEST_DIGEST: DIGEST}
    )
    body["metadata"] |= meta
    return Observed(NOW, parse(body), SETTINGS, tenant=parse(tenant))


def left(seen: Observed) -> list[Object]:
    actions = reconcile(seen)
    kinds = [type(one).__name__ for one in actions]
    if "LeaveTombstone" in kinds:
        assert (
            kinds.index("LeaveTombstone") < kinds.index("Erase") < kinds.index("ReleaseFinalizer")
        )
    return [one.manifest for one in actions if isinstance(one, act.LeaveTombstone)]


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("Dataset", {"content": "a" * 64, "bytes": 3}),
        ("GenerationJob", {"rows": 10, "seed": 0}),
        ("EffectEstimate", {}),
        ("SegmentEstimate", {}),
        ("AnswerSheet", {}),
    ],
)
def test_a_deletion_within_a_day_leaves_a_tombstone_without_content(
    kind: str, facts: Object
) -> None:
    (tombstone,) = left(going(kind))
    assert json.loads(tombstone["data"]["tombstone.json"]) == {
        "request": DIGEST,
        "created": iso(CREATED),
        **facts,
    }
    assert SECRET not in json.dumps(tombstone)


def test_no_tombstone_is_left_where_none_is_needed() -> None:
    dying = resource("Tenant", "acme", {}, namespace=None, deletionTimestamp=iso(NOW))
    for seen in (
        going("Dataset", {"source": {}}),  # never complete: the key may be used again
        going("Dataset", creationTimestamp=iso(NOW - TOMBSTONE_LIFETIME)),
        going("Dataset", annotations={}),  # created with kubectl
        going("GenerationJob", annotations={REQUEST_DIGEST: ""}),  # a probe has no key
        going("Dataset", tenant=dying),
    ):
        assert left(seen) == []


async def test_a_deleted_dataset_leaves_a_tombstone_that_expires(world: World) -> None:
    await world.create_tenant()
    await world.upload("ds-key")
    note = {"metadata": {"annotations": {REQUEST_DIGEST: DIGEST}}}
    await world.cluster.patch(DATASETS, "ds-key", note, world.namespace)
    await world.cluster.delete(DATASETS, "ds-key", world.namespace)
    await world.gone(DATASETS, "ds-key")
    name = tombstone_name("ds-key")
    assert DIGEST in str(await world.cluster.get(CONFIGMAPS, name, world.namespace))
    early = utcnow() + TOMBSTONE_LIFETIME - timedelta(minutes=5)
    await delete_tombstones(world.cluster, lambda: early)
    assert await world.cluster.find(CONFIGMAPS, name, world.namespace) is not None
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}}
    await world.cluster.create(CONFIGMAPS, other, world.namespace)
    late = utcnow() + TOMBSTONE_LIFETIME
    await delete_tombstones(world.cluster, lambda: late)
    assert await world.cluster.find(CONFIGMAPS, name, world.namespace) is None
    assert await world.cluster.find(CONFIGMAPS, "other", world.namespace) is not None


async def test_a_tombstone_is_retried_unless_the_namespace_ends(world: World) -> None:
    await world.create_tenant()
    made = manifest("ds-1", world.namespace, Tombstone(request=DIGEST, created=utcnow()))
    await leave(world.cluster, made)
    await leave(world.cluster, made)
    later = manifest("ds-1", world.namespace, Tombstone(request="e" * 64, created=utcnow()))
    await leave(world.cluster, later)
    kept = await world.cluster.get(CONFIGMAPS, tombstone_name("ds-1"), world.namespace)
    assert kept["data"] == later["data"]
    await leave(
        world.cluster, manifest("ds-1", "nowhere", Tombstone(request=DIGEST, created=utcnow()))
    )
    broken = manifest("ds-1", world.namespace, Tombstone(request=DIGEST, created=utcnow()))
    broken["metadata"]["name"] = "NOT_A_NAME"
    with pytest.raises(ClusterError):
        await leave(world.cluster, broken)
