"""SegmentEstimate: once its Model is Ready, a `boost` Job certifies the shares of its segments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.tasks import BoostRequest, TaskResult
from simulacra_crds.kinds.base import KubeModel
from simulacra_crds.kinds.segment_estimate import SegmentEstimateSpec
from simulacra_operator.work import lifecycle
from simulacra_operator.work.actions import Action
from simulacra_operator.work.dependencies import keyed, labeled_by_model, model_gate, task
from simulacra_operator.work.jobs import Size, Work
from simulacra_operator.work.kind import WorkKind
from simulacra_operator.work.observe import Observed

_SIZE = Size(cpu="250m", memory="512Mi", memory_limit="4Gi", deadline_s=3600)


def reconcile(seen: Observed) -> list[Action]:
    """Return the next actions for a SegmentEstimate."""
    return lifecycle.reconcile(SEGMENT_ESTIMATE, seen)


def _request(seen: Observed) -> KubeModel:
    spec: SegmentEstimateSpec = seen.resource.spec
    return BoostRequest(segment=spec.segment, questions=spec.questions)


def _work(seen: Observed) -> Work:
    return Work(task(seen, model=keyed(seen.model)), _SIZE)


def _certified(results: Sequence[TaskResult]) -> tuple[Reason, dict[str, Any]]:
    (result,) = results
    return Reason.ESTIMATED, {"segments": result.segments, "artefacts": result.artefacts}


SEGMENT_ESTIMATE = WorkKind(
    gate_condition="ModelReady",
    gate_passed=Reason.READY,
    work_condition="Estimated",
    gate=model_gate,
    request=_request,
    work=_work,
    done=_certified,
    adoption=labeled_by_model,
)
"""Segment estimates."""
