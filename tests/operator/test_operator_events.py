"""Kubernetes Events, `kubectl describe`, and pods that do not start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest

from operator_bench import Plane, World, hold, ready, reason
from operator_facts import (
    CREATED,
    NOW,
    SECRET,
    iso,
    job,
    observed,
    pod,
    ready_condition,
    resource,
)
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import ApiResource, Cluster, Object
from simulacra_crds.reasons import Reason
from simulacra_operator.observed.custom_resource import parse
from simulacra_operator.observed.pod_refusal import refusal
from simulacra_operator.runtime import events
from simulacra_operator.runtime.planner import RECONCILERS
from simulacra_operator.work import actions as act

reconcile = RECONCILERS["Dataset"]

DONE = {"type": "Prepared", "status": "True", "reason": "Prepared", "message": ""}


def patch(reason: str, message: str = "", *more: Object) -> Object:
    return {"conditions": [*more, {**ready_condition("False", reason), "message": message}]}


def test_the_end_of_the_work_has_its_own_event() -> None:
    told = events.content(parse(resource("Dataset", "ds-1")), patch("Ready", "", DONE))
    assert told == events.EventContent(
        "Normal", Reason.PREPARED, "The table is cleaned and ready for a model."
    )


def test_an_event_repeats_the_message_of_the_condition() -> None:
    told = events.content(
        parse(resource("Dataset", "ds-1")), patch("UploadInvalid", "the first line has no header")
    )
    assert told == events.EventContent(
        "Warning", Reason.UPLOAD_INVALID, "the first line has no header"
    )


@pytest.mark.parametrize(
    "waiting",
    ["AwaitingUpload", "AwaitingTenant", "AwaitingDataset", "AwaitingGivenRows", "AwaitingModel"],
)
def test_waiting_for_a_dependency_emits_no_event(waiting: str) -> None:
    assert events.content(parse(resource("Dataset", "ds-1")), patch(waiting)) is None


def test_an_unchanged_reason_emits_no_event() -> None:
    status = {"conditions": [ready_condition("False", "JobRunning")]}
    before = parse(resource("Dataset", "ds-1", None, status))
    assert events.content(before, patch("JobRunning")) is None
    assert events.content(before, {"progress": {"percent": 40}}) is None


def finding(*pods: Object) -> tuple[str, str]:
    """Return reason and message of Ready while a Job has these pods."""
    body = resource("Dataset", "ds-1", None, {"wrappedKey": "k"})
    (change,) = [
        one
        for one in reconcile(observed(body, job=job("Dataset", "j"), pods=pods))
        if isinstance(one, act.PatchStatus)
    ]
    found = next(one for one in change.patch["conditions"] if one["type"] == "Ready")
    return found["reason"], found.get("message", "")


def unfit(since: str) -> Object:
    one = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "lastTransitionTime": since,
    }
    return {
        "metadata": {},
        "status": {"conditions": [{**one, "message": "0/1 nodes: 1 Insufficient nvidia.com/gpu."}]},
    }


def test_an_unschedulable_pod_is_reported_after_ten_seconds() -> None:
    assert finding(unfit(iso(NOW))) == ("JobRunning", "")
    told = "No node fits a pod: 0/1 nodes: 1 Insufficient nvidia.com/gpu."
    assert finding(unfit(iso(CREATED))) == ("PodNotStarting", told)


def test_an_image_that_cannot_be_pulled_is_reported() -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
    reason, message = finding(
        {"metadata": {}, "status": {"containerStatuses": [{"state": waiting}]}}
    )
    assert (reason, "ImagePullBackOff" in message) == ("PodNotStarting", True)
    waiting["waiting"] = {"reason": "ErrImagePull", "message": "not found"}
    tried = finding({"metadata": {}, "status": {"containerStatuses": [{"state": waiting}]}})
    assert tried == (reason, message), "the kubelet alternates between both"


def started(since: datetime, **fields: Any) -> Object:
    """Return a running Job that was started then."""
    one = job("Dataset", "ds-1-prepare", namespace="tenant-acme")
    one["status"] = {"startTime": iso(since), "conditions": []}
    return one | fields


def without_pod(refusal: str, since: datetime = CREATED) -> tuple[str, str]:
    body = resource("Dataset", "ds-1", None, {"wrappedKey": "k"})
    seen = observed(body, job=started(since), refusal=refusal)
    (change,) = [one for one in reconcile(seen) if isinstance(one, act.PatchStatus)]
    found = next(one for one in change.patch["conditions"] if one["type"] == "Ready")
    return found["reason"], found.get("message", "")


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (
            'pods "ds-1-0" is forbidden: exceeded quota: simulacra, requested: pods=1, used: ...',
            "the ResourceQuota simulacra has no room",
        ),
        (
            'pods "ds-1-0" is forbidden: no PriorityClass with name night was found',
            "the PriorityClass night does not exist",
        ),
        (
            f'admission webhook "pods.policy.example" denied the request: env {SECRET}',
            "the admission webhook pods.policy.example denies it",
        ),
        (f"{SECRET} in words of another cluster", "quota, priority class or admission may refuse"),
        ("", "quota, priority class or admission may refuse"),
    ],
)
def test_a_job_without_a_pod_is_reported_with_the_known_cause(said: str, cause: str) -> None:
    assert without_pod(said, NOW) == ("JobRunning", ""), "a Job needs a moment for its pods"
    reason, message = without_pod(said)
    assert (reason, cause in message, SECRET in message) == ("PodNotStarting", True, False)
    assert "kubectl describe job ds-1-prepare -n tenant-acme" in message


async def test_the_event_of_a_job_without_a_pod_is_read_and_only_then() -> None:
    asked: list[str] = []

    class Events:
        async def list(self, api: ApiResource, namespace: str, **at: str) -> AsyncIterator[Object]:
            asked.append(f"{api.plural} {namespace} {at}")
            yield {"reason": "SuccessfulCreate", "lastTimestamp": "2", "message": "created"}
            yield {"reason": "FailedCreate", "lastTimestamp": "1", "message": "exceeded quota: q"}

    cluster = cast("Cluster", Events())
    assert await refusal(cluster, started(NOW), (), NOW) == ""
    assert await refusal(cluster, started(CREATED), (pod(),), NOW) == ""
    assert asked == []
    assert await refusal(cluster, started(CREATED), (), NOW) == "exceeded quota: q"
    assert asked == ["events tenant-acme {'fields': 'involvedObject.uid=uid-job'}"]


@pytest.mark.parametrize(
    ("sandbox", "cause"), [("False", "no sandbox or volume"), ("True", "image is being pulled")]
)
def test_a_container_that_is_long_in_creation_is_reported(sandbox: str, cause: str) -> None:
    def creating(since: datetime) -> Object:
        ready = {"type": "PodReadyToStartContainers", "status": sandbox}
        waiting = {"state": {"waiting": {"reason": "ContainerCreating"}}}
        meta = {"name": "ds-1-0", "namespace": "tenant-acme"}
        status = {"startTime": iso(since), "conditions": [ready], "containerStatuses": [waiting]}
        return {"metadata": meta, "status": status}

    assert finding(creating(NOW)) == ("JobRunning", "")
    reason, message = finding(creating(CREATED))
    assert (reason, cause in message) == ("PodNotStarting", True)
    assert "kubectl describe pod ds-1-0 -n tenant-acme" in message


def complete(at: str) -> Object:
    done = job("Dataset", "j", "complete")
    done["status"]["completionTime"] = at
    return done


def test_a_lost_result_is_computed_once_more() -> None:
    body = resource("Dataset", "ds-1", None, {"wrappedKey": "k"})
    first = reconcile(observed(body, job=complete(iso(CREATED))))
    assert [type(one).__name__ for one in first] == [
        "RecordJob",
        "LogFailure",
        "PatchStatus",
        "DeleteJob",
    ]
    assert isinstance(first[2], act.PatchStatus)
    body["status"] |= first[2].patch
    assert [
        type(one).__name__ for one in reconcile(observed(body, job=complete(iso(CREATED))))
    ] == ["DeleteJob"]
    again = reconcile(observed(body, job=complete(iso(NOW))))
    assert [type(one).__name__ for one in again] == [
        "DiscardArtifacts",
        "RecordJob",
        "LogFailure",
        "PatchStatus",
        "DeleteJob",
    ]


def test_a_pod_without_a_result_is_an_internal_error() -> None:
    body = resource("Dataset", "ds-1", None, {"wrappedKey": "k"})
    actions = reconcile(observed(body, job=complete(iso(NOW)), pods=(pod(),)))
    assert isinstance(actions[2], act.LogFailure)


@pytest.mark.timeout(600)
async def test_kubectl_describe_shows_each_event_once(world: World, plane: Plane) -> None:
    await world.create_tenant()
    await world.upload("ds-1", suspend=True)
    world.pods.plays["prepare"] = hold
    await world.reaches(kube.DATASETS, "ds-1", reason("Suspended"))
    for suspend, then in ((False, "JobRunning"), (True, "Suspended"), (False, "JobRunning")):
        await world.cluster.patch(
            kube.DATASETS, "ds-1", {"spec": {"suspend": suspend}}, world.namespace
        )
        await world.reaches(kube.DATASETS, "ds-1", reason(then))
    world.pods.plays.clear()
    await world.reaches(kube.DATASETS, "ds-1", ready)
    shown = _kubectl(plane, "describe", "dataset", "ds-1", "-n", world.namespace)
    story = shown.partition("Events:")[2]
    assert "The table is cleaned and ready for a model." in story
    listed = [
        one async for one in world.cluster.list(kube.EVENTS, world.namespace) if _is_ours(one)
    ]
    counts = {one["reason"]: one["count"] for one in listed}
    assert counts.keys() >= {"Suspended", "JobRunning", "Prepared"}
    assert counts["Suspended"] == 2
    assert len(listed) == len(counts), "equal Events are one object"
    about = _kubectl(plane, "describe", "tenant", world.tenant).partition("Events:")[2]
    assert "All conditions are True." in about


def _is_ours(event: Object) -> bool:
    return bool(event.get("source", {}).get("component") == events.COMPONENT)


def _kubectl(plane: Plane, *arguments: str) -> str:
    command = [
        str(Path(sys.executable).with_name("kubectl")),
        "--kubeconfig",
        str(plane.kubeconfig),
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
