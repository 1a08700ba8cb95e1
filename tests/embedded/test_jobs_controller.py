"""Jobs end to end: the same tests for our controller and for kube-controller-manager."""

from __future__ import annotations

import asyncio
import signal
from contextlib import aclosing
from typing import Any

import pytest

from simulacra_crds.kube.client import JOBS, PODS

IGNORE_DISRUPTION = {
    "action": "Ignore",
    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
}
FAIL_ON_42 = {
    "action": "FailJob",
    "onExitCodes": {"containerName": "main", "operator": "In", "values": [42]},
}


async def test_job_completes(bench: Any, condition: Any) -> None:
    await bench.job("exit 0")
    status = await bench.ended()
    assert condition(status, "Complete")["reason"] == "CompletionsReached"
    assert condition(status, "SuccessCriteriaMet")
    assert status["succeeded"] == 1
    assert "failed" not in status
    assert "active" not in status
    assert status["startTime"] <= status["completionTime"]
    assert status["uncountedTerminatedPods"] == {}


async def test_indexed_job_runs_each_index_once(bench: Any, condition: Any) -> None:
    await bench.job("echo shard $JOB_COMPLETION_INDEX", completions=5, parallelism=2)
    status = await bench.ended()
    assert condition(status, "Complete")
    assert status["completedIndexes"] == "0-4"
    pods = await bench.pods()
    said = sorted(bench.log(pod) for pod in pods)
    assert said == [f"shard {index}\n" for index in range(5)]
    assert all(
        pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] for pod in pods
    )


async def test_user_error_fails_the_job_at_once(bench: Any, condition: Any) -> None:
    policy = {"rules": [FAIL_ON_42, IGNORE_DISRUPTION]}
    await bench.job("exit 42", backoffLimit=3, podFailurePolicy=policy)
    status = await bench.ended()
    failed = condition(status, "Failed")
    assert failed["reason"] == "PodFailurePolicy"
    assert failed["message"].endswith("failed with exit code 42 matching FailJob rule at index 0")
    assert condition(status, "FailureTarget")["reason"] == "PodFailurePolicy"
    assert status["failed"] == 1
    assert len(await bench.pods()) == 1


async def test_job_fails_at_its_backoff_limit(bench: Any, condition: Any) -> None:
    limit = 0 if bench.real else 2  # kube-controller-manager waits 10 s before the first retry
    await bench.job("exit 1", backoffLimit=limit)
    status = await bench.ended()
    assert condition(status, "Failed")["reason"] == "BackoffLimitExceeded"
    assert condition(status, "Failed")["message"] == "Job has reached the specified backoff limit"
    assert status["failed"] == limit + 1


async def test_deadline_ends_running_pods(bench: Any, condition: Any) -> None:
    await bench.job("sleep 60", activeDeadlineSeconds=2)
    status = await bench.ended()
    assert condition(status, "Failed")["reason"] == "DeadlineExceeded"
    assert status["failed"] == 1
    assert await bench.pods() == []


async def test_job_is_suspended_and_resumed(bench: Any, condition: Any) -> None:
    mark, waits = bench.gate()
    await bench.job(waits, completions=2, parallelism=2)
    await bench.running(2)
    await bench.cluster.patch(JOBS, "work", {"spec": {"suspend": True}}, bench.namespace)

    async def suspended() -> Any:
        status = await bench.status()
        return status if condition(status, "Suspended") and not await bench.pods() else None

    status = await bench.until(suspended)
    assert condition(status, "Suspended")["reason"] == "JobSuspended"
    assert "startTime" not in status
    assert "active" not in status
    mark.touch()
    await bench.cluster.patch(JOBS, "work", {"spec": {"suspend": False}}, bench.namespace)
    status = await bench.ended()
    assert status["succeeded"] == 2
    assert "failed" not in status  # pods that the suspension ended are not counted


async def test_suspended_job_starts_no_pods(bench: Any, condition: Any) -> None:
    await bench.job("exit 0", suspend=True)

    async def suspended() -> Any:
        return condition(await bench.status(), "Suspended")

    await bench.until(suspended)
    assert await bench.pods() == []


