"""Conditions of a Job, with the reasons and messages that Kubernetes' own controller writes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from simulacra_embedded.jobs.pods import format_time

Object = dict[str, Any]

SUCCESS = ("CompletionsReached", "Reached expected number of succeeded pods")
BACKOFF = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
DEADLINE = ("DeadlineExceeded", "Job was active longer than specified deadline")
POLICY = "PodFailurePolicy"
NOT_SUPPORTED = "NotSupported"


def find(conditions: list[Object], kind: str) -> Object | None:
    """Return the condition of this type if it is true."""
    return next((c for c in conditions if c["type"] == kind and c["status"] == "True"), None)


def ensure(
    conditions: list[Object], kind: str, status: str, reason: str, message: str, now: datetime
) -> tuple[list[Object], bool]:
    """Return the conditions with one set, and whether that changed its status; False is never added anew."""
    found = next((c for c in conditions if c["type"] == kind), None)
    if found is None and status == "False":
        return conditions, False
    if found is not None and (found["status"], found.get("reason")) == (status, reason):
        return conditions, False
    time = format_time(now)
    new = {"type": kind, "status": status, "reason": reason, "message": message}
    new |= {"lastProbeTime": time, "lastTransitionTime": time}
    return [*(c for c in conditions if c["type"] != kind), new], True
