"""What the Job controller reads off a Pod."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]

INDEX = "batch.kubernetes.io/job-completion-index"
ATTEMPT = "simulacra.dev/attempt"
"""Annotation: how many pods this completion (Indexed) or this Job (NonIndexed) had before this one."""
RELEASED = "simulacra.dev/released"
"""Annotation: deleted as surplus or for a suspension; counts neither as failed nor as succeeded."""
JOB_NAME = "batch.kubernetes.io/job-name"
JOB_UID = "batch.kubernetes.io/controller-uid"


def parse_time(text: str | None) -> datetime | None:
    """Return an RFC 3339 time as a datetime with zone, None for None."""
    return datetime.fromisoformat(text) if text else None


def format_time(time: datetime) -> str:
    """Return the time as Kubernetes' metav1.Time: UTC, whole seconds."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def phase(pod: Object) -> str:
    """Return status.phase; a pod without one is Pending."""
    return str(pod.get("status", {}).get("phase") or "Pending")


def is_finished(pod: Object) -> bool:
    """Whether the pod ended, well or not."""
    return phase(pod) in ("Succeeded", "Failed")


def is_terminating(pod: Object) -> bool:
    """Whether the pod was told to end and has not yet."""
    return bool(pod["metadata"].get("deletionTimestamp")) and not is_finished(pod)


def is_active(pod: Object) -> bool:
    """Whether the pod runs or will."""
    return not is_finished(pod) and not is_terminating(pod)


def is_ready(pod: Object) -> bool:
    """Whether the pod's Ready condition is true."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def index_of(pod: Object) -> int | None:
    """Return the completion index, None for a pod of a NonIndexed Job."""
    value = pod["metadata"].get("annotations", {}).get(INDEX)
    return int(value) if value is not None else None


def attempt_of(pod: Object) -> int:
    """Return how many pods came before this one for the same completion."""
    return int(pod["metadata"].get("annotations", {}).get(ATTEMPT, 0))


def is_released(pod: Object) -> bool:
    """Whether the pod counts for nothing."""
    return RELEASED in pod["metadata"].get("annotations", {})


def restarts(pod: Object) -> int:
    """Return how often containers were restarted in place (restartPolicy OnFailure)."""
    return sum(
        int(c.get("restartCount", 0)) for c in pod.get("status", {}).get("containerStatuses") or []
    )


def finished_at(pod: Object) -> datetime | None:
    """Return when the last container ended, or when the pod was seen to fail."""
    status = pod.get("status", {})
    ends = [
        c.get("state", {}).get("terminated", {}).get("finishedAt")
        for c in status.get("containerStatuses") or []
    ]
    times = [time for end in ends if (time := parse_time(end))]
    return max(
        times,
        default=parse_time(status.get("startTime") or pod["metadata"].get("creationTimestamp")),
    )
