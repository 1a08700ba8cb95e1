"""Kubernetes Events of a resource, for `kubectl describe`.

An Event is emitted when the reason of Ready changes to one that people care about. It says what the
condition says: constants and counts, never customer data. One that cannot be written is dropped.
"""

import hashlib
import logging
from dataclasses import dataclass
from typing import Literal

from simulacra_crds.kinds.base import API_VERSION, utcnow
from simulacra_crds.kube.client import EVENTS, AlreadyExists, Cluster, ClusterError, Object
from simulacra_crds.reasons import Reason
from simulacra_operator.observed.custom_resource import CustomResource

log = logging.getLogger(__name__)
COMPONENT = "simulacra-operator"
_WORK = ("Prepared", "Fitted", "Generated", "Estimated")
_MESSAGES = {
    Reason.JOB_RUNNING: "The job started.",
    Reason.PREPARED: "The table is cleaned and ready for a model.",
    Reason.FITTED: "The model is fit and can generate.",
    Reason.GENERATED: "The rows can be downloaded; all conditions are met.",
    Reason.GENERATED_PARTIALLY: (
        "The rows can be downloaded; some conditions are not met, see status.attainment."
    ),
    Reason.ESTIMATED: "The estimate is ready.",
    Reason.READY: "All conditions are True.",
    Reason.ERASING: "All dependants are deleted; the bytes are being erased.",
    Reason.DENIED: "A person denied the request.",
}
"""Messages of reasons whose condition has none."""
_WARNINGS = frozenset(
    {
        Reason.JOB_RETRYING,
        Reason.UPLOAD_INVALID,
        Reason.TABLE_TOO_SMALL,
        Reason.DESCRIPTION_MISMATCH,
        Reason.SOURCE_ERASED,
        Reason.CONDITIONS_INFEASIBLE,
        Reason.REQUEST_INVALID,
        Reason.DATASET_FAILED,
        Reason.MODEL_FAILED,
        Reason.SOURCE_NOT_ALLOWED,
        Reason.SOURCE_UNREADABLE,
        Reason.SOURCE_TOO_LARGE,
        Reason.SOURCE_MISMATCH,
        Reason.OUT_OF_MEMORY,
        Reason.INTERRUPTED,
        Reason.DEADLINE_EXCEEDED,
        Reason.CUSTODY_UNAVAILABLE,
        Reason.RESULT_INVALID,
        Reason.INTERNAL,
        Reason.KEY_CHECK_FAILED,
        Reason.ERASURE_BLOCKED,
        Reason.TENANT_GONE,
        Reason.POD_NOT_STARTING,
        Reason.SOURCE_SECRET_MISSING,
    }
)
_NORMAL = frozenset(
    {
        *_MESSAGES,
        Reason.SUSPENDED,
        Reason.AWAITING_QUOTA,
        Reason.AWAITING_CONFIRMATION,
        Reason.QUEUED_BY_KUEUE,
        Reason.DRAINING,
    }
)


@dataclass(frozen=True)
class EventContent:
    """Type, reason and message of an Event."""

    type: Literal["Normal", "Warning"]
    reason: Reason
    message: str


def content(before: CustomResource, patch: Object) -> EventContent | None:
    """Return the Event of a status patch, None when it changes nothing of interest."""
    after = {one["type"]: one for one in patch.get("conditions", ())}
    ready = after.get("Ready")
    old = [one.reason for one in before.status.conditions if one.type == "Ready"]
    if ready is None or ready["reason"] in old:
        return None
    shown = ready
    if ready["reason"] == Reason.READY:
        shown = next((after[name] for name in _WORK if name in after), ready)
    reason = Reason(shown["reason"])
    message = shown.get("message") or _MESSAGES.get(reason, "")
    if reason in _WARNINGS:
        return EventContent("Warning", reason, message)
    return EventContent("Normal", reason, message) if reason in _NORMAL else None


async def emit(cluster: Cluster, resource: CustomResource, patch: Object) -> None:
    """Create the Event of a status patch, or increment the count of an equal one."""
    event = content(resource, patch)
    if event is None:
        return
    # failures have a line of their own, with the support id
    log.info("state changed", extra={**resource.log_fields(), "reason": str(event.reason)})
    body = _manifest(resource, event)
    name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
    try:
        try:
            await cluster.create(EVENTS, body, namespace)
        except AlreadyExists:
            count = int((await cluster.get(EVENTS, name, namespace)).get("count") or 1)
            again = {"lastTimestamp": body["lastTimestamp"], "message": event.message}
            await cluster.patch(EVENTS, name, {**again, "count": count + 1}, namespace)
    except ClusterError as error:
        fields = {"reason": str(event.reason), "status": error.status}
        log.info("event dropped", extra=fields)


def _manifest(resource: CustomResource, event: EventContent) -> Object:
    """Return the Event; resource and reason determine its name, so equal ones are one object."""
    meta, now = resource.meta, utcnow().strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = hashlib.sha256(f"{meta.uid}\x1f{event.reason}".encode()).hexdigest()[:16]
    involved = {
        "apiVersion": API_VERSION,
        "kind": resource.kind,
        "name": meta.name,
        "uid": meta.uid,
        "resourceVersion": meta.resource_version,
    }
    if meta.namespace is not None:
        involved["namespace"] = meta.namespace
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{meta.name}.{digest}", "namespace": meta.namespace or "default"},
        "involvedObject": involved,
        "type": event.type,
        "reason": str(event.reason),
        "message": event.message,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
