"""Events for `kubectl describe`: what happened to a resource, in a few lines, each written once however often it is so.

An event is told when the reason of Ready moves to one that a person wants to know. It says no more than the condition
does: constants and counts, never customer data. It is a courtesy: one that cannot be written is left out.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import Literal

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.kinds.base import API_VERSION, utcnow
from simulacra_crds.kube.client import EVENTS, AlreadyExists, Cluster, ClusterError, Object
from simulacra_operator.work.custom_resource import Subject

log = logging.getLogger(__name__)
COMPONENT = "simulacra-operator"
_WORK = ("Prepared", "Fitted", "Generated", "Estimated")
_STORY = {
    Reason.JOB_RUNNING: "the work began",
    Reason.PREPARED: "the table is cleaned and can be learned from",
    Reason.FITTED: "the model is fit and can generate",
    Reason.GENERATED: "the rows can be downloaded; every condition is met",
    Reason.GENERATED_PARTIALLY: "the rows can be downloaded; some condition could not be met, see status.attainment",
    Reason.ESTIMATED: "the effect is estimated",
    Reason.READY: "all conditions hold",
    Reason.ERASING: "nothing depends on it any more; the bytes are being erased",
    Reason.DENIED: "a person denied the request",
}
"""What a reason means whose condition has no message of its own."""
_WARNINGS = frozenset(
    {
        Reason.JOB_RETRYING,
        Reason.UPLOAD_INVALID,
        Reason.TABLE_TOO_SMALL,
        Reason.CONDITIONS_INFEASIBLE,
        Reason.REQUEST_INVALID,
        Reason.DATASET_FAILED,
        Reason.MODEL_FAILED,
        Reason.SOURCE_NOT_ALLOWED,
        Reason.SOURCE_UNREADABLE,
        Reason.SOURCE_TOO_LARGE,
        Reason.SOURCE_MISMATCH,
        Reason.OUT_OF_MEMORY,
        Reason.DEADLINE_EXCEEDED,
        Reason.CUSTODY_UNAVAILABLE,
        Reason.INTERNAL,
        Reason.KEY_CHECK_FAILED,
        Reason.ERASURE_BLOCKED,
        Reason.TENANT_GONE,
        Reason.POD_NOT_STARTING,
        Reason.SOURCE_SECRET_MISSING,
    }
)
_NORMAL = frozenset(
    {*_STORY, Reason.SUSPENDED, Reason.AWAITING_QUOTA, Reason.QUEUED_BY_KUEUE, Reason.DRAINING}
)


@dataclass(frozen=True)
class Note:
    """One thing to tell."""

    type: Literal["Normal", "Warning"]
    reason: Reason
    message: str


def note(before: Subject, patch: Object) -> Note | None:
    """Return what a patch of status has to tell, None when it is nothing new or nothing for people."""
    after = {one["type"]: one for one in patch.get("conditions", ())}
    ready = after.get("Ready")
    if ready is None or any(
        one.type == "Ready" and one.reason == ready["reason"] for one in before.status.conditions
    ):
        return None
    told = ready
    if ready["reason"] == Reason.READY:
        told = next((after[name] for name in _WORK if name in after), ready)
    reason = Reason(told["reason"])
    message = told.get("message") or _STORY.get(reason, "")
    if reason in _WARNINGS:
        return Note("Warning", reason, message)
    return Note("Normal", reason, message) if reason in _NORMAL else None


async def tell(cluster: Cluster, subject: Subject, patch: Object) -> None:
    """Write the event of a patch, or count up the one that is there."""
    told = note(subject, patch)
    if told is None:
        return
    body = _event(subject, told)
    name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
    try:
        try:
            await cluster.create(EVENTS, body, namespace)
        except AlreadyExists:
            count = int((await cluster.get(EVENTS, name, namespace)).get("count") or 1)
            again = {
                "count": count + 1,
                "lastTimestamp": body["lastTimestamp"],
                "message": told.message,
            }
            await cluster.patch(EVENTS, name, again, namespace)
    except ClusterError as error:
        log.info(
            "an event was left out", extra={"reason": str(told.reason), "status": error.status}
        )


def _event(subject: Subject, told: Note) -> Object:
    """Return the Event; its name is made of what it is about, so that the same is said once."""
    meta, now = subject.meta, utcnow().strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = hashlib.sha256(f"{meta.uid}\x1f{told.reason}".encode()).hexdigest()[:16]
    about = {"apiVersion": API_VERSION, "kind": subject.kind, "name": meta.name, "uid": meta.uid}
    if meta.namespace is not None:
        about["namespace"] = meta.namespace
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{meta.name}.{digest}", "namespace": meta.namespace or "default"},
        "involvedObject": {**about, "resourceVersion": meta.resource_version},
        "type": told.type,
        "reason": str(told.reason),
        "message": told.message,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
