"""Outcome of a Job from its conditions and pods: running, succeeded, failed or lost."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from simulacra_crds.kinds.base import LABEL_KIND, LABEL_UID, LastFailure
from simulacra_crds.kinds.model import Model
from simulacra_crds.kube.client import Object
from simulacra_crds.names import support_id
from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import LASTING, ExitCode, TaskResult
from simulacra_operator.observed.conditions import has_condition
from simulacra_operator.observed.stored_results import ended_states, index_of

_MESSAGES = {
    Reason.INTERRUPTED: (
        "A pod of the job was stopped: by a drain, a preemption, a deletion or a lost node. "
        "If the work has ended, create the resource again."
    ),
    Reason.DEADLINE_EXCEEDED: (
        "The job exceeded its time limit. Use less data or request fewer rows."
    ),
    Reason.CUSTODY_UNAVAILABLE: (
        "The object store or the key provider failed. Create the resource again later."
    ),
    Reason.REQUEST_INVALID: (
        "The input cannot be processed. See the resource's artifact failure.json."
    ),
    Reason.RESULT_INVALID: (
        "The work ended, but this release of the operator cannot read its result. "
        "Run operator and trainer of one release, then create the resource again."
    ),
}


@dataclass(frozen=True)
class Running:
    """The Job has not ended.

    `failure` is that of a pod that is retried; `succeeded` counts finished shards.
    """

    failure: LastFailure | None
    succeeded: int


@dataclass(frozen=True)
class Succeeded:
    """Every shard succeeded; results in the order of the shards."""

    results: tuple[TaskResult, ...]


@dataclass(frozen=True)
class Failed:
    """The Job failed."""

    failure: LastFailure


@dataclass(frozen=True)
class Lost:
    """The Job succeeded, but a pod and its result are gone: worth one more Job.

    `failure` applies when that Job's result is lost as well.
    """

    failure: LastFailure


@dataclass(frozen=True)
class _Ended:
    """One terminated container."""

    index: int
    exit_code: int
    killed: bool
    is_interrupted: bool
    time: datetime
    result: TaskResult | None
    is_unreadable: bool = False

    @property
    def is_lasting(self) -> bool:
        """Whether the Job fails with this pod, as its podFailurePolicy says."""
        return self.exit_code in LASTING and not self.is_interrupted


def support_of(job: Object) -> str:
    """Return the support id of the resource of a Job."""
    return support_id(job["metadata"]["labels"][LABEL_UID])


def interrupted(job: Object, now: datetime) -> LastFailure:
    """Return the failure of a pod that was deleted before it could be read."""
    reason = Reason.INTERRUPTED
    return LastFailure(reason=reason, message=_message(reason, job), time=now)


def judge(
    job: Object, pods: Iterable[Object], shards: int, now: datetime
) -> Running | Succeeded | Failed | Lost:
    """Return the outcome of a Job."""
    ended = [one for pod in pods for one in _ended(pod, now)]
    for condition in job.get("status", {}).get("conditions") or []:
        if condition["status"] == "True" and condition["type"] == "Complete":
            return _success(job, ended, shards, now)
        if condition["status"] == "True" and condition["type"] == "Failed":
            return Failed(_failure(job, ended, condition.get("reason", ""), now))
    # after a lasting failure, the Job is about to fail: nothing is retried
    failed = [one for one in ended if one.exit_code != ExitCode.OK and not one.is_lasting]
    failure = _failure(job, failed, "", now) if failed else None
    return Running(failure, int(job.get("status", {}).get("succeeded") or 0))


def _success(
    job: Object, ended: list[_Ended], shards: int, now: datetime
) -> Succeeded | Failed | Lost:
    good = [one for one in ended if one.exit_code == ExitCode.OK]
    results = {one.index: one.result for one in good if one.result is not None}
    if set(results) >= set(range(shards)):
        return Succeeded(tuple(results[index] for index in range(shards)))
    if not set(range(shards)) <= {one.index for one in ended}:
        message = "The job succeeded, but a pod was removed before its result was read."
        time = _time(job["status"].get("completionTime"), now)
        return Lost(LastFailure(reason=Reason.INTERNAL, message=message, time=time))
    if any(one.is_unreadable for one in good):
        reason = Reason.RESULT_INVALID
        return Failed(LastFailure(reason=reason, message=_message(reason, job), time=now))
    message = f"The job succeeded, but a pod left no result; quote support id {support_of(job)}."
    return Failed(LastFailure(reason=Reason.INTERNAL, message=message, time=now))


def _failure(job: Object, ended: list[_Ended], job_reason: str, now: datetime) -> LastFailure:
    failed = [one for one in ended if one.exit_code != ExitCode.OK]
    if job_reason == "DeadlineExceeded" or not failed:
        reason = Reason.DEADLINE_EXCEEDED if job_reason == "DeadlineExceeded" else Reason.INTERNAL
        return LastFailure(reason=reason, message=_message(reason, job), time=now)
    last = max(failed, key=_informative)
    reason = _reason(last)
    stated = ""
    if last.result is not None and reason == last.result.reason and reason != Reason.OUT_OF_MEMORY:
        stated = last.result.message
    return LastFailure(
        reason=reason,
        message=stated or _message(reason, job),
        exit_code=last.exit_code,
        time=last.time,
    )


def _informative(ended: _Ended) -> tuple[bool, bool, datetime]:
    """Order failures: a worker that lost its peer does not know the cause."""
    return ended.is_lasting, ended.exit_code != ExitCode.PEER, ended.time


def _reason(ended: _Ended) -> Reason:
    if ended.result is not None:
        try:
            return Reason(ended.result.reason)
        except ValueError:
            return Reason.INTERNAL
    if ended.is_interrupted:
        return Reason.INTERRUPTED
    if ended.killed or ended.exit_code == ExitCode.KILLED:
        return Reason.OUT_OF_MEMORY
    if ended.exit_code == ExitCode.USER_ERROR:
        return Reason.REQUEST_INVALID
    custody = ended.exit_code in (ExitCode.CUSTODY, ExitCode.OUTAGE)
    return Reason.CUSTODY_UNAVAILABLE if custody else Reason.INTERNAL


def _message(reason: Reason, job: Object) -> str:
    if reason == Reason.OUT_OF_MEMORY:
        (container, *_) = job["spec"].get("template", {}).get("spec", {}).get("containers") or [{}]
        limit = container.get("resources", {}).get("limits", {}).get("memory", "of its pod")
        is_fit = job["metadata"].get("labels", {}).get(LABEL_KIND) == Model.PLURAL
        more = "Set spec.resources.memory above it" if is_fit else "Use fewer rows or columns"
        return f"The job needs more memory than its limit, {limit}. {more}, and create it again."
    return _MESSAGES.get(reason, f"Internal error; quote support id {support_of(job)}.")


def _ended(pod: Object, now: datetime) -> list[_Ended]:
    return [_terminated(pod, state, now) for state in ended_states(pod)]


def _terminated(pod: Object, state: Object, now: datetime) -> _Ended:
    message = state.get("message") or ""
    result = _result(message)
    code, killed = int(state["exitCode"]), state.get("reason") == "OOMKilled"
    ended_by_others = code in (ExitCode.TERMINATED, ExitCode.KILLED) and not killed
    return _Ended(
        index=index_of(pod),
        exit_code=code,
        killed=killed,
        is_interrupted=has_condition(pod, "DisruptionTarget")
        or (ended_by_others and _is_stopped(pod, code)),
        time=_time(state.get("finishedAt"), now),
        result=result,
        is_unreadable=bool(message) and result is None,
    )


def _is_stopped(pod: Object, code: int) -> bool:
    """Return whether somebody ended a pod; without a deletion, SIGKILL is for its memory."""
    return code == ExitCode.TERMINATED or pod["metadata"].get("deletionTimestamp") is not None


def _time(text: Any, default: datetime) -> datetime:
    return datetime.fromisoformat(text) if isinstance(text, str) else default


def _result(message: str) -> TaskResult | None:
    """Return the result in a termination message; None if it cannot be read, or was not fetched."""
    try:
        result = TaskResult.model_validate_json(message)
    except ValidationError:
        return None
    return result if result.stored is None else None
