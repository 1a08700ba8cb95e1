"""Completions: gates of two Datasets, keys and label, audit records, and what erasing takes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from operator_bench import World, condition, hold, ready, reason
from operator_facts import (
    CREATED,
    LABELS,
    NOW,
    SECRET,
    ended,
    iso,
    job,
    observed,
    pod,
    resource,
    result,
    without_pods_say,
)
from simulacra_crds.kinds.base import LABEL_DATASET, LABEL_GIVEN
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Object
from simulacra_crds.tasks import TASK_ENV, GenerateRequest, TaskSpec
from simulacra_operator.observed.custom_resource import CustomResource, parse
from simulacra_operator.observed.observe import Observed
from simulacra_operator.runtime.planner import RECONCILERS
from simulacra_operator.runtime.resource_state import sources_of
from simulacra_operator.work import actions as act
from simulacra_operator.work import erasure

reconcile = RECONCILERS["GenerationJob"]
SPEC = {
    "modelRef": {"name": "mdl-1"},
    "given": {"datasetRef": {"name": "ds-2"}, "columns": [SECRET], "implicates": 5},
    "seed": 3,
}
OWN = {"modelRef": {"name": "mdl-1"}, "given": {}}
BOTH = {**LABELS, LABEL_GIVEN: "ds-2"}


def rows(**spec: Any) -> CustomResource:
    """Return a Dataset with given rows that were read."""
    status = {**ended("Dataset", "ds-2").status.to_wire(), "rows": 30}
    return parse(resource("Dataset", "ds-2", {"purpose": "Given", **spec}, status, uid="uid-2"))


def asked(status: Object | None = None, *, spec: Object = SPEC, **facts: Any) -> Observed:
    labels = BOTH if spec is SPEC else LABELS
    meta = facts.pop("meta", {"labels": labels})
    known = {"model": ended("Model", "mdl-1"), "dataset": ended("Dataset", "ds-1")}
    known["given"] = rows() if spec is SPEC else None
    body = resource("GenerationJob", "gen-1", spec, status or {"wrappedKey": "key"}, **meta)
    return observed(body, **{**known, **facts})


def gate(seen: Observed) -> tuple[str, str]:
    """Return status and reason of the gate."""
    patches = [one.patch for one in reconcile(seen) if isinstance(one, act.PatchStatus)]
    found = next(one for one in patches[0]["conditions"] if one["type"] == "ModelReady")
    return found["status"], found["reason"]


def started(seen: Observed) -> tuple[GenerateRequest, TaskSpec]:
    """Return the request and the task of the pod that is started."""
    actions = reconcile(seen)
    assert SECRET not in without_pods_say(actions)
    (written,) = [one for one in actions if isinstance(one, act.WriteRequest)]
    (made,) = [one for one in actions if isinstance(one, act.CreateJob)]
    pods = made.manifest["spec"]["template"]["spec"]["containers"][0]["env"]
    task = next(one["value"] for one in pods if one["name"] == TASK_ENV)
    return GenerateRequest.model_validate_json(written.content), TaskSpec.model_validate_json(task)


def test_the_pod_gets_the_keys_of_the_model_and_of_the_given_rows() -> None:
    request, task = started(asked())
    assert request.given is not None
    assert (request.given.columns, request.given.implicates, request.seed) == ([SECRET], 5, 3)
    assert task.model is not None
    assert task.given is not None
    assert (task.given.kind, task.given.uid) == ("datasets", "uid-2")
    assert (task.given.wrapped_key, task.shards) == ("key-of-ds-2", 1)


@pytest.mark.parametrize("spec", [OWN, {**OWN, "given": {"datasetRef": {"name": "ds-1"}}}])
def test_the_models_own_rows_need_no_other_key(spec: Object) -> None:
    labels = {**LABELS, LABEL_GIVEN: "ds-1"} if spec["given"] else LABELS
    request, task = started(asked(spec=spec, meta={"labels": labels}))
    assert request.given is not None
    assert task.given is None


def test_the_read_is_recorded_with_the_uid_of_the_given_rows_before_the_job() -> None:
    kinds = [type(one) for one in reconcile(asked())]
    assert kinds.index(act.RecordGiven) < kinds.index(act.CreateJob)
    assert act.RecordGiven("uid-2", 30) in reconcile(asked())
    own = [one for one in reconcile(asked(spec=OWN)) if isinstance(one, act.RecordGiven)]
    assert [one.uid for one in own] == ["uid-ds-1"]


def unread(**meta: Any) -> CustomResource:
    return parse(resource("Dataset", "ds-2", {"purpose": "Given"}, {}, uid="uid-2", **meta))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, ("False", "AwaitingGivenRows")),
        (unread(), ("False", "AwaitingGivenRows")),
        (unread(deletionTimestamp=iso(NOW)), ("False", "AwaitingGivenRows")),
        (ended("Dataset", "ds-2", well=False), ("False", "RequestInvalid")),
        (ended("Dataset", "ds-2"), ("False", "RequestInvalid")),
    ],
)
def test_the_gate_waits_for_given_rows_and_refuses_others(
    given: CustomResource | None, found: tuple[str, str]
) -> None:
    assert gate(asked(given=given)) == found
    assert not [one for one in reconcile(asked(given=given)) if isinstance(one, act.CreateJob)]


def test_given_rows_that_could_not_be_read_fail_the_completion() -> None:
    status = ended("Dataset", "ds-2", well=False).status.to_wire()
    given = parse(resource("Dataset", "ds-2", {"purpose": "Given"}, status))
    assert gate(asked(given=given)) == ("False", "DatasetFailed")


def test_given_rows_that_expire_end_the_work_before_they_are_erased() -> None:
    late = iso(CREATED + timedelta(seconds=61))
    spec = {"purpose": "Given", "retentionSeconds": 60}
    body = resource("Dataset", "ds-2", spec, {}, deletionTimestamp=late, uid="uid-2")
    given = parse(body)
    assert gate(asked(given=given)) == ("False", "Expired")
    ends = reconcile(asked(given=given, job=job("", "j")))
    assert [type(one) for one in ends] == [act.PatchStatus, act.DeleteJob]
    running = parse(resource("GenerationJob", "gen-1", SPEC, labels=BOTH))
    (waits,) = erasure.reconcile(observed(body, dependants=(running,)))
    assert isinstance(waits, act.PatchStatus)
    finished = ended("GenerationJob", "gen-1", labels=BOTH)
    spared = erasure.reconcile(observed(body, dependants=(finished,)))
    assert isinstance(spared[-1], act.ReleaseFinalizer)


def test_a_completion_of_own_rows_does_not_hold_up_their_expiry() -> None:
    """Without its Model nothing else ends it, and the Dataset would never be erased."""
    late = iso(CREATED + timedelta(seconds=61))
    body = resource("Dataset", "ds-1", {"retentionSeconds": 60}, {}, deletionTimestamp=late)
    labels = {**LABELS, LABEL_GIVEN: "ds-1"}
    waiting = parse(resource("GenerationJob", "gen-1", OWN, labels=labels))
    gone = erasure.reconcile(observed(body, dependants=(waiting,)))
    assert [one.key.name for one in gone if isinstance(one, act.DeleteResource)] == ["gen-1"]


def test_a_deletion_of_the_given_rows_takes_the_completion() -> None:
    body = resource("Dataset", "ds-2", {"purpose": "Given"}, {}, deletionTimestamp=iso(NOW))
    finished = ended("GenerationJob", "gen-1", labels=BOTH)
    gone = erasure.reconcile(observed(body, dependants=(finished,)))
    assert [one.key.name for one in gone if isinstance(one, act.DeleteResource)] == ["gen-1"]


def test_a_completion_made_with_kubectl_gets_both_labels() -> None:
    model = parse(resource("Model", "mdl-1", None, ended("Model", "mdl-1").status.to_wire()))
    (patch,) = reconcile(asked(meta={"labels": {}}, model=model))
    assert patch == act.PatchMeta({"labels": {LABEL_GIVEN: "ds-2", LABEL_DATASET: "ds-1"}})


def test_changes_of_the_given_rows_wake_the_completion() -> None:
    assert {one.name for one in sources_of(asked())} == {"acme", "mdl-1", "ds-2"}


def test_the_status_has_numbers_only() -> None:
    figures = {"rows": 30, "implicates": 5, "gaps": 9, "filled": 8, "leastWorth": 12.5}
    done = pod(result=result(rows=45, given=figures))
    running = asked(job=job("", "j", "complete"), pods=(done,))
    patches = [one.patch for one in reconcile(running) if isinstance(one, act.PatchStatus)]
    assert patches[-1]["given"] == figures
    assert patches[-1]["rows"] == 45
    assert "verdicts" not in patches[-1]


def test_no_model_is_fit_on_given_rows() -> None:
    owner = [{"kind": "Dataset", "name": "ds-2", "uid": "uid-2"}]
    spec, meta = {"datasetRef": {"name": "ds-2"}}, {"labels": {LABEL_DATASET: "ds-2"}}
    status = {"wrappedKey": "key"}
    body = resource("Model", "mdl-1", spec, status, ownerReferences=owner, **meta)
    actions = RECONCILERS["Model"](observed(body, dataset=rows()))
    text = without_pods_say(actions)
    assert "RequestInvalid" in text
    assert not [one for one in actions if isinstance(one, act.CreateJob)]


async def _complete(world: World, **spec: Any) -> None:
    await world.create_tenant()
    await world.upload("ds-1")
    await world.model("mdl-1", "ds-1")
    await world.upload("ds-2", purpose="Given", **spec)
    await world.completion("gen-1", "mdl-1", "ds-1", "ds-2")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("erased", ["ds-1", "ds-2"])
async def test_erasing_either_dataset_takes_the_completion_and_certifies_it(
    world: World, erased: str
) -> None:
    await _complete(world)
    await world.reaches(kube.GENERATION_JOBS, "gen-1", ready)
    uid = (await world.cluster.get(kube.GENERATION_JOBS, "gen-1", world.namespace))["metadata"]
    await world.cluster.delete(kube.DATASETS, erased, world.namespace)
    await world.gone(kube.DATASETS, erased)
    await world.gone(kube.GENERATION_JOBS, "gen-1")
    assert not [one for one in world.objects() if uid["uid"] in one]
    other = "ds-2" if erased == "ds-1" else "ds-1"
    await world.cluster.delete(kube.DATASETS, other, world.namespace)
    await world.gone(kube.DATASETS, other)
    assert world.objects() == []
    tenant = (await world.cluster.get(kube.TENANTS, world.tenant))["metadata"]["uid"]
    for name in ("gen-1", "ds-1", "ds-2"):
        assert (await world.certificate(tenant, name))["cause"] == "deleted"


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_completion_that_runs_when_its_rows_expire_ends_with_a_reason(
    world: World,
) -> None:
    world.pods.plays["generate"] = hold
    await _complete(world)
    await world.reaches(kube.GENERATION_JOBS, "gen-1", reason("JobRunning"))
    short: Object = {"spec": {"retentionSeconds": 10}}
    await world.cluster.patch(kube.DATASETS, "ds-2", short, world.namespace)
    done = await world.reaches(kube.GENERATION_JOBS, "gen-1", reason("Expired"), seconds=60)
    assert condition(done, "Ready")["reason"] == "Expired"
    await world.gone(kube.DATASETS, "ds-2", seconds=60)
    assert ready(await world.cluster.get(kube.MODELS, "mdl-1", world.namespace))
