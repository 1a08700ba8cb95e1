"""Which Job events need a pass."""

from __future__ import annotations

from typing import Any

import pytest

from operator_facts import ended, pod, resource
from simulacra_operator.observed import ended_jobs
from simulacra_operator.observed.custom_resource import CustomResource, parse
from simulacra_operator.observed.ended_jobs import EndedJobs
from simulacra_operator.runtime import job_event_filter
from simulacra_operator.runtime.job_event_filter import JobEventFilter, last_deletion
from simulacra_operator.work.actions import Action, CreateJob, DeleteJob, PatchStatus

GONE = DeleteJob("ds-1-prepare", "job-1", wait=False)


def job(uid: str = "job-1") -> dict[str, Any]:
    return {"metadata": {"uid": uid}, "spec": {}, "status": {}}


def test_the_deletion_of_a_finished_job_needs_no_pass() -> None:
    jobs = JobEventFilter()
    jobs.ignore_deletion("job-1")
    assert not jobs.is_relevant(job(), "DELETED")
    assert jobs.is_relevant(job(), "DELETED"), "one event per Job"
    assert jobs.is_relevant(job("job-2"), "DELETED")


def test_a_forgotten_deletion_costs_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_event_filter, "MOST", 2)
    jobs = JobEventFilter()
    for number in range(3):
        jobs.ignore_deletion(f"job-{number}")
    assert [jobs.is_relevant(job(f"job-{number}"), "DELETED") for number in range(3)] == [
        True,
        True,
        False,
    ]


def test_a_count_of_zero_equals_a_missing_count() -> None:
    """The Job controller first writes that no pod is ready and none has failed."""
    jobs = JobEventFilter()
    assert not jobs.is_relevant(job(), "ADDED")
    assert not jobs.is_relevant(
        {**job(), "status": {"ready": 0, "failed": 0, "active": 1}}, "MODIFIED"
    )
    assert jobs.is_relevant({**job(), "status": {"ready": 1, "active": 1}}, "MODIFIED")


def test_a_pod_whose_failure_is_ignored_needs_a_pass() -> None:
    """The Job of a pod that met an outage or a drain counts no failure."""
    jobs = JobEventFilter()
    resumed = {"conditions": [{"type": "Suspended", "status": "False"}]}
    running, left = {"ready": 0, "active": 1, **resumed}, {"ready": 0, "active": 0, **resumed}
    jobs.is_relevant({**job(), "status": running}, "ADDED")
    done = {**left, "uncountedTerminatedPods": {"succeeded": ["pod-1"]}}
    assert not jobs.is_relevant({**job(), "status": done}, "MODIFIED"), "its end comes next"
    assert not jobs.is_relevant({**job(), "status": running}, "MODIFIED")
    assert jobs.is_relevant({**job(), "status": left}, "MODIFIED")


def test_a_pod_that_is_ignored_after_a_counted_one_needs_a_pass() -> None:
    """On one machine a counted failure stays named while its pod is listed."""
    jobs = JobEventFilter()
    counted = {"failed": 1, "uncountedTerminatedPods": {"failed": ["pod-1"]}}
    jobs.is_relevant({**job(), "status": {"active": 1, **counted}}, "ADDED")
    assert jobs.is_relevant({**job(), "status": {"active": 0, **counted}}, "MODIFIED")


def test_jobs_whose_deletion_was_not_seen_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ended_jobs, "MOST", 2)
    kept, running = EndedJobs(), {"metadata": {"uid": "pod-1"}, "status": {"phase": "Running"}}
    first, *others = ({"metadata": {"uid": f"job-{number}"}} for number in range(3))
    for one in (first, *others):
        assert not kept.misses(one, (running,))
    assert not kept.misses(first, ())
    assert kept.misses(others[-1], ())


def test_a_pod_that_was_deleted_before_its_end_is_missed_once() -> None:
    kept, one = EndedJobs(), {"metadata": {"uid": "job-1", "name": "j"}, "spec": {}}
    running = {"metadata": {"uid": "pod-1"}, "status": {"phase": "Running"}}
    going = {**running, "metadata": {"uid": "pod-1", "deletionTimestamp": "2026-03-01T12:00:00Z"}}
    ended_pod = pod(1) | {"metadata": {"uid": "pod-1"}}
    for after, misses in (((), True), ((going,), True), ((ended_pod,), False), ((running,), False)):
        assert not kept.misses(one, (running,))
        assert kept.misses(one, after) is misses
        kept.note(one, gone=True)


@pytest.mark.parametrize(
    ("owner", "actions", "last"),
    [
        (ended("Dataset", "ds-1"), [GONE], "job-1"),
        (None, [PatchStatus({"finishedAt": "2026-03-01T12:00:00Z"}), GONE], "job-1"),
        (None, [PatchStatus({"phase": "Running"}), GONE], None),
        (None, [GONE], None),
        (None, [GONE, CreateJob({})], None),
        (None, [], None),
    ],
)
def test_a_jobs_deletion_is_the_last_action_once_its_owner_ended(
    owner: CustomResource | None, actions: list[Action], last: str | None
) -> None:
    assert last_deletion(owner or parse(resource("Dataset", "ds-1")), actions) == last