async def test_deleting_a_job_ends_its_pods(bench: Any) -> None:
    await bench.job("trap 'echo bye; exit 7' TERM; while :; do sleep 0.1; done")
    (pod,) = await bench.running()
    folder = bench.folder(pod)
    assert folder.is_dir()
    assert await bench.cluster.delete(JOBS, "work", bench.namespace)

    async def gone() -> bool:
        return not await bench.pods()

    await bench.until(gone)

    async def removed() -> bool:
        return not folder.exists()

    await bench.until(removed)


async def test_terminating_pod_is_not_replaced(bench: Any) -> None:
    script = "trap 'sleep 1; exit 1' TERM; while :; do sleep 0.1; done"
    await bench.job(script, backoffLimit=4)
    (pod,) = await bench.running()
    name, phase = pod["metadata"]["name"], pod["status"]["phase"]
    async with asyncio.timeout(60), aclosing(bench.cluster.watch(PODS, bench.namespace)) as changes:
        async for kind, seen in changes:
            if kind == "BOOKMARK":  # the list is complete: the watch shows each change from here
                await bench.cluster.delete(PODS, name, bench.namespace)
            elif seen["metadata"]["name"] != name:
                break
            else:
                phase = seen["status"]["phase"]
    assert phase == "Failed"  # when another pod replaces it

    async def counted() -> bool:
        return (await bench.status()).get("failed") == 1

    await bench.until(counted)


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.15, 0.4])
async def test_job_completes_after_the_controller_was_killed(
    bench: Any, delay: float, condition: Any
) -> None:
    if bench.real:
        pytest.skip("kube-controller-manager is not killed")
    await bench.job("sleep 0.3", completions=6, parallelism=3)
    await asyncio.sleep(delay)
    bench.processes.end("jobs", signal.SIGKILL)
    bench.processes.start("jobs")
    status = await bench.ended()
    assert condition(status, "Complete")
    assert status["completedIndexes"] == "0-5"
    label = "batch.kubernetes.io/job-completion-index"
    indexes = [pod["metadata"]["labels"][label] for pod in await bench.pods()]
    assert sorted(indexes) == list("012345")  # never two pods for one index


async def test_job_completes_after_everything_was_killed(bench: Any, condition: Any) -> None:
    """As in a power cut; `simulacra up` starts them in this order."""
    if bench.real:
        pytest.skip("the real control plane is not killed")
    mark, waits = bench.gate()
    await bench.job(
        waits,
        completions=4,
        parallelism=2,
        backoffLimit=0,
        podFailurePolicy={"rules": [IGNORE_DISRUPTION]},
    )
    await bench.running(2)
    for name in ("controlplane", "jobs", "node"):
        bench.processes.end(name, signal.SIGKILL)
    mark.touch()
    bench.processes.start_plane()
    for name in ("jobs", "node"):
        bench.processes.start(name)
    status = await bench.ended()
    assert condition(status, "Complete")
    assert status["completedIndexes"] == "0-3"
    assert "failed" not in status


async def test_failures_are_counted_once_despite_restarts(bench: Any, condition: Any) -> None:
    if bench.real:
        pytest.skip("kube-controller-manager is not killed")
    await bench.job("sleep 0.5; exit 1", backoffLimit=2)

    async def failed_once() -> bool:
        return bool((await bench.status()).get("failed"))

    await bench.until(failed_once)
    bench.processes.end("jobs", signal.SIGKILL)
    bench.processes.start("jobs")
    status = await bench.ended()
    assert status["failed"] == 3
    assert len(await bench.pods()) == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("backoffLimitPerIndex", 1),
        ("ttlSecondsAfterFinished", 1),
        ("completionMode", "NonIndexed"),
        ("podReplacementPolicy", "TerminatingOrFailed"),
    ],
)
async def test_job_of_another_shape_is_refused(
    bench: Any, condition: Any, name: str, value: object
) -> None:
    if bench.real:
        pytest.skip("Kubernetes supports it")
    await bench.job("exit 0", **{name: value})
    failed = condition(await bench.ended(), "Failed")
    assert failed["reason"] == "NotSupported"
    assert name in failed["message"]
    assert await bench.pods() == []
