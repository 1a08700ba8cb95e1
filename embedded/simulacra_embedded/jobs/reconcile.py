"""What to do about a Job: a pure function of the Job, its Pods and the time.

Source of the rules: Kubernetes `pkg/controller/job/job_controller.go` (syncJob, manageJob). What differs:
- No finalizer on pods. A pod that vanished before this controller saw its end is replaced and not counted. So that
  nothing is counted twice, `status.uncountedTerminatedPods` holds the uids of counted pods that are still listed
  (Kubernetes keeps there the ones not counted yet).
- Pods deleted as surplus or for a suspension are not counted, as there; they are marked (`release`) where Kubernetes
  takes its finalizer off.
- Pods whose failure is ignored by policy cause no back-off.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from simulacra_embedded.jobs import conditions, indexes, pods
from simulacra_embedded.jobs.policy import Verdict, judge
from simulacra_embedded.jobs.template import pod_for

Object = dict[str, Any]
BACKOFF_MAX = timedelta(minutes=10)
UNSUPPORTED = ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy")


@dataclass
class Plan:
    """The writes that bring a Job forward, and when to look again if nothing happens before."""

    status: Object
    create: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    release: bool = False
    """Whether the pods to delete are to be marked first, as ones that count for nothing."""
    delete_job: bool = False
    wake: datetime | None = None

    def wake_at(self, time: datetime) -> None:
        """Look again at this time, or earlier if that was planned."""
        self.wake = min(time, self.wake or time)


class _View:
    """A Job with its pods sorted into what matters."""

    def __init__(self, job: Object, owned: list[Object], now: datetime) -> None:
        self.spec: Object = job["spec"]
        self.job, self.now, self.owned = job, now, owned
        self.status: Object = job.get("status") or {}
        self.conditions: list[Object] = list(self.status.get("conditions") or [])
        self.indexed = self.spec.get("completionMode") == "Indexed"
        self.completions: int | None = self.spec.get("completions")
        self.parallelism = int(self.spec.get("parallelism", 1))
        self.suspended = bool(self.spec.get("suspend"))
        self.active = [pod for pod in owned if pods.is_active(pod)]
        self.terminating = [pod for pod in owned if pods.is_terminating(pod)]
        rules = (self.spec.get("podFailurePolicy") or {}).get("rules") or []
        self.replace_failed_only = (
            self.spec.get("podReplacementPolicy", "Failed" if rules else "") == "Failed"
        )
        self.verdicts: dict[str, Verdict] = {
            pod["metadata"]["uid"]: judge(pod, rules)
            for pod in owned
            if pods.phase(pod) == "Failed" and not pods.is_released(pod)
        }
        held = [pod for pod in owned if not pods.is_released(pod)]
        self.failed = [pod for pod in held if self._counts_as_failed(pod)]
        self.succeeded = [pod for pod in held if pods.phase(pod) == "Succeeded"]

    def _counts_as_failed(self, pod: Object) -> bool:
        verdict = self.verdicts.get(pod["metadata"]["uid"])
        if verdict is not None:
            return verdict.action != "Ignore"
        return pods.is_terminating(pod) and not self.replace_failed_only


def reconcile(job: Object, owned: list[Object], now: datetime, backoff: timedelta) -> Plan:
    """Decide the next step for a Job.

    Args:
        job: The Job as the API server has it now.
        owned: Its pods, ended ones included.
        now: The time.
        backoff: Pause after the first failure; doubles with each further one up to BACKOFF_MAX.
    """
    view = _View(job, owned, now)
    if ended := conditions.find(view.conditions, "Complete") or conditions.find(
        view.conditions, "Failed"
    ):
        return _expire(view, ended)
    plan = Plan(_count(view))
    if (target := _target(view, plan)) is None:
        _manage(view, plan, backoff)
        if _is_complete(view, plan):
            target = "SuccessCriteriaMet"
            _set(view, target, "True", *conditions.SUCCESS)
        else:
            _note_suspension(view, plan)
    if target:
        plan.create, plan.delete, plan.release = [], view.active, False
        if not view.active and not view.terminating:
            _finish(view, plan, target)
    _publish(view, plan)
    return plan


def _set(view: _View, kind: str, status: str, reason: str, message: str) -> bool:
    view.conditions, changed = conditions.ensure(
        view.conditions, kind, status, reason, message, view.now
    )
    return changed


def _count(view: _View) -> Object:
    """Return the status with every ended pod counted exactly once."""
    status = dict(view.status)
    recorded = status.get("uncountedTerminatedPods") or {}
    listed = {pod["metadata"]["uid"] for pod in view.owned}
    counted = {}
    for key, ended in (("failed", view.failed), ("succeeded", view.succeeded)):
        if key == "succeeded" and view.indexed:
            continue
        before = set(recorded.get(key) or [])
        uids = {pod["metadata"]["uid"] for pod in ended}
        status[key] = int(status.get(key) or 0) + len(uids - before)
        counted[key] = sorted((before & listed) | uids)
    status["uncountedTerminatedPods"] = {key: uids for key, uids in counted.items() if uids}
    if view.indexed:
        done = indexes.parse(status.get("completedIndexes") or "")
        done |= {index for pod in view.succeeded if (index := pods.index_of(pod)) is not None}
        status["completedIndexes"], status["succeeded"] = indexes.render(done), len(done)
    if not status.get("startTime") and not view.suspended:
        status["startTime"] = pods.format_time(view.now)
    return status


def _target(view: _View, plan: Plan) -> str | None:
    """Return the interim condition that holds or holds from now on: the Job's end is decided, pods may still run."""
    for kind in ("SuccessCriteriaMet", "FailureTarget"):
        if conditions.find(view.conditions, kind):
            return kind
    if cause := _failure(view, plan):
        _set(view, "FailureTarget", "True", *cause)
        return "FailureTarget"
    return None


