"""The operator as a process: from upload to erasure, failures, quotas, outages and restarts."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import httpx2
import pytest

from operator_bench import Plane, World, condition, fail, hold, ready, reason, succeed
from outage import blocked
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Object
from simulacra_crds.storage_usage import stored_bytes
from simulacra_crds.tasks import FAILURE, UPLOAD, UPLOAD_PIECES, ExitCode, TaskSpec
from simulacra_custody.refs import ResourceRef
from simulacra_custody.wiring import open_certificates
from simulacra_operator.work.jobs import BACKOFF_LIMIT

pytestmark = pytest.mark.timeout(600)
SECRET = "salary_of_zoe"


async def test_a_dataset_leads_to_rows_and_is_erased_with_them(world: World) -> None:
    await world.create_tenant()
    await world.upload("ds-1")
    await world.model("mdl-1", "ds-1")
    await world.generation("gen-1", "mdl-1", "ds-1", shards=2)
    dataset = await world.reaches(kube.DATASETS, "ds-1", ready)
    assert (dataset["status"]["rows"], dataset["status"]["columns"]) == (10, 3)
    model = await world.reaches(kube.MODELS, "mdl-1", ready)
    assert model["status"]["family"] == "forest"
    assert model["metadata"]["ownerReferences"][0]["uid"] == dataset["metadata"]["uid"]
    generation = await world.reaches(kube.GENERATION_JOBS, "gen-1", ready)
    assert generation["status"]["rows"] == 20
    assert generation["status"]["attainment"] == {
        "status": "exact",
        "asked": 1,
        "met": 1,
        "maxAbsError": 0.0,
    }
    names = [one["name"] for one in generation["status"]["artefacts"]]
    assert names == ["parts/00000.parquet", "parts/00001.parquet"]
    await world.until(lambda: _no_jobs(world), 60, lambda: "finished Jobs still exist")

    await world.cluster.delete(kube.DATASETS, "ds-1", world.namespace)
    for resource, name in (
        (kube.DATASETS, "ds-1"),
        (kube.MODELS, "mdl-1"),
        (kube.GENERATION_JOBS, "gen-1"),
    ):
        await world.gone(resource, name)
    assert world.objects() == []
    erased = [
        record["data"]["uid"]
        for record in world.audit()
        if record["type"].endswith("resource.erased")
    ]
    assert sorted(erased) == sorted(one["metadata"]["uid"] for one in (dataset, model, generation))


async def test_a_user_error_fails_at_once_with_its_message(world: World) -> None:
    await world.create_tenant()
    world.pods.plays["prepare"] = fail(42, "UploadInvalid", "the first line has no header")
    await world.upload("ds-1")
    failed = await world.reaches(kube.DATASETS, "ds-1", reason("UploadInvalid"))
    assert failed["status"]["phase"] == "Failed"
    assert failed["status"]["lastFailure"]["exitCode"] == 42
    assert failed["status"]["lastFailure"]["message"] == "the first line has no header"
    assert len(world.pods.tasks) == 1
    await world.model("mdl-1", "ds-1")
    await world.reaches(kube.MODELS, "mdl-1", reason("DatasetFailed"))
    await world.until(lambda: _no_jobs(world), 60, lambda: "the failed Job still exists")


async def test_an_upload_is_erased_just_before_its_dataset_fails(
    world: World, plane: Plane
) -> None:
    if plane.real:
        pytest.skip("the real Job controller pauses 10, 20 and 40 s before it tries again")
    await world.create_tenant()
    tries: list[int] = []

    def leave_all_and_fail(task: TaskSpec, shard: int) -> Object:
        """Behave like a pod that cannot store its last artifact."""
        ref = ResourceRef(task.tenant, task.resource.kind, task.resource.uid)
        tries.append(world.custody.exists(ref.artifact(UPLOAD)))
        for name in (
            "dataset.parquet",
            "progress.json",
            f"{UPLOAD_PIECES}00000",
            f"{UPLOAD_PIECES}00001",
            FAILURE,
        ):
            world.custody.write(ref.artifact(name), task.resource.wrapped_key, [b"x"])
        return fail(43, "CustodyUnavailable")(task, shard)

    world.pods.plays["prepare"] = leave_all_and_fail
    made = await world.upload("ds-1")
    stored = f"tenants/{world.tenant}/datasets/{made['metadata']['uid']}/"
    failed = await world.reaches(kube.DATASETS, "ds-1", reason("CustodyUnavailable"), seconds=90)
    assert world.objects() == [stored + FAILURE]
    assert stored_bytes(failed) == 0
    assert tries == [True] * 4
    uploads = [
        one["data"] for one in world.audit() if one["type"] == "dev.simulacra.artefact.erased"
    ]
    source = made["spec"]["source"]
    said = {"artefact": UPLOAD, "sha256": source["sha256"], "counts": {"bytes": source["bytes"]}}
    said |= {
        "tenant": world.tenant,
        "kind": "datasets",
        "uid": made["metadata"]["uid"],
        "outcome": "success",
    }
    assert uploads == [said]
    await world.cluster.delete(kube.DATASETS, "ds-1", world.namespace)
    await world.gone(kube.DATASETS, "ds-1")
    tenant = await world.cluster.get(kube.TENANTS, world.tenant)
    signed = await world.certificate(tenant["metadata"]["uid"], made["metadata"]["uid"])
    assert signed["artefacts"] == [
        {"name": UPLOAD, "bytes": source["bytes"], "sha256": source["sha256"]}
    ]
    assert signed["objects"] == 1


@pytest.mark.parametrize("part", ["store", "audit"])
async def test_a_dataset_fails_only_once_its_upload_is_erased_and_recorded(
    world: World, part: str
) -> None:
    await world.create_tenant()
    world.pods.plays["prepare"] = hold
    made = await world.upload("ds-1")

    async def held() -> bool:
        return bool(world.pods.held)

    await world.until(held, 90, lambda: "no pod runs")
    with blocked(world.operator.root / part):
        world.pods.plays["prepare"] = fail(42, "UploadInvalid")
        waiting = await world.reaches(kube.DATASETS, "ds-1", reason("ErasureBlocked"))
        assert (waiting["status"]["phase"], stored_bytes(waiting)) == (
            "Running",
            made["spec"]["source"]["bytes"],
        )
        assert waiting["status"]["lastFailure"]["reason"] == "UploadInvalid"
    await world.reaches(kube.DATASETS, "ds-1", reason("UploadInvalid"), seconds=60)
    assert world.objects() == []
    assert [one["type"] for one in world.audit()].count("dev.simulacra.artefact.erased") == 1


async def test_internal_errors_are_retried(world: World) -> None:
    await world.create_tenant()
    world.pods.plays["prepare"] = fail(1, "Internal")
    await world.upload("ds-1")
    await world.reaches(kube.DATASETS, "ds-1", reason("JobRetrying"))
    world.pods.plays["prepare"] = succeed
    done = await world.reaches(kube.DATASETS, "ds-1", ready, seconds=60)
    assert done["status"]["lastFailure"]["exitCode"] == 1


async def test_an_outage_is_waited_out_and_counts_as_no_attempt(world: World, plane: Plane) -> None:
    if plane.real:
        pytest.skip("the real Job controller pauses 10 to 160 s before it tries again")
    await world.create_tenant()

    def away(task: TaskSpec, shard: int) -> Object:
        outage = len(world.pods.tasks) < 2 * (BACKOFF_LIMIT + 1)
        play = fail(ExitCode.OUTAGE, "CustodyUnavailable") if outage else succeed
        return play(task, shard)

    world.pods.plays["prepare"] = away
    await world.upload("ds-1")
    done = await world.reaches(kube.DATASETS, "ds-1", ready, seconds=90)
    assert done["status"]["lastFailure"]["exitCode"] == ExitCode.OUTAGE


async def test_a_permanent_error_ends_the_work_with_its_first_pod(world: World) -> None:
    await world.create_tenant()
    world.pods.plays["prepare"] = fail(ExitCode.PERMANENT, "ResultInvalid")
    await world.upload("ds-1")
    failed = await world.reaches(kube.DATASETS, "ds-1", reason("ResultInvalid"))
    assert failed["status"]["lastFailure"]["exitCode"] == ExitCode.PERMANENT
    assert [task.task for task in world.pods.tasks] == ["prepare"]


async def test_a_result_longer_than_a_termination_message_is_read_whole(world: World) -> None:
    """A model of persons: a hundred files, and more figures than one layer has."""
    await world.create_tenant()

    def many(task: TaskSpec, shard: int) -> Object:
        state = succeed(task, shard)
        if task.task != "fit":
            return state
        result = json.loads(state["message"])
        digest = hashlib.sha256(b"work").hexdigest()
        result["artefacts"] = [
            {"name": f"model/layer-{i:03d}.safetensors", "bytes": 4, "sha256": digest}
            for i in range(100)
        ]
        result["figures"] = {f"figure_{i:02d}": 0.5 for i in range(60)}
        return {**state, "message": json.dumps(result)}

    world.pods.plays["fit"] = many
    await world.upload("ds-1")
    await world.model("mdl-1", "ds-1")
    status = (await world.reaches(kube.MODELS, "mdl-1", ready))["status"]
    assert (len(status["artefacts"]), len(status["figures"])) == (100, 60)
    assert [task.task for task in world.pods.tasks].count("fit") == 1


async def test_suspension_of_a_resource_and_of_the_tenant(world: World) -> None:
    await world.create_tenant()
    await world.upload("ds-1", suspend=True)
    await world.reaches(kube.DATASETS, "ds-1", reason("Suspended"))
    assert await world.names(kube.JOBS) == []
    world.pods.plays["prepare"] = hold
    await world.cluster.patch(kube.DATASETS, "ds-1", {"spec": {"suspend": False}}, world.namespace)
    await world.reaches(kube.DATASETS, "ds-1", reason("JobRunning"))
    await world.until(lambda: world.names(kube.JOBS), 60, lambda: "no Job exists")
    await world.cluster.patch(kube.TENANTS, world.tenant, {"spec": {"suspend": True}})
    await world.reaches(kube.DATASETS, "ds-1", reason("Suspended"))
    (name,) = await world.names(kube.JOBS)
    await world.reaches(kube.JOBS, name, lambda job: job["spec"]["suspend"])
    world.pods.plays.clear()
    await world.cluster.patch(kube.TENANTS, world.tenant, {"spec": {"suspend": False}})
    await world.reaches(kube.DATASETS, "ds-1", ready)


async def test_the_quota_is_exact_and_slots_are_passed_on(world: World) -> None:
    await world.create_tenant(quotas={"concurrentJobs": 2})
    world.pods.plays["prepare"] = hold
    names = [f"ds-{number}" for number in range(5)]
    await asyncio.gather(*(world.upload(name) for name in names))

    async def waiting() -> bool:
        bodies = [one async for one in world.cluster.list(kube.DATASETS, world.namespace)]
        jobs = await world.names(kube.JOBS)
        assert len(jobs) <= 2
        return len(jobs) == 2 and sum(reason("AwaitingQuota")(one) for one in bodies) == 3

    await world.until(waiting, 90, lambda: "three of five do not wait")
    world.pods.plays.clear()
    for name in names:
        await world.reaches(kube.DATASETS, name, ready, seconds=60)


def _progress(body: Object) -> int | None:
    percent: int | None = body.get("status", {}).get("progress", {}).get("percent")
    return percent


async def test_progress_reaches_status_in_coarse_steps(world: World) -> None:
    await world.create_tenant()
    world.pods.plays["prepare"] = hold
    await world.upload("ds-1")
    running = await world.reaches(kube.DATASETS, "ds-1", _progress)
    assert running["status"]["progress"] == {"percent": 40, "etaSeconds": 9}


async def test_expiry_is_prompt_and_spares_finished_results(world: World) -> None:
    await world.create_tenant()
    made = await world.upload("ds-1")
    await world.model("mdl-1", "ds-1")
    await world.generation("gen-1", "mdl-1", "ds-1")
    generation = await world.reaches(kube.GENERATION_JOBS, "gen-1", ready)
    created = datetime.fromisoformat(made["metadata"]["creationTimestamp"]).timestamp()
    kept = int(time.time() - created) + 8  # only now: a busy machine takes long to be ready
    due = created + kept
    short: Object = {"spec": {"retentionSeconds": kept}}
    await world.cluster.patch(kube.DATASETS, "ds-1", short, world.namespace)
    dying = await world.reaches(
        kube.DATASETS, "ds-1", lambda one: one["metadata"].get("deletionTimestamp")
    )
    asked = datetime.fromisoformat(dying["metadata"]["deletionTimestamp"]).timestamp()
    assert due <= asked < due + 10
    await world.gone(kube.DATASETS, "ds-1")
    await world.gone(kube.MODELS, "mdl-1")
    assert ready(await world.cluster.get(kube.GENERATION_JOBS, "gen-1", world.namespace))
    uid = generation["metadata"]["uid"]
    assert {key.split("/")[3] for key in world.objects()} == {uid}
    expired = [
        record["data"]["uid"]
        for record in world.audit()
        if record["type"].endswith("resource.expired")
    ]
    assert made["metadata"]["uid"] in expired


async def test_a_reused_name_is_another_resource(world: World) -> None:
    await world.create_tenant()
    first = await world.upload("ds-1")
    await world.reaches(kube.DATASETS, "ds-1", ready)
    await world.cluster.delete(kube.DATASETS, "ds-1", world.namespace)
    await world.gone(kube.DATASETS, "ds-1")
    second = await world.upload("ds-1")
    await world.reaches(kube.DATASETS, "ds-1", ready)
    assert {key.split("/")[3] for key in world.objects()} == {second["metadata"]["uid"]}
    assert first["metadata"]["uid"] != second["metadata"]["uid"]


async def test_a_tenant_is_erased_after_all_its_resources(world: World) -> None:
    await world.create_tenant()
    tenant = await world.cluster.get(kube.TENANTS, world.tenant)
    await world.upload("ds-1")
    world.pods.plays["fit"] = hold
    await world.model("mdl-1", "ds-1")
    await world.reaches(kube.MODELS, "mdl-1", reason("JobRunning"))
    await world.cluster.delete(kube.TENANTS, world.tenant)
    await world.gone(kube.TENANTS, world.tenant, namespace=None, seconds=60)
    await world.gone(kube.NAMESPACES, world.namespace, namespace=None)
    assert world.objects() == []
    assert not world.custody.keys.has_tenant_key(world.tenant)
    types = [record["type"].removeprefix("dev.simulacra.") for record in world.audit()]
    assert [one for one in types if not one.startswith("job.")] == [
        "key.created",
        "resource.erased",
        "resource.erased",
        "key.destroyed",
        "tenant.erased",
    ]
    await _is_certified(world, tenant)


@pytest.mark.parametrize("part", ["store", "audit"])
async def test_a_failed_or_unrecorded_erasure_keeps_the_resource(world: World, part: str) -> None:
    await world.create_tenant()
    await world.upload("ds-1")
    await world.reaches(kube.DATASETS, "ds-1", ready)
    with blocked(world.operator.root / part):
        await world.cluster.delete(kube.DATASETS, "ds-1", world.namespace)
        kept = await world.reaches(kube.DATASETS, "ds-1", reason("ErasureBlocked"))
        assert kept["metadata"]["finalizers"]
        assert "wrappedKey" not in kept["status"]
    await world.gone(kube.DATASETS, "ds-1")
    assert world.objects() == []
    (record,) = [record for record in world.audit() if record["type"].endswith("resource.erased")]
    assert record["data"]["counts"]["objects"] == 3


@pytest.mark.parametrize("killed", [False, True])
async def test_a_key_created_without_audit_log_is_recorded_later(
    world: World, killed: bool
) -> None:
    async def said(text: str) -> bool:
        return text in world.operator.log.read_text()

    await world.until(lambda: said("leadership acquired"), 60, lambda: "it does not lead")
    with blocked(world.operator.root / "audit"):
        await world.create("Tenant", world.tenant, {})
        await world.until(lambda: said('"dependency": "AUDIT"'), 60, lambda: "no audit call failed")
        assert world.custody.keys.has_tenant_key(world.tenant)
        if killed:
            world.operator.end(signal.SIGKILL)
    if killed:
        world.operator.start()
    await world.reaches(kube.TENANTS, world.tenant, ready, namespace=None)
    records = [one for one in world.audit() if one["type"].endswith("key.created")]
    assert {one["data"]["tenant"] for one in records} == {world.tenant}
    assert len({one["id"] for one in records}) == 1


async def test_a_lost_key_is_reported_and_never_replaced(world: World) -> None:
    await world.create_tenant()
    world.operator.end()
    world.custody.keys.destroy_tenant_key(world.tenant)
    world.operator.start()
    check = await world.reaches(
        kube.TENANTS,
        world.tenant,
        lambda one: condition(one, "KeyReady")["status"] == "False",
        namespace=None,
    )
    assert condition(check, "KeyReady")["reason"] == "KeyCheckFailed"
    assert not world.custody.keys.has_tenant_key(world.tenant)


async def _settled_versions(world: World) -> dict[str, str]:
    """Return the versions once two seconds passed without a write: a loaded machine writes late."""
    found = await _versions(world)
    for _ in range(30):
        await asyncio.sleep(2)
        last, found = found, await _versions(world)
        if found == last:
            return found
    raise AssertionError("the operator keeps writing")


async def _written_by_a_restart(world: World) -> dict[str, str]:
    """Restart the operator; return what has another version after its first sweep."""
    assert world.operator.end() == 0
    before = await _versions(world)  # with what the operator still wrote while it ended
    world.operator.start()
    await world.until(lambda: _swept(world), 60, lambda: "no sweep completed")
    await asyncio.sleep(2)
    after = await _versions(world)
    assert after.keys() == before.keys()
    return {name: version for name, version in after.items() if version != before[name]}


async def test_a_restart_writes_nothing_and_nothing_secret_is_logged(
    plane: Plane, world: World
) -> None:
    await world.create_tenant()
    await world.upload("ds-1")
    await world.model("mdl-1", "ds-1", knowledge={"tiers": [[SECRET]]})
    conditions = {"categorical": {SECRET: {SECRET: 0.5}}}
    await world.generation("gen-1", "mdl-1", "ds-1", conditions=conditions)
    world.pods.plays["estimate"] = hold
    effect = {"modelRef": {"name": "mdl-1"}, "treatment": SECRET, "outcome": f"{SECRET}=x"}
    effect |= {"value": {"level": SECRET}, "baseline": {"number": 0}}
    await world.create("EffectEstimate", "eff-1", effect)
    await world.reaches(kube.GENERATION_JOBS, "gen-1", ready)
    await world.reaches(kube.EFFECT_ESTIMATES, "eff-1", _progress)
    if plane.real:  # its scheduler has no node, which is reported after ten seconds
        await world.reaches(kube.EFFECT_ESTIMATES, "eff-1", reason("PodNotStarting"))
    await _settled_versions(world)
    assert not await _written_by_a_restart(world)
    written = world.operator.log.read_text() + repr(
        [one async for one in world.cluster.list(kube.JOBS)]
    )
    written += repr([one async for one in world.cluster.list(kube.EVENTS)]) + repr(world.audit())
    for resource in (kube.MODELS, kube.GENERATION_JOBS, kube.EFFECT_ESTIMATES):
        async for one in world.cluster.list(resource, world.namespace):
            written += repr([one["status"], one["metadata"].get("annotations")])
    assert SECRET not in written


async def test_old_orphaned_objects_are_erased_and_new_ones_kept(world: World) -> None:
    await world.create_tenant()
    dataset = await world.upload("ds-1")
    await world.reaches(kube.DATASETS, "ds-1", ready)
    world.operator.end()
    for uid in ("gone-long-ago", "new"):
        ref = ResourceRef(world.tenant, "datasets", uid)
        world.custody.write(
            ref.artifact("upload"), world.custody.new_resource_key(ref), [b"orphan"]
        )
    (world.operator.root / "store" / "tenants" / "stray").write_bytes(b"of nobody")
    for path in world.operator.root.glob("store/**/*"):
        if path.is_file() and "/new/" not in str(path):
            os.utime(path, (0, 0))
    world.operator.start()

    async def swept() -> bool:
        return not any("gone-long-ago" in key for key in world.objects())

    await world.until(swept, 90, lambda: "the orphan still exists")
    assert {key.split("/")[3] for key in world.objects()} == {dataset["metadata"]["uid"], "new"}
    await world.until(lambda: _has_record(world, "orphans.swept"), 60, lambda: "no audit record")
    assert "unknown objects found in the store" in world.operator.log.read_text()
    assert (world.operator.root / "store" / "tenants" / "stray").exists(), (
        "an unknown object is reported, not erased"
    )


async def test_a_resource_without_the_finalizer_gets_it_first(world: World) -> None:
    await world.create_tenant()
    await world.create("Dataset", "ds-1", {}, finalizers=[])
    dataset = await world.reaches(kube.DATASETS, "ds-1", reason("AwaitingUpload"))
    assert dataset["metadata"]["finalizers"] == ["simulacra.dev/erasure"]
    annotations = dataset["metadata"].get("annotations", {})
    assert annotations == {}, "kopf stores nothing on the object"
    await world.cluster.delete(kube.DATASETS, "ds-1", world.namespace)
    await world.gone(kube.DATASETS, "ds-1")


async def test_an_outage_of_the_api_server_is_waited_out(world: World, plane: Plane) -> None:
    if plane.real:
        pytest.skip("stopping the real one takes its controllers along")
    await world.create_tenant()
    plane.stop("controlplane")
    await asyncio.sleep(12)
    plane.start("controlplane")
    await world.upload("ds-1")
    await world.reaches(kube.DATASETS, "ds-1", ready, seconds=60)
    assert world.operator.running
    assert world.operator.log.read_text().count('"started"') == 1


async def test_health_and_metrics_are_served(world: World) -> None:
    await world.create_tenant()
    await world.until(lambda: _swept(world), 60, lambda: "no sweep completed")
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{world.operator.port()}") as http:
        assert (await http.get("/livez")).json()["sweepAgeSeconds"] < 30

        async def settled() -> bool:
            return (
                'simulacra_reconcile_total{kind="Tenant",result="settled"}'
                in (await http.get("/metrics")).text
            )

        await world.until(settled, 60, lambda: "no pass settled")
        assert "simulacra_expired_not_erased 0.0" in (await http.get("/metrics")).text


def test_a_missing_setting_is_named_and_exits_2(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("SIMULACRA_")}
    command = [sys.executable, "-m", "simulacra_operator"]
    answer = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 2
    assert answer.stderr.startswith(
        "SIMULACRA_STORE is not set: set SIMULACRA_STORE to file:///absolute/path"
    )


async def _is_certified(world: World, tenant: Object) -> None:
    """Check the certificate of a tenant, which follows those of its resources."""
    kept, uid = open_certificates(world.operator.env), tenant["metadata"]["uid"]
    assert kept.find(uid, uid) == kept.entries(uid)[0], "it is the last one"
    stated = await world.certificate(uid, uid)
    assert (stated["kind"], stated["id"], stated["cause"]) == ("tenants", world.tenant, "deleted")
    assert stated["artefacts"] == []
    steps = ("created_at", "deletion_requested_at", "key_shredded_at", "verified_absent_at")
    times = [datetime.fromisoformat(stated[step]) for step in steps]
    assert times == sorted(times)


async def _has_record(world: World, kind: str) -> bool:
    return any(record["type"].endswith(kind) for record in world.audit())


async def _no_jobs(world: World) -> bool:
    return not await world.names(kube.JOBS)


async def _versions(world: World) -> dict[str, str]:
    """Return the resourceVersion of everything that the operator writes."""
    found: dict[str, str] = {}
    for resource in (
        *kube.CUSTOM.values(),
        kube.JOBS,
        kube.SERVICE_ACCOUNTS,
        kube.NETWORK_POLICIES,
    ):
        async for one in world.cluster.list(resource):
            found[f"{resource.kind}/{one['metadata']['name']}"] = one["metadata"]["resourceVersion"]
    return found


async def _swept(world: World) -> Object | None:
    try:
        async with httpx2.AsyncClient() as http:
            answer = await http.get(f"http://127.0.0.1:{world.operator.port()}/readyz")
    except httpx2.TransportError:
        return None
    return answer.json() if answer.status_code == 200 else None
