"""Conditions, and the merge patch between the current and the desired status."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from simulacra_crds.kinds.base import Condition
from simulacra_crds.kube.client import Object
from simulacra_crds.reasons import Reason
from simulacra_schema.base import KubeModel

Verdict = Literal["True", "False", "Unknown"]


@dataclass(frozen=True)
class Finding:
    """Status, reason and message of one condition type."""

    status: Verdict
    reason: Reason
    message: str = ""

    @property
    def true(self) -> bool:
        """Whether the condition is True."""
        return self.status == "True"


def has_condition(body: Object, *types: str) -> bool:
    """Return whether one of these conditions of an object is True."""
    found = body.get("status", {}).get("conditions") or []
    return any(one["type"] in types and one["status"] == "True" for one in found)


def conditions(
    current: Sequence[Condition], findings: dict[str, Finding], generation: int, now: datetime
) -> list[Condition]:
    """Return all conditions in the order of findings.

    The transition time changes only with the status.
    """
    before = {condition.type: condition for condition in current}

    def condition(name: str, finding: Finding) -> Condition:
        old = before.get(name)
        moved = now.replace(microsecond=0)
        if old is not None and old.status == finding.status:
            moved = old.last_transition_time
        return Condition(
            type=name,
            status=finding.status,
            reason=finding.reason,
            message=finding.message[:1024],
            observed_generation=generation,
            last_transition_time=moved,
        )

    return [condition(name, finding) for name, finding in findings.items()]


def ready(parts: dict[str, Finding]) -> Finding:
    """Return the finding of Ready: True when all parts are, else the reason of the first other."""
    missing = next((finding for finding in parts.values() if not finding.true), None)
    if missing is None:
        return Finding("True", Reason.READY)
    return Finding("False", missing.reason, missing.message)


def with_ready(
    current: Sequence[Condition], finding: Finding, generation: int, now: datetime
) -> list[Condition]:
    """Return the current conditions with another finding of Ready."""
    kept = [one for one in current if one.type != "Ready"]
    return [*kept, *conditions(current, {"Ready": finding}, generation, now)]


def status_patch(current: KubeModel, desired: KubeModel) -> Object:
    """Return the merge patch from one status to another, empty when they are equal."""
    old, new = current.to_wire(), desired.to_wire()
    changed = {name: value for name, value in new.items() if old.get(name) != value}
    removed = {name: None for name in old if name not in new}
    return {**changed, **removed}