def _failure(view: _View, plan: Plan) -> tuple[str, str] | None:
    """Return reason and message if the Job must fail."""
    if found := [name for name in UNSUPPORTED if view.spec.get(name) is not None]:
        return (
            conditions.NOT_SUPPORTED,
            f"spec.{found[0]}: the embedded Job controller has no such feature; remove it",
        )
    fatal = next(
        (verdict for verdict in view.verdicts.values() if verdict.action == "FailJob"), None
    )
    if fatal:
        return conditions.POLICY, fatal.message
    limit = int(view.spec.get("backoffLimit", 6))
    if plan.status["failed"] > limit or _past_limit_in_place(view, limit):
        return conditions.BACKOFF
    seconds = view.spec.get("activeDeadlineSeconds")
    start = pods.parse_time(plan.status.get("startTime"))
    if seconds is not None and start and not view.suspended:
        deadline = start + timedelta(seconds=seconds)
        if view.now >= deadline:
            return conditions.DEADLINE
        plan.wake_at(deadline)
    return None


def _past_limit_in_place(view: _View, limit: int) -> bool:
    if view.spec["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    total = sum(pods.restarts(pod) for pod in view.owned if not pods.is_finished(pod))
    return total > 0 if limit == 0 else total >= limit


def _manage(view: _View, plan: Plan, backoff: timedelta) -> None:
    """Plan the pods to create or delete so that as many run as should."""
    if view.suspended:
        plan.delete, plan.release = list(view.active), True
        return
    wanted = view.parallelism
    if view.completions is not None:
        wanted = min(wanted, view.completions - plan.status["succeeded"])
    elif plan.status["succeeded"]:
        wanted = len(view.active)
    surplus = len(view.active) - wanted
    if surplus > 0:
        by_age = sorted(view.active, key=lambda pod: (pods.is_ready(pod), -pods.attempt_of(pod)))
        plan.delete, plan.release = by_age[:surplus], True
        return
    missing = -surplus - (len(view.terminating) if view.replace_failed_only else 0)
    if missing <= 0 or view.job["metadata"].get("deletionTimestamp"):
        return
    ready = _backoff_until(view, backoff)
    if ready and view.now < ready:
        plan.wake_at(ready)
        return
    plan.create = _new_pods(view, plan, missing)


def _backoff_until(view: _View, backoff: timedelta) -> datetime | None:
    """Return when the next pod may be created: after failures since the last success, doubled for each."""
    successes = [time for pod in view.succeeded if (time := pods.finished_at(pod))]
    failures = [time for pod in view.failed if (time := pods.finished_at(pod))]
    recent = [time for time in failures if not successes or time > max(successes)]
    if not recent:
        return None
    pause: timedelta = min(backoff * 2 ** min(len(recent) - 1, 20), BACKOFF_MAX)
    return max(recent) + pause


def _new_pods(view: _View, plan: Plan, missing: int) -> list[Object]:
    if not view.indexed:
        first = 1 + max((pods.attempt_of(pod) for pod in view.owned), default=-1)
        return [pod_for(view.job, None, first + offset) for offset in range(missing)]
    attempts: dict[int, int] = {}
    for pod in view.owned:
        if (index := pods.index_of(pod)) is not None:
            attempts[index] = max(attempts.get(index, -1), pods.attempt_of(pod))
    taken = indexes.parse(plan.status["completedIndexes"])
    busy = view.active + (view.terminating if view.replace_failed_only else [])
    taken |= {index for pod in busy if (index := pods.index_of(pod)) is not None}
    free = [index for index in range(view.completions or 0) if index not in taken]
    return [pod_for(view.job, index, attempts.get(index, -1) + 1) for index in free[:missing]]


def _is_complete(view: _View, plan: Plan) -> bool:
    if view.completions is None:
        return bool(plan.status["succeeded"]) and not view.active
    return int(plan.status["succeeded"]) >= view.completions


def _note_suspension(view: _View, plan: Plan) -> None:
    if view.suspended:
        if _set(view, "Suspended", "True", "JobSuspended", "Job suspended"):
            plan.status.pop("startTime", None)
    elif _set(view, "Suspended", "False", "JobResumed", "Job resumed"):
        plan.status["startTime"] = pods.format_time(view.now)


def _finish(view: _View, plan: Plan, target: str) -> None:
    interim = conditions.find(view.conditions, target)
    if target == "SuccessCriteriaMet":
        plan.status["completionTime"] = pods.format_time(view.now)
        _set(view, "Complete", "True", *conditions.SUCCESS)
    elif interim:
        _set(view, "Failed", "True", interim["reason"], interim["message"])
    plan.status["uncountedTerminatedPods"] = {}


def _publish(view: _View, plan: Plan) -> None:
    """Put the counters of this moment into the planned status; zero is written as absent, as Kubernetes does."""
    doomed = {pod["metadata"]["uid"] for pod in plan.delete}
    active = [pod for pod in view.active if pod["metadata"]["uid"] not in doomed]
    plan.status["active"] = len(active) + len(plan.create)
    plan.status["ready"] = sum(pods.is_ready(pod) for pod in active)
    plan.status["terminating"] = len(view.terminating) + len(plan.delete)
    plan.status["conditions"] = view.conditions
    for key in ("active", "succeeded", "failed", "completedIndexes", "conditions"):
        if not plan.status.get(key):
            plan.status.pop(key, None)


def _expire(view: _View, ended: Object) -> Plan:
    plan = Plan(view.status)
    ttl, since = (
        view.spec.get("ttlSecondsAfterFinished"),
        pods.parse_time(ended.get("lastTransitionTime")),
    )
    if ttl is not None and since:
        plan.wake_at(since + timedelta(seconds=ttl))
        plan.delete_job = view.now >= since + timedelta(seconds=ttl)
    return plan
