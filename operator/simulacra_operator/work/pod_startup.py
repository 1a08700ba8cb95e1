"""Pods that do not start: which ones a person must fix, and how.

Messages contain only what the operator wrote into the pod. Of the kubelet's message, only the
names of the Secret and its keys are recognized.
"""

import re
from datetime import datetime, timedelta

from simulacra_crds.kinds.base import LastFailure
from simulacra_crds.kube.client import Object
from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import SOURCE_VARIABLES, ExitCode
from simulacra_operator.observed.conditions import Finding, has_condition
from simulacra_operator.observed.observe import Observed
from simulacra_operator.observed.pod_refusal import SLOW, lacks_pod, without_pod

PATIENCE = timedelta(seconds=10)
"""How long a pod may be unschedulable before it is reported."""
TRIED_AGAIN = timedelta(minutes=15)
"""Within this time a Job that waits for the end of an outage tries again and fails: Kubernetes
pauses ten minutes at most between attempts."""
_UNCONFIGURED = "CreateContainerConfigError"
_NOT_STARTING = frozenset(
    {"ImagePullBackOff", "InvalidImageName", _UNCONFIGURED, "CreateContainerError"}
)
_SAME = {"ErrImagePull": "ImagePullBackOff"}
"""The kubelet alternates between these two; the condition must not."""
_REASONS = frozenset({Reason.POD_NOT_STARTING, Reason.SOURCE_SECRET_MISSING})
_QUOTED = 900
"""Characters of one message that are quoted in another, which may have 1,024."""


def stalled(seen: Observed, work_condition: str) -> Finding | None:
    """Return why a pod does not start if a person must fix it, else None.

    The pods of a Job that ran out of time go before the Job says so: until then, the earlier
    finding stays.
    """
    now = next((found for pod in seen.pods if (found := _of(pod, seen.now)) is not None), None)
    if now is None and seen.job is not None and lacks_pod(seen.job, seen.pods, seen.now):
        now = without_pod(seen.job, seen.refusal)
    return now or (_before(seen, work_condition) if is_failing(seen.job or {}) else None)


def explained(seen: Observed, work_condition: str, failure: LastFailure) -> LastFailure:
    """Return a failure; a missed deadline is replaced by what kept the pod from its work."""
    kept = _before(seen, work_condition) or _outage(seen)
    if failure.reason != Reason.DEADLINE_EXCEEDED or kept is None:
        return failure
    message = f"{kept.message[:_QUOTED]} The Job reached its time limit; create another resource."
    return failure.model_copy(update={"reason": str(kept.reason), "message": message})


def _before(seen: Observed, work_condition: str) -> Finding | None:
    """Return what the last pass found about a pod that does not start."""
    for one in seen.resource.status.conditions:
        if one.type == work_condition and one.reason in _REASONS:
            return Finding("False", Reason(one.reason), one.message)
    return None


def _outage(seen: Observed) -> Finding | None:
    """Return the outage that the last pod met, if the Job was still waiting for its end."""
    last = seen.resource.status.last_failure
    if last is None or last.exit_code != ExitCode.OUTAGE or seen.now - last.time > TRIED_AGAIN:
        return None
    return Finding("False", Reason.CUSTODY_UNAVAILABLE, last.message)


def is_failing(job: Object) -> bool:
    """Return whether a Job ends its pods, because it has failed."""
    return has_condition(job, "FailureTarget")


def _of(pod: Object, now: datetime) -> Finding | None:
    status = pod.get("status", {})
    for one in status.get("conditions") or []:
        if one["type"] == "PodScheduled" and one.get("reason") == "Unschedulable":
            since = one.get("lastTransitionTime")
            if isinstance(since, str) and now - datetime.fromisoformat(since) >= PATIENCE:
                message = f"No node fits a pod: {one.get('message', '')}"
                return Finding("False", Reason.POD_NOT_STARTING, message)
    for container in status.get("containerStatuses") or []:
        waiting = container.get("state", {}).get("waiting", {})
        reason = waiting.get("reason", "")
        reason = _SAME.get(reason, reason)
        if reason == "ContainerCreating" and _is_slow(status, now):
            return _creating(pod)
        if reason not in _NOT_STARTING:
            continue
        if reason == _UNCONFIGURED:
            missing = _missing_secret(pod, waiting.get("message", ""))
            if missing is not None:
                return missing
        message = f"A pod does not start: {reason}. Check its image and its configuration."
        return Finding("False", Reason.POD_NOT_STARTING, message)
    return None


def _is_slow(status: Object, now: datetime) -> bool:
    since = status.get("startTime")
    return isinstance(since, str) and now - datetime.fromisoformat(since) >= SLOW


def _creating(pod: Object) -> Finding:
    """Return what a container waits for: the kubelet says whether the pod has its sandbox."""
    meta, has_sandbox = pod["metadata"], has_condition(pod, "PodReadyToStartContainers")
    waits = "its image is being pulled" if has_sandbox else "it has no sandbox or volume yet"
    name, namespace = meta.get("name", ""), meta.get("namespace", "")
    message = (
        f"A pod has had no container for {SLOW.seconds} seconds: {waits}. "
        f"See `kubectl describe pod {name} -n {namespace}`."
    )
    return Finding("False", Reason.POD_NOT_STARTING, message)


def _missing_secret(pod: Object, kubelet: str) -> Finding | None:
    """Return that the tenant's Secret for reading a source, or a key of it, is missing."""
    (container, *_) = pod.get("spec", {}).get("containers") or [{}]
    entries = [one for one in container.get("env") or [] if one["name"] in SOURCE_VARIABLES]
    refs = [one["valueFrom"]["secretKeyRef"] for one in entries]
    refs = [one for one in refs if not one.get("optional")]
    words = set(re.findall(r"[A-Za-z0-9._-]+", kubelet))
    if not refs or refs[0]["name"] not in words:
        return None
    name, namespace = refs[0]["name"], pod["metadata"].get("namespace", "")
    keys = [one["key"] for one in refs]
    key = next((key for key in keys if key in words), None)
    lack = (
        f"has no key {key}: add it" if key else f"is missing: create it with {' and '.join(keys)}"
    )
    return Finding(
        "False",
        Reason.SOURCE_SECRET_MISSING,
        f"Secret {name} in {namespace}, the secretName in the Tenant's spec.sources, {lack}, and "
        "the pod starts. Or name another Secret there and create another Dataset.",
    )
