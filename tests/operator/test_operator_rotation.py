"""Key rotation rewraps everything, then retires the old key; a destroyed key ends access."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from operator_bench import World, condition, hold, ready, reason
from operator_facts import NOW, iso, ready_condition, resource
from operator_proxy import KillingProxy
from simulacra_crds.kinds.base import ANNOTATION_KEY_LOST
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import ApiResource, Object
from simulacra_crds.tasks import TASK_ENV
from simulacra_crds.webhook import manifest, sealing_purpose
from simulacra_custody.errors import CustodyError, KeyUnavailable
from simulacra_custody.keys.sealed_secrets import seal, unseal
from simulacra_custody.refs import ResourceRef
from simulacra_operator.observed.custom_resource import parse
from simulacra_operator.scope import Scope
from simulacra_operator.tasks.rotation import ROTATE, SETTLED, Rotation


def token(body: Object) -> str:
    return str(body["status"]["wrappedKey"])


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_rotation_rewraps_all_keys_and_then_retires_the_old_one(
    world: World, proxy: KillingProxy
) -> None:
    await world.create_tenant()
    made = await world.upload("ds-1")
    uid = made["metadata"]["uid"]
    before = await world.reaches(kube.DATASETS, "ds-1", ready)
    sealed = seal(world.custody.keys, world.tenant, sealing_purpose("w1"), b"secret")
    hook = manifest("w1", ("simulacra.dev/tenant", world.tenant), sealed, ["job.ready"])
    await world.cluster.create(kube.CONFIGMAPS, hook, world.namespace)
    await world.cluster.patch(
        kube.TENANTS, world.tenant, {"metadata": {"annotations": {ROTATE: "2026-03"}}}
    )
    after = await world.reaches(
        kube.DATASETS, "ds-1", lambda one: token(one) != token(before) and one, seconds=60
    )
    ref = ResourceRef(world.tenant, "datasets", uid)
    keys = world.custody.keys
    assert keys.is_current(world.tenant, token(after))
    assert keys.unwrap(world.tenant, token(after), ref.encryption_context) == keys.unwrap(
        world.tenant, token(before), ref.encryption_context
    ), "the old token works until its key is retired"
    proxy.ahead = SETTLED  # of the API server's clock, which counts
    tenant = await world.reaches(
        kube.TENANTS,
        world.tenant,
        lambda one: one["status"].get("rotation", {}).get("finishedAt"),
        namespace=None,
        seconds=60,
    )
    assert tenant["status"]["rotation"]["asked"] == "2026-03"
    assert ready(tenant)
    with pytest.raises(KeyUnavailable):
        keys.unwrap(world.tenant, token(before), ref.encryption_context)
    names = world.custody.list_artifacts(ref)
    assert world.custody.read_bytes(ref.artifact(names[0]), token(after), limit=1 << 20)
    stored = await world.cluster.get(kube.CONFIGMAPS, "webhook-w1", world.namespace)
    assert unseal(keys, world.tenant, sealing_purpose("w1"), stored["data"]["sealed"]) == b"secret"
    types = [record["type"].removeprefix("dev.simulacra.") for record in world.audit()]
    assert [one for one in types if one.startswith("key.")] == [
        "key.created",
        "key.rotated",
        "key.retired",
    ]


async def test_a_tenants_invalid_objects_delay_its_own_rotation_only() -> None:
    class Server:
        async def list(
            self, what: ApiResource, namespace: str | None = None, **_: object
        ) -> AsyncIterator[Object]:
            if what == kube.CONFIGMAPS:
                yield {"metadata": {"name": "mine"}}
            if what == kube.JOBS:
                container = {"env": [{"name": TASK_ENV, "value": "mine"}]}
                yield {"metadata": {}, "spec": {"template": {"spec": {"containers": [container]}}}}

    class Custody:
        """Keys of which every token is current; a call of any other kind fails."""

        keys = SimpleNamespace(is_current=lambda tenant, token: True, retire_old_keys=None)
        service = SimpleNamespace(rewrap=None)

        async def run(self, verb: str, call: Any, *args: Any) -> Any:
            retired.extend(args if verb == "retireKeys" else ())
            return call(*args)

    custody, retired = Custody(), list[str]()
    known = {**ready_condition("True"), "type": "KeyReady"}
    status = {"conditions": [known], "rotation": {"asked": "once", "startedAt": iso(NOW - SETTLED)}}
    tenant = parse(
        resource("Tenant", "acme", {}, status, namespace=None, annotations={ROTATE: "once"})
    )
    controller = SimpleNamespace(cluster=Server(), custody=custody, now=lambda: NOW, scope=Scope())
    await Rotation(controller).check(tenant)  # type: ignore[arg-type]
    assert retired == [], "an unreadable Job may hold a token of the old key"


async def test_a_destroyed_tenant_key_makes_all_artifacts_unreadable(world: World) -> None:
    """The Tenant and new work state why nothing can be decrypted."""
    await world.create_tenant()
    made = await world.upload("ds-1")
    found = await world.reaches(kube.DATASETS, "ds-1", ready)
    ref = ResourceRef(world.tenant, "datasets", made["metadata"]["uid"])
    world.custody.keys.destroy_tenant_key(world.tenant)
    for name in world.custody.list_artifacts(ref):
        with pytest.raises(CustodyError):
            world.custody.read_bytes(ref.artifact(name), token(found), limit=1 << 20)
    world.operator.end()
    world.operator.start()
    tenant = await world.reaches(
        kube.TENANTS,
        world.tenant,
        lambda one: condition(one, "KeyReady")["status"] == "False",
        namespace=None,
    )
    assert "step key" in condition(tenant, "KeyReady")["message"]
    world.pods.plays["fit"] = hold
    await world.model("mdl-1", "ds-1")
    waiting = await world.reaches(kube.MODELS, "mdl-1", reason("AwaitingTenant"))
    assert "not Ready" in condition(waiting, "Ready")["message"]
    await world.cluster.delete(kube.TENANTS, world.tenant)
    blocked = reason("ErasureBlocked")
    await world.reaches(kube.TENANTS, world.tenant, blocked, namespace=None, seconds=60)
    lost = {"metadata": {"annotations": {ANNOTATION_KEY_LOST: "true"}}}
    await world.cluster.patch(kube.TENANTS, world.tenant, lost)
    await world.gone(kube.TENANTS, world.tenant, namespace=None, seconds=60)
    uid = tenant["metadata"]["uid"]
    assert (await world.certificate(uid, uid))["key_shredded_at"] is None
    assert world.objects() == []
