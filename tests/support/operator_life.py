"""Lives of resources for reliability tests, and what must be true at their end."""

from __future__ import annotations

from operator_bench import World, fail, hold, ready, reason
from operator_proxy import KillingProxy
from simulacra_crds.kinds.base import LABEL_GIVEN
from simulacra_crds.kube import client as kube
from simulacra_crds.names import tenant_namespace
from simulacra_custody.refs import ResourceRef


async def full(world: World, proxy: KillingProxy, number: int, *, seconds: float = 90) -> int:
    """Create, extend and delete a Dataset with Model and generation; return the writes."""
    start = proxy.writes
    dataset, model, generation = f"ds-{number}", f"mdl-{number}", f"gen-{number}"
    uids = [(await world.upload(dataset))["metadata"]["uid"]]
    uids.append((await world.model(model, dataset))["metadata"]["uid"])
    uids.append((await world.generation(generation, model, dataset))["metadata"]["uid"])
    done = await world.reaches(kube.GENERATION_JOBS, generation, ready, seconds=seconds)
    assert [one["name"] for one in done["status"]["artefacts"]] == ["parts/00000.parquet"]
    assert done["status"]["rows"] == 10
    before = done["status"]["expiresAt"]
    longer = {"spec": {"retentionSeconds": 100_000}}
    await world.cluster.patch(kube.GENERATION_JOBS, generation, longer, world.namespace)
    await world.reaches(
        kube.GENERATION_JOBS,
        generation,
        lambda one: one["status"].get("expiresAt", before) != before,
        seconds=seconds,
    )
    await world.cluster.delete(kube.DATASETS, dataset, world.namespace)
    await _ends(world, proxy, number, uids, seconds)
    return proxy.writes - start


async def failing(world: World, proxy: KillingProxy, number: int, *, seconds: float = 90) -> int:
    """Fail a Dataset: its upload is erased and recorded before its failure; delete it."""
    start, name = proxy.writes, f"ds-{number}"
    world.pods.plays["prepare"] = fail(42, "UploadInvalid")
    try:
        uid = (await world.upload(name))["metadata"]["uid"]
        failed = await world.reaches(kube.DATASETS, name, reason("UploadInvalid"), seconds=seconds)
    finally:
        world.pods.plays.clear()
    assert failed["status"]["phase"] == "Failed"
    assert world.objects() == []
    types = [one["type"] for one in world.audit() if one["data"].get("uid") == uid]
    ends = [one.rpartition(".")[2] for one in types if ".job." not in one]
    assert ends in (["erased"], ["erased"] * 2), (
        "a crash between record and status repeats the record"
    )
    await world.cluster.delete(kube.DATASETS, name, world.namespace)
    await _ends(world, proxy, number, [uid], seconds)
    return proxy.writes - start


async def expiring(world: World, proxy: KillingProxy, number: int, *, seconds: float = 90) -> int:
    """Let the same resources expire after ten seconds."""
    start, short = proxy.writes, {"retentionSeconds": 10}
    dataset, model, generation = f"ds-{number}", f"mdl-{number}", f"gen-{number}"
    uids = [(await world.upload(dataset, **short))["metadata"]["uid"]]
    uids.append((await world.model(model, dataset))["metadata"]["uid"])
    uids.append((await world.generation(generation, model, dataset, **short))["metadata"]["uid"])
    await _ends(world, proxy, number, uids, seconds)
    expired = [
        record["data"]["uid"]
        for record in world.audit()
        if record["type"].endswith("resource.expired")
    ]
    assert uids[0] in expired
    return proxy.writes - start


async def outliving(world: World, proxy: KillingProxy, number: int, *, seconds: float = 90) -> int:
    """Let Dataset and Model expire; their results stay readable until their own expiry."""
    start, model = proxy.writes, f"mdl-{number}"
    dataset, results = f"ds-{number}", {f"gen-{number}": kube.GENERATION_JOBS}
    results[f"eff-{number}"] = kube.EFFECT_ESTIMATES
    uids = [(await world.upload(dataset))["metadata"]["uid"]]
    uids.append((await world.model(model, dataset))["metadata"]["uid"])
    uids.append((await world.generation(f"gen-{number}", model, dataset))["metadata"]["uid"])
    uids.append((await world.effect(f"eff-{number}", model, dataset))["metadata"]["uid"])
    done = {
        name: await world.reaches(api, name, ready, seconds=seconds)
        for name, api in results.items()
    }
    short: kube.Object = {"spec": {"retentionSeconds": 10}}  # over by now, or in a moment
    await world.cluster.patch(kube.DATASETS, dataset, short, world.namespace)
    await world.gone(kube.MODELS, model, seconds=seconds)
    await world.gone(kube.DATASETS, dataset, seconds=seconds)
    for name, api in results.items():
        found = await world.cluster.get(api, name, world.namespace)
        kept = ("phase", "artefacts", "wrappedKey", "finishedAt")
        assert {one: found["status"][one] for one in kept} == {
            one: done[name]["status"][one] for one in kept
        }
        ref = ResourceRef(world.tenant, api.plural, found["metadata"]["uid"])
        artifact = ref.artifact(found["status"]["artefacts"][0]["name"])
        assert world.custody.read_bytes(artifact, found["status"]["wrappedKey"], limit=9) == b"work"
        await world.cluster.patch(api, name, short, world.namespace)
    await world.gone(kube.EFFECT_ESTIMATES, f"eff-{number}", seconds=seconds)
    await _ends(world, proxy, number, uids, seconds)
    expired = {
        one["data"]["uid"] for one in world.audit() if one["type"].endswith("resource.expired")
    }
    assert {uids[0], *uids[2:]} <= expired
    return proxy.writes - start


