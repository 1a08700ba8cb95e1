"""The status of a resource whose work is one Job, from the stage that the work is in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from simulacra_crds.kinds.base import LastFailure, Phase, Progress
from simulacra_crds.kube.client import Object
from simulacra_operator.runtime.actions import Action
from simulacra_operator.work.conditions import Finding, conditions, ready, status_patch
from simulacra_operator.work.expiry import expiry
from simulacra_operator.work.kind import WorkKind
from simulacra_operator.work.observed import Observed


@dataclass(frozen=True)
class Stage:
    """Where the work is.

    Attributes:
        gate: finding of the kind's gate condition.
        work: finding of the kind's work condition.
        phase: the word for people.
        before: actions that come before the status is written.
        after: actions that come once the status is written.
        needs_key: whether the data key is to be made, with the write of the status.
        ended: whether the work ended, well or not.
        failure: the failure to show; None leaves the one shown.
        percent: progress; None leaves what is shown.
        fields: further fields of status.
    """

    gate: Finding
    work: Finding
    phase: Phase
    before: tuple[Action, ...] = ()
    after: tuple[Action, ...] = ()
    needs_key: bool = False
    ended: bool = False
    failure: LastFailure | None = None
    percent: int | None = None
    fields: dict[str, Any] = field(default_factory=dict)


def work_status(kind: WorkKind, seen: Observed, stage: Stage) -> Object:
    """Return the merge patch that brings status to a stage; empty when it is there."""
    subject, current = seen.subject, seen.subject.status
    parts = {kind.gate_condition: stage.gate, kind.work_condition: stage.work}
    findings = {**parts, "Ready": ready(parts)}
    update = {
        "phase": stage.phase,
        "observed_generation": subject.meta.generation,
        "conditions": conditions(current.conditions, findings, subject.meta.generation, seen.now),
        "last_failure": stage.failure or current.last_failure,
        **stage.fields,
    }
    if stage.percent is not None and (
        current.progress is None or current.progress.percent < stage.percent
    ):
        update["progress"] = Progress(percent=stage.percent)
    if stage.ended:
        update["finished_at"] = seen.now.replace(microsecond=0)
    desired = current.model_copy(update=update)
    return status_patch(
        current, desired.model_copy(update={"expires_at": _expires_at(seen, desired)})
    )


def settled_status(seen: Observed) -> Object:
    """Return the merge patch of a resource whose work ended: only its expiry and generation can still move."""
    current, generation = seen.subject.status, seen.subject.meta.generation
    noted = [
        one.model_copy(update={"observed_generation": generation}) for one in current.conditions
    ]
    update = {
        "observed_generation": generation,
        "conditions": noted,
        "expires_at": _expires_at(seen, current),
    }
    return status_patch(current, current.model_copy(update=update))


def deletion_status(seen: Observed, finding: Finding) -> Object:
    """Return the merge patch that says how far a deletion is."""
    subject, current = seen.subject, seen.subject.status
    kept = [one for one in current.conditions if one.type != "Ready"]
    moved = conditions(current.conditions, {"Ready": finding}, subject.meta.generation, seen.now)
    update = {
        "phase": Phase.DELETING,
        "observed_generation": subject.meta.generation,
        "conditions": [*kept, *moved],
    }
    return status_patch(current, current.model_copy(update=update))


def _expires_at(seen: Observed, status: Any) -> Any:
    as_ended = seen.subject.__class__(
        seen.subject.kind, seen.subject.meta, seen.subject.spec, status
    )
    return expiry(as_ended, seen.tenant_spec.max_retention_seconds)
