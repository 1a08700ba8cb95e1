"""Fields of a Job's status: conditions and completed indexes.

Reasons and messages of conditions are those of Kubernetes' own controller.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from simulacra_embedded.jobs.pods import format_time

Object = dict[str, Any]

SUCCESS = ("CompletionsReached", "Reached expected number of succeeded pods")
BACKOFF = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
DEADLINE = ("DeadlineExceeded", "Job was active longer than specified deadline")
POLICY = "PodFailurePolicy"
NOT_SUPPORTED = "NotSupported"


def find_condition(conditions: list[Object], kind: str) -> Object | None:
    """Return the condition of this type, if it is true."""
    return next((c for c in conditions if c["type"] == kind and c["status"] == "True"), None)


def set_condition(
    conditions: list[Object], kind: str, status: str, reason: str, message: str, now: datetime
) -> tuple[list[Object], bool]:
    """Return the conditions with one set, and whether it changed; "False" is never added."""
    found = next((c for c in conditions if c["type"] == kind), None)
    if found is None and status == "False":
        return conditions, False
    if found is not None and (found["status"], found.get("reason")) == (status, reason):
        return conditions, False
    time = format_time(now)
    new = {"type": kind, "status": status, "reason": reason, "message": message}
    new |= {"lastProbeTime": time, "lastTransitionTime": time}
    return [*(c for c in conditions if c["type"] != kind), new], True


def parse_indexes(text: str) -> set[int]:
    """Return the indexes of a `completedIndexes` string.

    Raises:
        ValueError: A part is neither `n` nor `n-m`.
    """
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def format_indexes(indexes: Iterable[int]) -> str:
    """Return indexes as `0-2,5`: runs of two are `a,b`, longer ones `a-c`."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    parts = [f"{a}" if a == b else f"{a},{b}" if b == a + 1 else f"{a}-{b}" for a, b in runs]
    return ",".join(parts)