async def completing(world: World, proxy: KillingProxy, number: int, *, seconds: float = 90) -> int:
    """Complete given rows; erasing them takes the completion and leaves the donors."""
    start, model = proxy.writes, f"mdl-{number}"
    dataset, given = f"ds-{number}", f"ds-{number}-given"
    uids = [(await world.upload(dataset))["metadata"]["uid"]]
    uids.append((await world.model(model, dataset))["metadata"]["uid"])
    uids.append((await world.upload(given, purpose="Given"))["metadata"]["uid"])
    made = await world.completion(f"gen-{number}", model, dataset, given)
    uids.append(made["metadata"]["uid"])
    done = await world.reaches(kube.GENERATION_JOBS, f"gen-{number}", ready, seconds=seconds)
    assert done["metadata"]["labels"][LABEL_GIVEN] == given
    assert done["status"]["given"]["filled"] == 3
    read = [one["data"] for one in world.audit() if one["type"].endswith("source.read")]
    assert uids[2] in [one["uid"] for one in read]
    await world.cluster.delete(kube.DATASETS, given, world.namespace)
    await world.gone(kube.DATASETS, given, seconds=seconds)
    await world.gone(kube.GENERATION_JOBS, f"gen-{number}", seconds=seconds)
    assert ready(await world.cluster.get(kube.MODELS, model, world.namespace))
    assert not [one for one in world.objects() if uids[2] in one or uids[3] in one]
    await world.cluster.delete(kube.DATASETS, dataset, world.namespace)
    await _ends(world, proxy, number, uids, seconds)
    return proxy.writes - start


async def tenant(world: World, proxy: KillingProxy, number: int, *, seconds: float = 90) -> int:
    """Create a tenant of its own, and delete it while a Job runs."""
    start, first = proxy.writes, world.tenant
    world.tenant = f"{first}-{number}"
    world.namespace = tenant_namespace(world.tenant)
    try:
        await world.create("Tenant", world.tenant, {})
        await world.reaches(kube.TENANTS, world.tenant, ready, namespace=None, seconds=seconds)
        world.pods.plays["fit"] = hold
        await world.upload("ds-1")
        await world.model("mdl-1", "ds-1")
        await world.reaches(kube.MODELS, "mdl-1", reason("JobRunning"), seconds=seconds)
        await world.cluster.delete(kube.TENANTS, world.tenant)
        await world.gone(kube.TENANTS, world.tenant, namespace=None, seconds=seconds)
        await world.gone(kube.NAMESPACES, world.namespace, namespace=None, seconds=seconds)
        assert world.objects() == []
        assert not world.custody.keys.has_tenant_key(world.tenant)
        types = [one["type"] for one in world.audit() if one["data"].get("tenant") == world.tenant]
        assert types[-1] == "dev.simulacra.tenant.erased"
    finally:
        world.pods.plays.clear()
        world.tenant, world.namespace = first, tenant_namespace(first)
    return proxy.writes - start


async def _ends(
    world: World, proxy: KillingProxy, number: int, uids: list[str], seconds: float
) -> None:
    """Check that all is erased and recorded, and that each Job ran once at most."""
    for resource, name in (
        (kube.DATASETS, "ds"),
        (kube.MODELS, "mdl"),
        (kube.GENERATION_JOBS, "gen"),
    ):
        await world.gone(resource, f"{name}-{number}", seconds=seconds)
    assert world.objects() == []
    assert await world.names(kube.JOBS) == []
    jobs = {
        path: count
        for path, count in proxy.created.items()
        if f"-{number}-" in path.rpartition("/")[2]
    }
    jobs = {path: count for path, count in jobs.items() if "/jobs/" in path}
    assert all(count == 1 for count in jobs.values()), f"work ran more than once: {jobs}"
    erased = [
        record["data"]["uid"]
        for record in world.audit()
        if record["type"].endswith("resource.erased")
    ]
    assert set(uids) <= set(erased)
