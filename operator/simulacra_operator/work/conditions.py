"""Conditions and the difference between the status that is and the status that should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.kinds.base import Condition, KubeModel
from simulacra_crds.kube.client import Object

Verdict = Literal["True", "False", "Unknown"]


@dataclass(frozen=True)
class Finding:
    """What is true of one condition type."""

    status: Verdict
    reason: Reason
    message: str = ""

    @property
    def true(self) -> bool:
        """Whether it holds."""
        return self.status == "True"


def conditions(
    current: Sequence[Condition], findings: dict[str, Finding], generation: int, now: datetime
) -> list[Condition]:
    """Return all conditions in the order of findings; a transition time moves only with the status."""
    before = {condition.type: condition for condition in current}
    return [
        _condition(name, finding, before.get(name), generation, now)
        for name, finding in findings.items()
    ]


def _condition(
    name: str, finding: Finding, old: Condition | None, generation: int, now: datetime
) -> Condition:
    moved = old is None or old.status != finding.status
    return Condition(
        type=name,
        status=finding.status,
        reason=finding.reason,
        message=finding.message[:1024],
        observed_generation=generation,
        last_transition_time=now.replace(microsecond=0)
        if old is None or moved
        else old.last_transition_time,
    )


def ready(parts: dict[str, Finding]) -> Finding:
    """Return the finding of Ready: True when every part is, else False for the reason of the first that is not."""
    missing = next((finding for finding in parts.values() if not finding.true), None)
    if missing is None:
        return Finding("True", Reason.READY)
    return Finding("False", missing.reason, missing.message)


def status_patch(current: KubeModel, desired: KubeModel) -> Object:
    """Return the merge patch from one status to the other; empty when nothing differs."""
    old, new = current.to_wire(), desired.to_wire()
    changed = {name: value for name, value in new.items() if old.get(name) != value}
    removed = {name: None for name in old if name not in new}
    return {**changed, **removed}
