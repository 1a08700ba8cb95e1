"""Parts of the Job controller: indexes, failure policy, pods, a list faster than the watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulacra_crds.kube.client import JOBS
from simulacra_embedded.jobs import pods
from simulacra_embedded.jobs.controller import JobController
from simulacra_embedded.jobs.pods import pod_for, pod_name
from simulacra_embedded.jobs.status import format_indexes, judge, parse_indexes


@given(st.sets(st.integers(0, 60)))
def test_indexes_survive_a_round_trip(found: set[int]) -> None:
    assert parse_indexes(format_indexes(found)) == found


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (set(), ""),
        ({3}, "3"),
        ({0, 1}, "0,1"),
        ({0, 1, 2, 5}, "0-2,5"),
        ({1, 3, 4, 5, 7}, "1,3-5,7"),
    ],
)
def test_indexes_are_written_as_in_kubernetes(found: set[int], text: str) -> None:
    assert format_indexes(found) == text


def failed(code: int, name: str = "main", **conditions: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "namespace": "n"},
        "status": {
            "containerStatuses": [{"name": name, "state": {"terminated": {"exitCode": code}}}],
            "conditions": [{"type": kind, "status": value} for kind, value in conditions.items()],
        },
    }


def codes(
    operator: str, *values: int, action: str = "FailJob", name: str | None = None
) -> dict[str, Any]:
    requirement: dict[str, Any] = {"operator": operator, "values": list(values)}
    return {
        "action": action,
        "onExitCodes": requirement | ({"containerName": name} if name else {}),
    }


DISRUPTED = {
    "action": "Ignore",
    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
}


@pytest.mark.parametrize(
    ("pod", "rules", "action"),
    [
        (failed(42), [codes("In", 42)], "FailJob"),
        (failed(1), [codes("In", 42)], "Count"),
        (failed(1), [codes("NotIn", 42)], "FailJob"),
        (failed(42), [codes("NotIn", 42)], "Count"),
        (failed(42), [codes("In", 42, name="other")], "Count"),
        (failed(42), [codes("In", 42, name="main")], "FailJob"),
        (failed(0), [codes("NotIn", 42)], "Count"),  # exit 0 matches nothing
        (failed(137, DisruptionTarget="True"), [codes("In", 42), DISRUPTED], "Ignore"),
        (failed(137, DisruptionTarget="False"), [DISRUPTED], "Count"),
        # The first match decides.
        (failed(42, DisruptionTarget="True"), [DISRUPTED, codes("In", 42)], "Ignore"),
        (failed(1), [], "Count"),
    ],
)
def test_first_matching_rule_of_the_failure_policy_decides(
    pod: dict[str, Any], rules: list[dict[str, Any]], action: str
) -> None:
    assert judge(pod, rules).action == action


def job(name: str = "work", uid: str = "u") -> dict[str, Any]:
    spec = {"containers": [{"name": "main", "env": [{"name": "A", "value": "1"}]}]}
    return {
        "metadata": {"name": name, "namespace": "n", "uid": uid},
        "spec": {"template": {"metadata": {"labels": {"mine": "x"}}, "spec": spec}},
    }


def test_pod_names_are_computed_and_short_enough() -> None:
    assert pod_name(job(), 0, 0) == pod_name(job(), 0, 0)
    keys = product("ab", (0, 1), (0, 1))
    assert len({pod_name(job(uid=uid), index, attempt) for uid, index, attempt in keys}) == 8
    assert len(pod_name(job("x" * 63), 12345, 3)) <= 63
    assert pod_name(job(), 2, 1).startswith("work-2-")


def test_pod_has_its_owner_and_its_index() -> None:
    source = job()
    pod = pod_for(source, 3, 1)
    (owner,) = pod["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("Job", "u", True)
    assert pod["metadata"]["labels"]["mine"] == "x"
    assert pods.index_of(pod) == 3
    assert pods.attempt_of(pod) == 1
    names = [entry["name"] for entry in pod["spec"]["containers"][0]["env"]]
    assert names == ["A", "JOB_COMPLETION_INDEX"]
    # The Job itself is not changed.
    assert len(source["spec"]["template"]["spec"]["containers"][0]["env"]) == 1


class SlowWatch:
    """A server whose list lacks a pod that its watch has not reported as deleted yet."""

    def __init__(self, job: dict[str, Any], pod: dict[str, Any]) -> None:
        self.job, self.pod = job, pod
        self.events: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.listed = asyncio.Event()
        self.created: list[dict[str, Any]] = []

    async def watch(self, resource: Any, **_: Any) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        if resource is JOBS:
            yield "ADDED", self.job
            await asyncio.Event().wait()
        yield "ADDED", self.pod
        while True:
            yield await self.events.get()

    async def find(self, *_: Any) -> dict[str, Any]:
        return self.job

    async def list(self, *_: Any, **__: Any) -> AsyncIterator[dict[str, Any]]:
        self.listed.set()
        for pod in self.created:
            yield pod

    async def create(self, _: Any, pod: dict[str, Any], __: str) -> None:
        made = {"uid": f"new-{len(self.created)}"}
        self.created.append(
            {**pod, "metadata": pod["metadata"] | made, "status": {"phase": "Pending"}}
        )

    async def patch(self, _: Any, __: str, patch: dict[str, Any], ___: str, **____: Any) -> None:
        self.job["status"] = patch["status"]


async def test_pod_missing_from_the_list_is_replaced_only_after_its_end() -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "i"}]}}
    job: dict[str, Any] = {
        "metadata": {"name": "work", "namespace": "n", "uid": "u", "resourceVersion": "1"},
        "spec": {"parallelism": 1, "completions": 1, "backoffLimit": 6, "template": template}
        | {"completionMode": "Indexed", "podReplacementPolicy": "Failed"},
    }
    pod = pod_for(job, 0, 0)
    pod["metadata"] |= {"uid": "old"}
    pod["status"] = {"phase": "Running"}
    server = SlowWatch(job, pod)
    running = asyncio.create_task(JobController(server, timedelta(0)).run())  # type: ignore[arg-type]
    await server.listed.wait()
    for _ in range(50):
        await asyncio.sleep(0)
    assert server.created == []
    await server.events.put(("DELETED", {**pod, "status": {"phase": "Failed"}}))
    async with asyncio.timeout(30):
        while not server.created or not job.get("status"):
            await asyncio.sleep(0.01)
    assert job["status"]["failed"] == 1
    assert [one["metadata"]["name"] for one in server.created] == [pod_name(job, 0, 1)]
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
