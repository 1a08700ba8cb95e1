"""Deleting a Tenant restores the administrator's namespace: only our objects are deleted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from operator_bench import Plane, World, hold, ready, reason
from operator_proxy import KillingProxy
from simulacra_crds import webhook
from simulacra_crds.kinds.base import LABEL_TENANT
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import ApiResource, Object
from simulacra_crds.names import system_namespace, tenant_namespace
from simulacra_custody.wiring import open_certificates

INSIDE = (
    *(
        kube.SERVICE_ACCOUNTS,
        kube.RESOURCE_QUOTAS,
        kube.NETWORK_POLICIES,
        kube.SECRETS,
        kube.CONFIGMAPS,
    ),
    *(kube.JOBS, kube.PODS, kube.SERVICES),
)
OURS = {
    *("serviceaccounts/simulacra-trainer", "resourcequotas/simulacra", "secrets/simulacra-pods"),
    *("networkpolicies/simulacra-default-deny", "networkpolicies/simulacra-workers"),
}
LIVES = 40
"""Listed namespaces, one per life of a test."""
STRIDE = 2
"""Kill at every second write, alternately before and after; 1 takes five minutes."""


async def everything(world: World) -> dict[str, str]:
    """Return uids in the namespace by kind and name, except what every namespace has."""
    found = {}
    for resource in INSIDE:
        async for one in world.cluster.list(resource, world.namespace):
            found[f"{resource.plural}/{one['metadata']['name']}"] = one["metadata"]["uid"]
    return {
        name: uid
        for name, uid in found.items()
        if not name.endswith(("/default", "/kube-root-ca.crt"))
    }


async def serve(world: World, *namespaces: str) -> None:
    """Let the operator serve some namespaces, and give pods a Secret."""
    secret: Object = {"metadata": {"name": "environment"}, "data": {"AWS_PROFILE": "cGxhdGZvcm1z"}}
    with suppress(kube.AlreadyExists):
        await world.cluster.create(kube.SECRETS, secret, system_namespace())
    listed = {"SIMULACRA_NAMESPACES": ",".join(namespaces), "SIMULACRA_POD_SECRET": "environment"}
    world.operator.extra |= listed


async def prepare(world: World) -> None:
    """Create the tenant's namespace as documented."""
    labels = {LABEL_TENANT: world.tenant, "pod-security.kubernetes.io/enforce": "restricted"}
    await world.cluster.create(
        kube.NAMESPACES, {"metadata": {"name": world.namespace, "labels": labels}}
    )


async def a_life(world: World, leaving: Callable[[], object] = lambda: None) -> None:
    """Create a Tenant with a webhook; delete it while a Job runs; check its certificate."""
    uid = (await world.create("Tenant", world.tenant, {}))["metadata"]["uid"]
    await world.reaches(kube.TENANTS, world.tenant, ready, namespace=None, seconds=90)
    world.pods.plays["fit"] = hold
    await world.upload("ds-1")
    await world.model("mdl-1", "ds-1")
    await world.reaches(kube.MODELS, "mdl-1", reason("JobRunning"), seconds=90)
    hook = webhook.manifest("w1", (LABEL_TENANT, world.tenant), "sealed", [])
    await world.cluster.create(kube.CONFIGMAPS, hook, world.namespace)
    assert set(await everything(world)) >= OURS
    leaving()
    await world.cluster.delete(kube.TENANTS, world.tenant)
    await world.gone(kube.TENANTS, world.tenant, namespace=None, seconds=90)
    world.pods.plays.clear()
    types = [one["type"] for one in world.audit() if one["data"].get("tenant") == world.tenant]
    assert types[-1] == "dev.simulacra.tenant.erased"
    assert open_certificates(world.operator.env).exists(uid, world.tenant, uid)


@pytest.mark.timeout(600)
async def test_only_the_objects_of_others_stay_in_a_prepared_namespace(
    world: World, plane: Plane
) -> None:
    if plane.real:
        pytest.skip(
            "tests/e2e/test_controlplane_namespaced.py does it with the rights that are for it"
        )
    world.operator.end()
    await serve(world, world.namespace)
    await prepare(world)
    theirs: tuple[tuple[ApiResource, Object], ...] = (
        (kube.SERVICE_ACCOUNTS, {"metadata": {"name": "simulacra-trainer"}}),
        (kube.CONFIGMAPS, {"metadata": {"name": "settings"}, "data": {"a": "b"}}),
        (kube.NETWORK_POLICIES, {"metadata": {"name": "theirs"}, "spec": {"podSelector": {}}}),
        (kube.SECRETS, {"metadata": {"name": "acme-reader"}, "data": {}}),
    )
    for resource, body in theirs:
        await world.cluster.create(resource, body, world.namespace)
    before = await everything(world)
    world.operator.start()
    await a_life(world)
    assert await everything(world) == before, (
        "a foreign account with our name is repaired, not owned"
    )
    assert world.objects() == []


@pytest.mark.reliability
@pytest.mark.timeout(1500)
async def test_a_kill_during_a_tenants_deletion_leaves_none_of_our_objects(
    world: World, proxy: KillingProxy
) -> None:
    first = world.tenant
    tenants = [f"{first}-{number}" for number in range(LIVES)]
    await serve(world, *map(tenant_namespace, tenants))
    world.operator.end()  # the next one reads the setting

    async def one_life(tenant: str, point: int | None = None, *, before: bool = True) -> int:
        """Return the number of writes of the deletion."""
        world.tenant, world.namespace = tenant, tenant_namespace(tenant)
        start = 0

        def leaving() -> None:
            nonlocal start
            start = proxy.writes
            proxy.at, proxy.before = None if point is None else start + point, before

        await prepare(world)
        await a_life(world, leaving)
        assert await everything(world) == {}
        return proxy.writes - start

    undisturbed = await one_life(tenants[0])
    points = [
        (point, bool(number % 2)) for number, point in enumerate(range(1, undisturbed + 1, STRIDE))
    ]
    assert len(points) < LIVES
    for tenant, (point, before) in zip(tenants[1:], points, strict=False):
        await one_life(tenant, point, before=before)
    assert proxy.kills >= len(points) * 0.8, (
        "nearly every point was reached; lives differ by some writes"
    )
    print(  # noqa: T201
        f"killed at {proxy.kills} of {len(points)} points of {undisturbed} writes of a deletion"
    )
