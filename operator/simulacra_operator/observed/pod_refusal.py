"""Jobs that get no pod: what the API server's Event or Kueue's Workload says about the cause.

An admission webhook may quote the whole pod in its answer. So of an Event, only known forms are
recognized, and of them only the names of cluster objects.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from simulacra_crds.kube.client import EVENTS, WORKLOADS, Cluster, ClusterError, Object
from simulacra_crds.reasons import Reason
from simulacra_operator.observed.conditions import Finding
from simulacra_operator.observed.placement import queued

SLOW = timedelta(seconds=30)
"""How long a Job may have no pod, and a pod no container, before it is reported."""
_NAME = "([A-Za-z0-9._-]{1,253})"
_REFUSALS = {
    f"exceeded quota: {_NAME}": "the ResourceQuota {} has no room for it",
    f"no PriorityClass with name {_NAME} was found": "the PriorityClass {} does not exist",
    f'admission webhook "{_NAME}" denied': "the admission webhook {} denies it",
    f'failed calling webhook "{_NAME}"': "the admission webhook {} cannot be called",
    f"ValidatingAdmissionPolicy '{_NAME}'": "the ValidatingAdmissionPolicy {} denies it",
    f'serviceaccount "{_NAME}" not found': "the ServiceAccount {} is missing",
    "violates PodSecurity": "Pod Security of the namespace denies it",
}
"""What an API server says about a pod that it refuses, and how the condition says it."""
_NEVER = ("maximum capacity", "doesn't exist")
"""In Kueue's message about a Job that no free quota can start. It names queues and quantities."""
_QUOTED = 900
"""Characters of one message that are quoted in another, which may have 1,024."""


def lacks_pod(job: Object, pods: Sequence[Object], now: datetime) -> bool:
    """Return whether a running Job has had no pod for `SLOW` or longer."""
    status = job.get("status", {})
    since = status.get("startTime")
    if pods or not isinstance(since, str) or job["spec"].get("suspend"):
        return False
    ended = any(one["status"] == "True" for one in status.get("conditions") or [])
    return not ended and now - datetime.fromisoformat(since) >= SLOW


async def refusal(
    cluster: Cluster, job: Object | None, pods: Sequence[Object], now: datetime
) -> str:
    """Return what the cluster says about a Job that gets no pod, empty when it says nothing."""
    if job is None:
        return ""
    uid, namespace = job["metadata"]["uid"], job["metadata"]["namespace"]
    try:
        if queued(job) and job["spec"].get("suspend"):
            label = f"kueue.x-k8s.io/job-uid={uid}"
            workloads = [one async for one in cluster.list(WORKLOADS, namespace, labels=label)]
            conditions = [c for one in workloads for c in one["status"].get("conditions", ())]
            kept = [one for one in conditions if one["type"] == "QuotaReserved"]
            return next((one.get("message", "") for one in kept if one["status"] == "False"), "")
        if lacks_pod(job, pods, now):
            field = f"involvedObject.uid={uid}"
            events = [one async for one in cluster.list(EVENTS, namespace, fields=field)]
            failed = [one for one in events if one.get("reason") == "FailedCreate"]
            newest = max(failed, key=lambda one: one.get("lastTimestamp") or "", default={})
            return str(newest.get("message", ""))
    except ClusterError:
        pass  # the cause is a help; without it, the condition says where to look
    return ""


def without_pod(job: Object, said: str) -> Finding:
    """Return that no pod can be created, with the cause if the API server's words are known."""
    meta = job["metadata"]
    see = f"`kubectl describe job {meta['name']} -n {meta.get('namespace', '')}`"
    for pattern, told in _REFUSALS.items():
        if (found := re.search(pattern, said)) is not None:
            message = f"No pod can be created: {told.format(*found.groups())}. See {see}."
            return Finding("False", Reason.POD_NOT_STARTING, message)
    message = f"The Job has no pod: quota, priority class or admission may refuse it. See {see}."
    return Finding("False", Reason.POD_NOT_STARTING, message)


def never_admitted(said: str) -> Finding | None:
    """Return why Kueue never starts a queued Job, None when it may."""
    if not any(one in said for one in _NEVER):
        return None
    message = f"Kueue cannot start the Job: {said[:_QUOTED]}"
    return Finding("False", Reason.POD_NOT_STARTING, message)
