"""Kubernetes Events, `kubectl describe`, and pods that do not start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from operator_bench import Plane, World, hold, ready, reason
from operator_facts import CREATED, NOW, iso, job, observed, pod, ready_condition, resource
from simulacra_crds.contract.reasons import Reason
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Object
from simulacra_operator.kinds.dataset import reconcile
from simulacra_operator.runtime import events
from simulacra_operator.work import actions as act
from simulacra_operator.work.custom_resource import parse

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
    "waiting", ["AwaitingUpload", "AwaitingTenant", "AwaitingDataset", "AwaitingModel"]
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


def complete(at: str) -> Object:
    done = job("Dataset", "j", "complete")
    done["status"]["completionTime"] = at
    return done


def test_a_lost_result_is_computed_once_more() -> None:
    body = resource("Dataset", "ds-1", None, {"wrappedKey": "k"})
    first = reconcile(observed(body, job=complete(iso(CREATED))))
    assert [type(one).__name__ for one in first] == ["PatchStatus", "DeleteJob"]
    assert isinstance(first[0], act.PatchStatus)
    body["status"] |= first[0].patch
    assert [
        type(one).__name__ for one in reconcile(observed(body, job=complete(iso(CREATED))))
    ] == ["DeleteJob"]
    again = reconcile(observed(body, job=complete(iso(NOW))))
    assert [type(one).__name__ for one in again] == [
        "DiscardArtifacts",
        "LogFailure",
        "PatchStatus",
        "DeleteJob",
    ]


def test_a_pod_without_a_result_is_an_internal_error() -> None:
    body = resource("Dataset", "ds-1", None, {"wrappedKey": "k"})
    actions = reconcile(observed(body, job=complete(iso(NOW)), pods=(pod(),)))
    assert isinstance(actions[1], act.LogFailure)


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
