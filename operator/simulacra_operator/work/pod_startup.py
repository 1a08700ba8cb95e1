"""Pods that do not start: which of them a person must put right, and what to do.

Messages are built from what the operator wrote into the pod itself; of what the kubelet says, only whether it names the
Secret and its keys is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.tasks import SOURCE_VARIABLES
from simulacra_crds.kinds.base import LastFailure
from simulacra_crds.kube.client import Object
from simulacra_operator.work.conditions import Finding
from simulacra_operator.work.observed import Observed

PATIENCE = timedelta(seconds=10)
"""A pod that fits no node for so long is told of; schedulers need a moment."""
_UNCONFIGURED = "CreateContainerConfigError"
_NOT_STARTING = frozenset(
    {"ImagePullBackOff", "InvalidImageName", _UNCONFIGURED, "CreateContainerError"}
)
_PULLING = {"ErrImagePull": "ImagePullBackOff"}
"""What a kubelet says in turns: while it tries once more and while it waits. The condition is not to change with it."""
_REASONS = frozenset({Reason.POD_NOT_STARTING, Reason.SOURCE_SECRET_MISSING})
_TOLD = 900
"""Characters of a message that are repeated in another, of the 1,024 that one may have."""


def stalled(seen: Observed, work_condition: str) -> Finding | None:
    """Return why a pod does not start, for a person to put right; None when all do, or it is so only for a moment.

    The pods of a Job that ran out of time go before the Job says so: until then, what was found before stays.
    """
    now = next((found for pod in seen.pods if (found := _of(pod, seen.now)) is not None), None)
    return now or (_before(seen, work_condition) if _is_failing(seen.job or {}) else None)


def explained(seen: Observed, work_condition: str, failure: LastFailure) -> LastFailure:
    """Return a failure, but that of work whose time went by while a pod did not start as what kept it from starting."""
    kept = _before(seen, work_condition)
    if failure.reason != Reason.DEADLINE_EXCEEDED or kept is None:
        return failure
    message = f"{kept.message[:_TOLD]}; it waited for as long as its Job may: put it right, then create another"
    return failure.model_copy(update={"reason": str(kept.reason), "message": message})


def _before(seen: Observed, work_condition: str) -> Finding | None:
    """Return what the last pass found in the way of a pod."""
    for one in seen.subject.status.conditions:
        if one.type == work_condition and one.reason in _REASONS:
            return Finding("False", Reason(one.reason), one.message)
    return None


def _is_failing(job: Object) -> bool:
    conditions: Iterable[Object] = job.get("status", {}).get("conditions") or []
    return any(one["type"] == "FailureTarget" and one["status"] == "True" for one in conditions)


def _of(pod: Object, now: datetime) -> Finding | None:
    status = pod.get("status", {})
    for one in status.get("conditions") or []:
        since = one.get("lastTransitionTime")
        unfit = (
            one["type"] == "PodScheduled"
            and one.get("reason") == "Unschedulable"
            and isinstance(since, str)
        )
        if unfit and now - datetime.fromisoformat(since) >= PATIENCE:
            return Finding(
                "False", Reason.POD_NOT_STARTING, f"a pod fits no node: {one.get('message', '')}"
            )
    for container in status.get("containerStatuses") or []:
        waiting = container.get("state", {}).get("waiting", {})
        reason = waiting.get("reason", "")
        reason = _PULLING.get(reason, reason)
        if reason in _NOT_STARTING:
            secret = (
                _missing_secret(pod, waiting.get("message", ""))
                if reason == _UNCONFIGURED
                else None
            )
            general = f"a pod does not start: {reason}; look at its image and its configuration"
            return secret or Finding("False", Reason.POD_NOT_STARTING, general)
    return None


def _missing_secret(pod: Object, said: str) -> Finding | None:
    """Return that the tenant's own Secret for reading a source is what the kubelet misses, or a key of it."""
    (container, *_) = pod.get("spec", {}).get("containers") or [{}]
    entries = [one for one in container.get("env") or [] if one["name"] in SOURCE_VARIABLES]
    refs = [
        one["valueFrom"]["secretKeyRef"]
        for one in entries
        if not one["valueFrom"]["secretKeyRef"].get("optional")
    ]
    words = set(re.findall(r"[A-Za-z0-9._-]+", said))
    if not refs or refs[0]["name"] not in words:
        return None
    name, namespace, keys = (
        refs[0]["name"],
        pod["metadata"].get("namespace", ""),
        [one["key"] for one in refs],
    )
    lacks = next((f"has no key {key}: add it" for key in keys if key in words), None)
    absent = f"is not there: create it with {' and '.join(keys)}"
    return Finding(
        "False",
        Reason.SOURCE_SECRET_MISSING,
        f"the Secret {name} in {namespace}, which secretName in the Tenant's spec.sources names, {lacks or absent}, "
        "and the pod starts by itself; or name another in spec.sources and create another Dataset",
    )
