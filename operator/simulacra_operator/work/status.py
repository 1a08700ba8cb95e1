"""Status of a resource whose work is one Job, from the stage of the work."""

from dataclasses import replace
from typing import Any

from simulacra_crds.kinds.base import Phase, Progress
from simulacra_crds.kube.client import Object
from simulacra_operator.observed.conditions import (
    Finding,
    conditions,
    ready,
    status_patch,
    with_ready,
)
from simulacra_operator.observed.observe import Observed
from simulacra_operator.work.expiry import expiry
from simulacra_operator.work.kind import WorkKind
from simulacra_operator.work.stage import Stage


def work_status(kind: WorkKind, seen: Observed, stage: Stage) -> Object:
    """Return the merge patch to the status of a stage, empty when nothing changes."""
    current, generation = seen.resource.status, seen.resource.meta.generation
    parts = {kind.gate_condition: stage.gate, kind.work_condition: stage.work}
    if stage.confirmed is not None:
        parts["Confirmed"] = stage.confirmed
    findings = {**parts, "Ready": ready(parts)}
    if stage.ended and stage.phase == Phase.FAILED:
        # for `kubectl wait --for=condition=Failed`; absent from all other work
        findings["Failed"] = Finding("True", stage.work.reason, stage.work.message)
    update = {
        "phase": stage.phase,
        "observed_generation": generation,
        "conditions": conditions(current.conditions, findings, generation, seen.now),
        "last_failure": stage.failure or current.last_failure,
        **stage.fields,
    }
    shown = current.progress.percent if current.progress is not None else -1
    if stage.percent is not None and shown < stage.percent:
        update["progress"] = Progress(percent=stage.percent)
    # work that runs again is not finished
    update["finished_at"] = seen.now.replace(microsecond=0) if stage.ended else None
    desired = current.model_copy(update=update)
    expires_at = {"expires_at": _expires_at(seen, desired)}
    return status_patch(current, desired.model_copy(update=expires_at))


def settled_status(seen: Observed) -> Object:
    """Return the merge patch after the end of the work: only expiry and generation change."""
    current, observed = seen.resource.status, {"observed_generation": seen.resource.meta.generation}
    update = {
        **observed,
        "conditions": [one.model_copy(update=observed) for one in current.conditions],
        "expires_at": _expires_at(seen, current),
    }
    return status_patch(current, current.model_copy(update=update))


def deletion_status(seen: Observed, finding: Finding) -> Object:
    """Return the merge patch that shows the progress of a deletion."""
    current, generation = seen.resource.status, seen.resource.meta.generation
    update = {
        "phase": Phase.DELETING,
        "observed_generation": generation,
        "conditions": with_ready(current.conditions, finding, generation, seen.now),
    }
    return status_patch(current, current.model_copy(update=update))


def _expires_at(seen: Observed, status: Any) -> Any:
    as_ended = replace(seen.resource, status=status)
    return expiry(as_ended, seen.tenant_spec.max_retention_seconds)
