"""Jobs with several workers, node placement, priorities and Kueue queues."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from typing import Any

import pytest

from operator_bench import World, hold
from operator_bench import ready as is_ready
from operator_facts import (
    LABELS,
    SETTINGS,
    SmallWorld,
    ended,
    job,
    observed,
    pod,
    resource,
    result,
    tenant,
)
from simulacra_crds.kinds.model import ModelResources, ModelSpec
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Object
from simulacra_crds.tasks import TaskSpec
from simulacra_operator.observed.observe import Observed
from simulacra_operator.observed.placement import Placement
from simulacra_operator.runtime.job_slots import holds_slot
from simulacra_operator.runtime.planner import RECONCILERS
from simulacra_operator.settings import OperatorSettingsError, Settings, read_settings
from simulacra_operator.work import actions as act

reconcile = RECONCILERS["Model"]
OWNER = [{"kind": "Dataset", "name": "ds-1", "uid": "uid-ds-1"}]
QUEUED = replace(SETTINGS, placement=Placement(ModelResources(), "jobs"))

NOTHING: Object = {}


def model(
    settings: Settings = SETTINGS,
    *,
    suspend: bool = False,
    resources: Object = NOTHING,
    **facts: Any,
) -> Observed:
    spec = {
        "datasetRef": {"name": "ds-1"},
        "family": "neural",
        "suspend": suspend,
        "resources": resources,
    }
    body = resource(
        "Model", "mdl-1", spec, {"wrappedKey": "key"}, labels=LABELS, ownerReferences=OWNER
    )
    return observed(body, **{"settings": settings, "dataset": ended("Dataset", "ds-1"), **facts})


def made(seen: Observed) -> Object:
    (one,) = [action.manifest for action in reconcile(seen) if isinstance(action, act.CreateJob)]
    return one


def ready(actions: list[act.Action]) -> tuple[str, str]:
    (patch,) = [one.patch for one in actions if isinstance(one, act.PatchStatus)]
    return patch["phase"], next(
        one["reason"] for one in patch["conditions"] if one["type"] == "Ready"
    )


def shared_job(state: str = "running", workers: int = 2, **labels: str) -> Object:
    one = job("Model", "mdl-1-fit", state, shards=workers, namespace="tenant-acme")
    one["metadata"]["labels"] |= {"simulacra.dev/workers": str(workers), **labels}
    return one


def queued_job(state: str) -> Object:
    one = job("Model", "mdl-1-fit", state)
    one["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = "jobs"
    return one


def test_several_workers_are_one_job_whose_pods_know_the_leader() -> None:
    manifest = made(model(resources={"workers": 4, "gpu": 1, "memory": "3Gi"}))
    spec, name = manifest["spec"], manifest["metadata"]["name"]
    assert (spec["completions"], spec["parallelism"], spec["completionMode"]) == (4, 4, "Indexed")
    assert spec["backoffLimit"] == 12
    inside = spec["template"]["spec"]
    assert inside["subdomain"] == name
    assert inside["securityContext"]["sysctls"] == [
        {"name": "net.ipv4.ip_local_port_range", "value": "29501 29999"}
    ]
    (container,) = inside["containers"]
    env = {one["name"]: one["value"] for one in container["env"]}
    assert (env["MASTER_ADDR"], env["MASTER_PORT"]) == (f"{name}-0.{name}.tenant-acme.svc", "29500")
    assert len(f"{name}-7") <= 63
    assert TaskSpec.model_validate_json(env["SIMULACRA_TASK"]).shards == 4
    assert container["resources"]["limits"] == {"memory": "3Gi", "nvidia.com/gpu": "1"}
    assert spec["template"]["metadata"]["labels"]["simulacra.dev/workers"] == "4"


def test_a_single_worker_has_no_leader_settings() -> None:
    manifest = made(model())
    inside = manifest["spec"]["template"]["spec"]
    assert "subdomain" not in inside
    assert "sysctls" not in inside["securityContext"]
    assert "simulacra.dev/workers" not in manifest["metadata"]["labels"]
    assert not {"MASTER_ADDR", "MASTER_PORT"} & {
        one["name"] for one in inside["containers"][0]["env"]
    }


def test_the_service_of_a_job_is_created_once_and_owned_by_it() -> None:
    (action,) = [
        one for one in reconcile(model(job=shared_job())) if isinstance(one, act.CreateService)
    ]
    service = action.manifest
    assert service["metadata"]["name"] == "mdl-1-fit"
    assert [(one["kind"], one["uid"]) for one in service["metadata"]["ownerReferences"]] == [
        ("Job", "uid-job")
    ]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"batch.kubernetes.io/controller-uid": "uid-job"}
    for seen in (
        model(job=shared_job(), service=service),
        model(job=job("Model", "mdl-1-fit")),
        model(
            job={
                **shared_job(),
                "metadata": {
                    **shared_job()["metadata"],
                    "deletionTimestamp": "2026-03-01T12:00:00Z",
                },
            }
        ),
    ):
        assert not [one for one in reconcile(seen) if isinstance(one, act.CreateService)]


def test_the_first_workers_result_counts() -> None:
    said = result(family="neural", figures={"fidelity": 0.9}, artefacts=[])
    seen = model(job=shared_job("complete"), pods=(pod(index=0, result=said), pod(index=1)))
    actions = reconcile(seen)
    assert ready(actions) == ("Ready", "Ready")
    (patch,) = (one.patch for one in actions if isinstance(one, act.PatchStatus))
    assert patch["verdicts"] == dict.fromkeys(("likeness", "privacy", "worth"), "unknown")
    without = model(job=shared_job("complete"), pods=(pod(index=0), pod(index=1, result=said)))
    assert ready(reconcile(without)) == ("Failed", "Internal")


def test_the_failure_is_that_of_the_first_failed_worker() -> None:
    lost = pod(
        44,
        index=0,
        result={"outcome": "Failed", "reason": "Internal", "message": "Another worker ended."},
    )
    killed = pod(137, index=1, reason="OOMKilled", ago=5)
    actions = reconcile(model(job=shared_job("failed"), pods=(lost, killed)))
    assert ready(actions) == ("Failed", "OutOfMemory")


def test_a_model_extends_the_placement_and_overrides_the_priority() -> None:
    env = {
        "SIMULACRA_POD_PLACEMENT": json.dumps(
            {
                "nodeSelector": {"pool": "jobs", "zone": "a"},
                "tolerations": [{"key": "x"}],
                "priorityClass": "low",
            }
        )
    }
    settings = replace(SETTINGS, placement=read_settings(env).placement)
    plain = made(model(settings))["spec"]["template"]["spec"]
    assert plain["nodeSelector"] == {"pool": "jobs", "zone": "a"}
    assert plain["tolerations"] == [{"key": "x", "operator": "Equal"}]
    assert plain["priorityClassName"] == "low"
    own = {"gpu": 1, "nodeSelector": {"zone": "b"}, "priorityClass": "high"}
    own["tolerations"] = [{"key": "y", "operator": "Exists", "effect": "NoExecute"}]
    asked = made(model(settings, resources=own))["spec"]["template"]["spec"]
    assert asked["nodeSelector"] == {"pool": "jobs", "zone": "b"}
    assert asked["priorityClassName"] == "high"
    assert asked["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "x", "operator": "Equal"},
        {"key": "y", "operator": "Exists", "effect": "NoExecute"},
    ]


def test_pod_requests_what_its_model_says_else_the_installation() -> None:
    requests = {"fit": {"cpu": "2", "memory": ""}, "estimate": {"memory": "1Gi"}}
    env = {"SIMULACRA_POD_REQUESTS": json.dumps(requests)}
    settings = replace(SETTINGS, placement=read_settings(env).placement)

    def requested(**own: str) -> Any:
        pod = made(model(settings, resources=own))["spec"]["template"]["spec"]
        return pod["containers"][0]["resources"]["requests"]

    assert requested() == {"cpu": "2", "memory": "1Gi"}
    assert requested(cpu="500m", memory="2Gi") == {"cpu": "500m", "memory": "2Gi"}


@pytest.mark.parametrize(
    "value",
    [
        "pool=jobs",
        "[]",
        '{"gpu": 1}',
        '{"nodeSelector": "jobs"}',
        '{"priorityClass": "system-node-critical"}',
    ],
)
def test_a_malformed_placement_is_named(value: str) -> None:
    with pytest.raises(
        OperatorSettingsError, match="SIMULACRA_POD_PLACEMENT is malformed: set it to a JSON object"
    ):
        read_settings({"SIMULACRA_POD_PLACEMENT": value})


@pytest.mark.parametrize(
    "value",
    [
        "fit",
        '["fit"]',
        '{"fits": {"cpu": "1"}}',
        '{"fit": {"gpu": "1"}}',
        '{"fit": {"cpu": "half"}}',
        '{"fit": {"memory": "64Gi"}}',
        '{"fit": {"memory": 64}}',
        '{"fit": "1"}',
    ],
)
def test_malformed_requests_are_named(value: str) -> None:
    with pytest.raises(OperatorSettingsError, match="SIMULACRA_POD_REQUESTS is malformed: set it"):
        read_settings({"SIMULACRA_POD_REQUESTS": value})


def test_empty_chart_values_are_no_placement() -> None:
    empty = {
        "SIMULACRA_POD_PLACEMENT": '{"nodeSelector":{},"priorityClass":"","tolerations":[]}',
        "SIMULACRA_KUEUE_QUEUE": "",
    }
    assert (
        read_settings(empty).placement == read_settings({}).placement == Placement(ModelResources())
    )
    assert read_settings({"SIMULACRA_KUEUE_QUEUE": "jobs"}).placement.queue == "jobs"


def test_a_queued_job_is_created_suspended_and_reported() -> None:
    actions = reconcile(model(QUEUED))
    (one,) = [action.manifest for action in actions if isinstance(action, act.CreateJob)]
    assert one["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "jobs"
    assert one["spec"]["suspend"] is True
    assert ready(actions) == ("Pending", "QueuedByKueue")
    waiting = reconcile(model(QUEUED, job=queued_job("suspended")))
    assert ready(waiting) == ("Pending", "QueuedByKueue")
    assert not [action for action in waiting if isinstance(action, act.SuspendJob)], (
        "only Kueue resumes it"
    )
    assert ready(reconcile(model(QUEUED, job=queued_job("running")))) == ("Running", "JobRunning")


def test_what_kueue_never_admits_is_told_in_its_words() -> None:
    said = (
        "couldn't assign flavors to pod set main: insufficient quota for nvidia.com/gpu in flavor "
        "any, request > maximum capacity (3 > 2)"
    )
    (change,) = [
        one.patch
        for one in reconcile(model(QUEUED, job=queued_job("suspended"), refusal=said))
        if isinstance(one, act.PatchStatus)
    ]
    found = next(one for one in change["conditions"] if one["type"] == "Ready")
    assert (found["reason"], said in found["message"]) == ("PodNotStarting", True)
    waits = (
        "couldn't assign flavors: insufficient unused quota for cpu in flavor any, 1 more needed"
    )
    actions = reconcile(model(QUEUED, job=queued_job("suspended"), refusal=waits))
    assert ready(actions) == ("Pending", "QueuedByKueue")


def test_a_queued_job_holds_a_slot_until_it_ended() -> None:
    assert holds_slot(queued_job("suspended"))
    assert holds_slot(queued_job("running"))
    assert not holds_slot(queued_job("complete"))
    assert not holds_slot(job("Model", "mdl-1-fit", "suspended"))


@pytest.mark.parametrize("state", ["suspended", "running"])
def test_suspending_removes_a_job_from_the_queue_until_it_resumes(state: str) -> None:
    actions = reconcile(model(QUEUED, suspend=True, job=queued_job(state)))
    assert ready(actions) == ("Suspended", "Suspended")
    (going,) = [one for one in actions if isinstance(one, act.DeleteJob)]
    assert (going.uid, going.wait) == ("uid-job", True)
    assert ready(reconcile(model(QUEUED, suspend=True))) == ("Suspended", "Suspended")
    assert made(model(QUEUED))["spec"]["suspend"] is True


def test_a_suspended_tenants_jobs_leave_the_queue() -> None:
    actions = reconcile(model(QUEUED, tenant=tenant(suspend=True), job=queued_job("running")))
    assert [type(one) for one in actions if not isinstance(one, act.PatchStatus)] == [act.DeleteJob]


def test_a_distributed_fit_settles() -> None:
    body = resource("Model", "mdl-1", None, {}, labels=LABELS, ownerReferences=OWNER)
    body["spec"] |= {"family": "neural", "resources": {"workers": 2}}
    world = SmallWorld(body, dataset=ended("Dataset", "ds-1"))
    taken = []
    for _ in range(8):
        actions = reconcile(world.seen())
        taken += [type(one).__name__ for one in actions]
        for action in actions:
            world.apply(action)
    assert reconcile(world.seen()) == []
    created = [name for name in taken if name.startswith("Create")]
    assert created == ["CreateKey", "CreateJob", "CreateService"]


def test_the_number_of_workers_must_divide_a_batch() -> None:
    with pytest.raises(ValueError, match=r"resources\.workers"):
        ModelSpec.model_validate(
            {"datasetRef": {"name": "ds-1"}, "family": "neural", "resources": {"workers": 3}}
        )
    with pytest.raises(ValueError, match="needs family neural"):
        ModelSpec.model_validate({"datasetRef": {"name": "ds-1"}, "resources": {"workers": 2}})


@pytest.mark.reliability
async def test_a_missing_service_is_recreated_and_deleted_with_its_job(world: World) -> None:
    """As after a crash of the operator between Job and Service."""
    await world.create_tenant()
    world.pods.plays["fit"] = hold
    await world.upload("ds-1")
    await world.model("mdl-1", "ds-1", family="neural", resources={"workers": 2})

    async def services() -> list[str]:
        return await world.names(kube.SERVICES)

    (name,) = await world.until(services, 90, lambda: "no Service exists")
    assert await world.names(kube.JOBS) == [name]
    world.operator.end(signal.SIGKILL)
    await world.cluster.delete(kube.SERVICES, name, world.namespace)
    world.operator.start()
    assert await world.until(services, 90, lambda: "no Service after the restart") == [name]
    world.pods.plays.clear()
    await world.reaches(kube.MODELS, "mdl-1", is_ready)

    async def gone() -> bool:
        return not await services()

    await world.until(gone, 90, lambda: "the Service outlived its Job")
