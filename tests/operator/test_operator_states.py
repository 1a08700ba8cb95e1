"""Every small state of the pure reconcilers settles in few steps, without a forbidden one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from operator_facts import (
    CREATED,
    LABELS,
    MODEL_OWNER,
    NOW,
    SECRET,
    UID,
    SmallWorld,
    ended,
    iso,
    job,
    pod,
    ready_condition,
    renamed,
    resource,
    result,
    tenant,
    without_pods_say,
)
from simulacra_operator.observed.custom_resource import CustomResource, parse
from simulacra_operator.observed.observe import Fault, Observed
from simulacra_operator.runtime.planner import RECONCILERS
from simulacra_operator.work import actions as act
from simulacra_operator.work import erasure

STEPS = 6
STATUS: dict[str, dict[str, Any]] = {
    "fresh": {},
    "running": {"phase": "Running", "conditions": [ready_condition("False", "JobRunning")]},
    "ended": {
        "phase": "Ready",
        "conditions": [ready_condition("True")],
        "finishedAt": iso(CREATED),
    },
}
NAMES = {
    "Dataset": "ds-1",
    "Model": "mdl-1",
    "GenerationJob": "gen-1",
    "EffectEstimate": "eff-1",
    "SegmentEstimate": "seg-1",
    "AnswerSheet": "sht-1",
}


def _jobs(name: str) -> dict[str, dict[str, Any]]:
    good, bad = (
        (pod(0, result=result(rows=1, columns=1)),),
        (pod(42, result={**result(), "reason": "UploadInvalid"}),),
    )
    return {
        "none": {"job": None},
        "running": {"job": job("", name)},
        "suspended": {"job": job("", name, "suspended")},
        "retrying": {"job": job("", name), "pods": (pod(1),)},
        "complete": {"job": job("", name, "complete"), "pods": good},
        "mute": {"job": job("", name, "complete")},
        "failed": {"job": job("", name, "failed"), "pods": bad},
        "late": {"job": job("", name, "late")},
        "going": {"job": job("", name, deletionTimestamp=iso(NOW))},
        "foreign": {"job": job("", name, uid="uid-other")},
    }


def _upstream(kind: str) -> list[dict[str, Any]]:
    if kind == "Dataset":
        return [{}]
    field, of = (
        ("dataset", ended("Dataset", "ds-1"))
        if kind == "Model"
        else ("model", ended("Model", "mdl-1"))
    )
    failed = ended(of.kind, of.meta.name, well=False)
    return [
        {field: None},
        {field: of},
        {field: failed},
        {field: renamed(of, deletion_timestamp=NOW)},
        {field: renamed(of, deletion_timestamp=CREATED + timedelta(days=1))},
    ]


def _living(kind: str) -> Iterator[SmallWorld]:
    tenants = (None, tenant(), tenant(ready=False), tenant(suspend=True))
    product = itertools.product(
        STATUS.values(),
        (None, "key"),
        _jobs("job").values(),
        _upstream(kind),
        tenants,
        (None, Fault.KEYS),
        (True, False),
    )
    for status, key, work, upstream, owner, fault, slot in product:
        status = {**status, **({"wrappedKey": key} if key else {})}
        body = resource(kind, NAMES[kind], None, status, ownerReferences=MODEL_OWNER)
        yield SmallWorld(
            body, **{**work, **upstream, "tenant": owner, "fault": fault, "slot": slot}
        )


def _dying(kind: str) -> Iterator[SmallWorld]:
    finished = ended("GenerationJob", "gen-2", labels=LABELS)
    tied = renamed(finished, owner_references=MODEL_OWNER)
    running = parse(resource("GenerationJob", "gen-3", None, STATUS["running"], uid="uid-gen-3"))
    going = renamed(finished, deletion_timestamp=NOW)
    dependants = (
        [(), (finished,), (going,), (ended("Model", "mdl-2"), running), (tied,)]
        if kind in ("Dataset", "Model")
        else [()]
    )
    pods = ((), (pod(0),))
    product = itertools.product(
        STATUS.values(),
        (None, "key"),
        _jobs("job").items(),
        pods,
        dependants,
        (10, 86_400),
        (None, Fault.AUDIT),
    )
    for status, key, (_, work), left, children, retention, fault in product:
        status = {**status, **({"wrappedKey": key} if key else {})}
        asked = iso(NOW - timedelta(seconds=1))
        body = resource(kind, NAMES[kind], None, status, deletionTimestamp=asked)
        body["spec"]["retentionSeconds"] = retention
        facts = {"pods": left, **work, "dependants": children, "fault": fault}
        yield SmallWorld(body, **facts)


def _check(seen: Observed, actions: list[act.Action]) -> None:
    """Check the actions of one pass against what must never happen."""
    assert SECRET not in without_pods_say(actions)
    kinds = [type(action) for action in actions]
    for action in actions:
        if isinstance(action, act.CreateJob):
            assert seen.job is None
            assert not seen.resource.deleting
            assert not seen.resource.finished
            assert seen.resource.guarded
            assert seen.tenant is not None
            assert seen.tenant.ready
            assert not seen.suspended
            assert seen.slot
            assert seen.resource.status.wrapped_key is not None
            assert kinds.index(act.WriteRequest) < kinds.index(act.CreateJob)
        if isinstance(action, act.DeleteJob):
            assert seen.job is not None
            assert seen.job["metadata"]["labels"]["simulacra.dev/uid"] == UID
        if isinstance(action, act.Erase):
            own = (
                seen.job is not None and seen.job["metadata"]["labels"]["simulacra.dev/uid"] == UID
            )
            assert seen.resource.deleting
            assert not own
            assert not seen.pods
            assert not any(
                one.kind == "Model" or not one.finished or one.deleting or one.collected
                for one in seen.dependants
            )
            assert (
                seen.resource.status.wrapped_key is None
                or act.ShredKey in kinds[: kinds.index(act.Erase)]
            )
        if isinstance(action, act.ReleaseFinalizer):
            assert kinds[-2:] == [act.Erase, act.ReleaseFinalizer]
        if isinstance(
            action, act.CreateKey | act.WriteRequest | act.ShredKey | act.DiscardArtifacts
        ):
            assert seen.resource.guarded
    if any(isinstance(one, act.PatchStatus) and one.patch.get("finishedAt") for one in actions):
        # no crash may leave a finished result to the garbage collector
        assert not seen.resource.collected or act.PatchMeta in kinds[: kinds.index(act.PatchStatus)]
    if seen.resource.kind == "Dataset" and seen.resource.status.wrapped_key is not None:
        # a retry needs the upload; a final failure is stated after the upload is erased
        final = [
            number
            for number, one in enumerate(actions)
            if isinstance(one, act.PatchStatus) and _failed(one)
        ]
        assert kinds.count(act.DiscardArtifacts) == len(final)
        assert not final or kinds.index(act.DiscardArtifacts) < final[0]


def _failed(action: act.PatchStatus) -> bool:
    return action.patch.get("phase") == "Failed" and "finishedAt" in action.patch


def _settle(world: SmallWorld, kind: str) -> None:
    for _ in range(STEPS):
        seen = world.seen()
        actions = RECONCILERS[kind](seen)
        _check(seen, actions)
        if not actions or world.released:
            return
        for action in actions:
            world.apply(action)
        if world.released:
            return
    raise AssertionError(
        f"no fixpoint in {STEPS} steps: {world.body} {world.facts}; next {actions}"
    )


@pytest.mark.parametrize("kind", RECONCILERS)
def test_every_state_without_deletion_settles(kind: str) -> None:
    states = 0
    for world in _living(kind):
        _settle(world, kind)
        states += 1
    assert states >= 600


@pytest.mark.parametrize("kind", RECONCILERS)
def test_every_state_in_deletion_is_released_or_waits(kind: str) -> None:
    for world in _dying(kind):
        _settle(world, kind)
        seen = world.seen()
        waits_for_job = (
            seen.job is not None and seen.job["metadata"].get("deletionTimestamp") is not None
        )
        waits = waits_for_job or bool(seen.pods)
        # on expiry, results end by themselves, and lose their owner reference by themselves
        waits |= any(one.deleting or _ends_itself(seen, one) for one in seen.dependants)
        assert world.released or waits
        assert not world.released or seen.resource.status.wrapped_key is None


def _ends_itself(seen: Observed, one: CustomResource) -> bool:
    if not erasure.by_expiry(seen):
        return False
    return one.collected or (seen.resource.kind == "Model" and not one.finished)


@pytest.mark.parametrize("kind", RECONCILERS)
def test_nothing_happens_without_the_finalizer(kind: str) -> None:
    for world in _living(kind):
        world.body["metadata"]["finalizers"] = []
        assert RECONCILERS[kind](world.seen()) == []
