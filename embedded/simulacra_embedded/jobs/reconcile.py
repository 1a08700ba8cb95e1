"""The next step for a Job: a pure function of the Job, its Pods and the time.

The rules are those of Kubernetes' `pkg/controller/job/job_controller.go` (syncJob, manageJob), but:
- Pods have no finalizer. A pod that was deleted before this controller saw its end is replaced and
  not counted. So that no pod is counted twice, `status.uncountedTerminatedPods` has the uids of
  counted pods that are still listed (in Kubernetes: of those not counted yet).
- Pods deleted as surplus or for a suspension are not counted, as in Kubernetes; an annotation marks
  them (`release`) where Kubernetes removes its finalizer.
- It runs Jobs as the operator writes them (`REQUIRED`); another one fails with a condition that
  says why.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from simulacra_embedded.jobs import pods, status

Object = dict[str, Any]
BACKOFF_MAX = timedelta(minutes=10)
REQUIRED = {"completionMode": "Indexed", "podReplacementPolicy": "Failed"}
UNSUPPORTED = (
    *("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"),
    "ttlSecondsAfterFinished",
)


@dataclass
class Plan:
    """The writes for a Job, and when to reconcile it again without an event."""

    status: Object
    create: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    release: bool = False
    """Whether to mark the pods before their deletion, so that they are not counted."""
    wake: datetime | None = None

    def wake_at(self, time: datetime) -> None:
        """Reconcile again at this time, or at an earlier one that is set."""
        self.wake = min(time, self.wake or time)


class _View:
    """A Job with its pods, sorted by state."""

    def __init__(self, job: Object, owned: list[Object], now: datetime) -> None:
        self.spec: Object = job["spec"]
        self.job = job
        self.now = now
        self.owned = owned
        self.status: Object = job.get("status") or {}
        self.conditions: list[Object] = list(self.status.get("conditions") or [])
        self.completions = int(self.spec.get("completions") or 0)
        self.parallelism = int(self.spec.get("parallelism", 1))
        self.suspended = bool(self.spec.get("suspend"))
        self.active = [pod for pod in owned if pods.is_active(pod)]
        self.terminating = [pod for pod in owned if pods.is_terminating(pod)]
        rules = (self.spec.get("podFailurePolicy") or {}).get("rules") or []
        self.verdicts: dict[str, status.Verdict] = {
            pod["metadata"]["uid"]: status.judge(pod, rules)
            for pod in owned
            if pods.phase(pod) == "Failed" and not pods.is_released(pod)
        }
        self.failed = {uid for uid, one in self.verdicts.items() if one.action != "Ignore"}
        self.succeeded = [
            pod for pod in owned if pods.phase(pod) == "Succeeded" and not pods.is_released(pod)
        ]


def reconcile(job: Object, owned: list[Object], now: datetime, backoff: timedelta) -> Plan:
    """Decide the next step for a Job.

    `owned` are its pods, including ended ones. `backoff` is the pause after the first failure; each
    further one doubles it, up to BACKOFF_MAX.
    """
    view = _View(job, owned, now)
    if any(status.find_condition(view.conditions, kind) for kind in ("Complete", "Failed")):
        return Plan(view.status)
    plan = Plan(_count(view))
    if (target := _target(view, plan)) is None:
        _manage(view, plan, backoff)
        if plan.status["succeeded"] >= view.completions:
            target = "SuccessCriteriaMet"
            _set(view, target, "True", *status.SUCCESS)
        else:
            _note_suspension(view, plan)
    if target:
        plan.create, plan.delete, plan.release = [], view.active, False
        if not view.active and not view.terminating:
            _finish(view, plan, target)
    _publish(view, plan)
    return plan


def _set(view: _View, kind: str, value: str, reason: str, message: str) -> bool:
    view.conditions, changed = status.set_condition(
        view.conditions, kind, value, reason, message, view.now
    )
    return changed


def _count(view: _View) -> Object:
    """Return the status, which counts every ended pod exactly once."""
    found = dict(view.status)
    before = set((found.get("uncountedTerminatedPods") or {}).get("failed") or [])
    listed = {pod["metadata"]["uid"] for pod in view.owned}
    found["failed"] = int(found.get("failed") or 0) + len(view.failed - before)
    counted = sorted((before & listed) | view.failed)
    found["uncountedTerminatedPods"] = {"failed": counted} if counted else {}
    done = status.parse_indexes(found.get("completedIndexes") or "")
    done |= {pods.index_of(pod) for pod in view.succeeded}
    found["completedIndexes"] = status.format_indexes(done)
    found["succeeded"] = len(done)
    if not found.get("startTime") and not view.suspended:
        found["startTime"] = pods.format_time(view.now)
    return found


def _target(view: _View, plan: Plan) -> str | None:
    """Return the interim condition of a Job whose end is decided; its pods may still run."""
    for kind in ("SuccessCriteriaMet", "FailureTarget"):
        if status.find_condition(view.conditions, kind):
            return kind
    if cause := _failure(view, plan):
        _set(view, "FailureTarget", "True", *cause)
        return "FailureTarget"
    return None


def _failure(view: _View, plan: Plan) -> tuple[str, str] | None:
    """Return reason and message if the Job must fail."""
    if found := [name for name in UNSUPPORTED if view.spec.get(name) is not None]:
        message = f"spec.{found[0]}: the embedded Job controller does not support this; remove it"
        return status.NOT_SUPPORTED, message
    if wrong := [name for name, value in REQUIRED.items() if view.spec.get(name) != value]:
        message = f"spec.{wrong[0]}: the embedded Job controller needs {REQUIRED[wrong[0]]}"
        return status.NOT_SUPPORTED, message
    fatal = next((one for one in view.verdicts.values() if one.action == "FailJob"), None)
    if fatal:
        return status.POLICY, fatal.message
    limit = int(view.spec.get("backoffLimit", 6))
    if plan.status["failed"] > limit:
        return status.BACKOFF
    seconds = view.spec.get("activeDeadlineSeconds")
    start = pods.parse_time(plan.status.get("startTime"))
    if seconds is not None and start and not view.suspended:
        deadline = start + timedelta(seconds=seconds)
        if view.now >= deadline:
            return status.DEADLINE
        plan.wake_at(deadline)
    return None


def _manage(view: _View, plan: Plan, backoff: timedelta) -> None:
    """Plan the pods to create or delete for the wanted number of running pods."""
    if view.suspended:
        plan.delete, plan.release = list(view.active), True
        return
    wanted = min(view.parallelism, view.completions - plan.status["succeeded"])
    surplus = len(view.active) - wanted
    if surplus > 0:
        by_age = sorted(view.active, key=lambda pod: (pods.is_ready(pod), -pods.attempt_of(pod)))
        plan.delete, plan.release = by_age[:surplus], True
        return
    missing = -surplus - len(view.terminating)
    if missing <= 0 or view.job["metadata"].get("deletionTimestamp"):
        return
    ready = _backoff_until(view, backoff)
    if ready and view.now < ready:
        plan.wake_at(ready)
        return
    plan.create = _new_pods(view, plan, missing)


def _backoff_until(view: _View, backoff: timedelta) -> datetime | None:
    """Return when the next pod may be created; each failure since a success doubles the pause.

    One that the policy ignores, too.
    """
    successes = [time for pod in view.succeeded if (time := pods.finished_at(pod))]
    failed = [pod for pod in view.owned if pod["metadata"]["uid"] in view.verdicts]
    failures = [time for pod in failed if (time := pods.finished_at(pod))]
    recent = [time for time in failures if not successes or time > max(successes)]
    if not recent:
        return None
    pause: timedelta = min(backoff * 2 ** min(len(recent) - 1, 20), BACKOFF_MAX)
    return max(recent) + pause


def _new_pods(view: _View, plan: Plan, missing: int) -> list[Object]:
    attempts: dict[int, int] = {}
    for pod in view.owned:
        index = pods.index_of(pod)
        attempts[index] = max(attempts.get(index, -1), pods.attempt_of(pod))
    taken = status.parse_indexes(plan.status["completedIndexes"])
    taken |= {pods.index_of(pod) for pod in view.active + view.terminating}
    free = [index for index in range(view.completions) if index not in taken]
    return [pods.pod_for(view.job, index, attempts.get(index, -1) + 1) for index in free[:missing]]


def _note_suspension(view: _View, plan: Plan) -> None:
    if view.suspended:
        if _set(view, "Suspended", "True", "JobSuspended", "Job suspended"):
            plan.status.pop("startTime", None)
    elif _set(view, "Suspended", "False", "JobResumed", "Job resumed"):
        plan.status["startTime"] = pods.format_time(view.now)


def _finish(view: _View, plan: Plan, target: str) -> None:
    interim = status.find_condition(view.conditions, target)
    if target == "SuccessCriteriaMet":
        plan.status["completionTime"] = pods.format_time(view.now)
        _set(view, "Complete", "True", *status.SUCCESS)
    elif interim:
        _set(view, "Failed", "True", interim["reason"], interim["message"])
    plan.status["uncountedTerminatedPods"] = {}


def _publish(view: _View, plan: Plan) -> None:
    """Add the present counters to the planned status; zero is absent, as in Kubernetes."""
    doomed = {pod["metadata"]["uid"] for pod in plan.delete}
    active = [pod for pod in view.active if pod["metadata"]["uid"] not in doomed]
    plan.status["active"] = len(active) + len(plan.create)
    plan.status["ready"] = sum(pods.is_ready(pod) for pod in active)
    plan.status["terminating"] = len(view.terminating) + len(plan.delete)
    plan.status["conditions"] = view.conditions
    for key in ("active", "succeeded", "failed", "completedIndexes", "conditions"):
        if not plan.status.get(key):
            plan.status.pop(key, None)
