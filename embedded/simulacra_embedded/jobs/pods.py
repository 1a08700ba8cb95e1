"""Pods of a Job: their state, and the Pod to create for a completion."""

import copy
import hashlib
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]

INDEX = "batch.kubernetes.io/job-completion-index"
ATTEMPT = "simulacra.dev/attempt"
"""Annotation: the number of earlier pods of this completion."""
RELEASED = "simulacra.dev/released"
"""Annotation: deleted as surplus or for a suspension; neither failed nor succeeded."""
JOB_NAME = "batch.kubernetes.io/job-name"
JOB_UID = "batch.kubernetes.io/controller-uid"
INDEX_ENV = "JOB_COMPLETION_INDEX"


def parse_time(text: str | None) -> datetime | None:
    """Return an RFC 3339 time as a datetime with zone; None for None."""
    return datetime.fromisoformat(text) if text else None


def format_time(time: datetime) -> str:
    """Return a time as Kubernetes' metav1.Time: UTC, whole seconds."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def phase(pod: Object) -> str:
    """Return status.phase; a pod without one is Pending."""
    return str(pod.get("status", {}).get("phase") or "Pending")


def is_finished(pod: Object) -> bool:
    """Return whether the pod has succeeded or failed."""
    return phase(pod) in ("Succeeded", "Failed")


def is_terminating(pod: Object) -> bool:
    """Return whether the pod is deleted but still runs."""
    return bool(pod["metadata"].get("deletionTimestamp")) and not is_finished(pod)


def is_active(pod: Object) -> bool:
    """Return whether the pod runs or is pending, and is not deleted."""
    return not is_finished(pod) and not is_terminating(pod)


def is_ready(pod: Object) -> bool:
    """Return whether the pod's Ready condition is true."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def index_of(pod: Object) -> int:
    """Return the completion index, 0 without one."""
    return int(pod["metadata"].get("annotations", {}).get(INDEX, 0))


def attempt_of(pod: Object) -> int:
    """Return the number of earlier pods of the same completion."""
    return int(pod["metadata"].get("annotations", {}).get(ATTEMPT, 0))


def is_released(pod: Object) -> bool:
    """Return whether the pod counts neither as failed nor as succeeded."""
    return RELEASED in pod["metadata"].get("annotations", {})


def finished_at(pod: Object) -> datetime | None:
    """Return when the last container ended; without that, when the pod started."""
    containers = pod.get("status", {}).get("containerStatuses") or []
    ends = [c.get("state", {}).get("terminated", {}).get("finishedAt") for c in containers]
    times = [time for end in ends if (time := parse_time(end))]
    start = pod.get("status", {}).get("startTime") or pod["metadata"].get("creationTimestamp")
    return max(times, default=parse_time(start))


def pod_name(job: Object, index: int, attempt: int) -> str:
    """Return `<job>-<index>-<hash>`, at most 63 characters, the same for the same attempt."""
    uid = job["metadata"]["uid"]
    digest = hashlib.sha256(f"{uid}/{index}/{attempt}".encode()).hexdigest()[:8]
    return f"{job['metadata']['name'][: 53 - len(str(index))]}-{index}-{digest}"


def pod_for(job: Object, index: int, attempt: int) -> Object:
    """Return the Pod of a completion's attempt; the Job owns it."""
    meta = job["metadata"]
    template = copy.deepcopy(job["spec"]["template"])
    labels = dict(template.get("metadata", {}).get("labels") or {})
    annotations = dict(template.get("metadata", {}).get("annotations") or {})
    labels |= {JOB_NAME: meta["name"], JOB_UID: meta["uid"]}
    annotations[ATTEMPT] = str(attempt)
    labels[INDEX] = annotations[INDEX] = str(index)
    spec: Object = template["spec"]
    for container in spec["containers"]:
        env = container.setdefault("env", [])
        if not any(entry["name"] == INDEX_ENV for entry in env):
            source = {"fieldRef": {"fieldPath": f"metadata.annotations['{INDEX}']"}}
            env.append({"name": INDEX_ENV, "valueFrom": source})
    owner = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(job, index, attempt),
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner],
        },
        "spec": spec,
    }
