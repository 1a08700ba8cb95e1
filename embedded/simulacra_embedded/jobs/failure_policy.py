"""podFailurePolicy: the effect of a pod's failure on its Job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


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
