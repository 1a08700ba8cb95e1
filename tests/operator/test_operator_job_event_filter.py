"""Which Job events need a pass."""

from __future__ import annotations

from typing import Any

import pytest

from operator_facts import ended, resource
from simulacra_operator.observed.custom_resource import CustomResource, parse
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
