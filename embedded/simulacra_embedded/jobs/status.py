"""Status of a Job: conditions, completed indexes, and the effect of a pod's failure on it.

Reasons and messages of conditions are those of Kubernetes' own controller.
"""

from collections.abc import Iterable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Verdict:
    """The action (FailJob, Ignore or Count) and a message with the rule that matched."""

    action: str
    message: str = ""


def judge(pod: Object, rules: list[Object]) -> Verdict:
    """Return the action of the first rule that matches a failed pod; Count when none does.

    Source: Kubernetes `pkg/controller/job/pod_failure_policy.go`, messages included.
    """
    name = f"{pod['metadata'].get('namespace', '')}/{pod['metadata']['name']}"
    for number, rule in enumerate(rules):
        action = str(rule["action"])
        if codes := rule.get("onExitCodes"):
            if found := _exit_code(pod, codes):
                container, code = found
                what = f"Container {container} for pod {name} failed with exit code {code}"
                return Verdict(action, f"{what} matching {action} rule at index {number}")
        elif condition := _condition(pod, rule.get("onPodConditions") or []):
            what = f"Pod {name} has condition {condition}"
            return Verdict(action, f"{what} matching {action} rule at index {number}")
    return Verdict("Count")


def _exit_code(pod: Object, requirement: Object) -> tuple[str, int] | None:
    wanted = requirement.get("containerName")
    for status in pod.get("status", {}).get("containerStatuses") or []:
        terminated = status.get("state", {}).get("terminated")
        if not terminated or terminated["exitCode"] == 0 or (wanted and status["name"] != wanted):
            continue
        listed = terminated["exitCode"] in requirement["values"]
        if listed == (requirement["operator"] == "In"):
            return str(status["name"]), int(terminated["exitCode"])
    return None


def _condition(pod: Object, patterns: list[Object]) -> str | None:
    conditions = {c["type"]: c["status"] for c in pod.get("status", {}).get("conditions") or []}
    for pattern in patterns:
        if conditions.get(pattern["type"]) == pattern.get("status", "True"):
            return str(pattern["type"])
    return None
