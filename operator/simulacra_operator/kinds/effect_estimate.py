"""EffectEstimate: once its Model is Ready, an `estimate` Job answers one causal question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.tasks import EstimateRequest, TaskResult
from simulacra_crds.kinds.base import KubeModel
from simulacra_crds.kinds.effect_estimate import EffectEstimateSpec
from simulacra_operator.work import lifecycle
from simulacra_operator.work.actions import Action
from simulacra_operator.work.dependencies import keyed, labeled_by_model, model_gate, task
from simulacra_operator.work.jobs import Size, Work
from simulacra_operator.work.kind import WorkKind
from simulacra_operator.work.observe import Observed

_SIZE = Size(cpu="250m", memory="512Mi", memory_limit="4Gi", deadline_s=3600)


def reconcile(seen: Observed) -> list[Action]:
    """Return the next actions for an EffectEstimate."""
    return lifecycle.reconcile(EFFECT_ESTIMATE, seen)


def _request(seen: Observed) -> KubeModel:
    spec: EffectEstimateSpec = seen.resource.spec
    return EstimateRequest(
        treatment=spec.treatment,
        value=spec.value.value,
        baseline=spec.baseline.value,
        outcome=spec.outcome,
        segment=spec.segment,
        before=spec.before,
        after=spec.after,
        dont_know=spec.dont_know,
        population=spec.population,
        negative_controls=spec.negative_controls,
        author=spec.stated_by,
        stated_at=seen.resource.meta.creation_timestamp,
    )


def _work(seen: Observed) -> Work:
    return Work(task(seen, model=keyed(seen.model)), _SIZE)


def _estimated(results: Sequence[TaskResult]) -> tuple[Reason, dict[str, Any]]:
    (result,) = results
    return Reason.ESTIMATED, {"estimate": result.estimate, "artefacts": result.artefacts}


EFFECT_ESTIMATE = WorkKind(
    gate_condition="ModelReady",
    gate_passed=Reason.READY,
    work_condition="Estimated",
    gate=model_gate,
    request=_request,
    work=_work,
    done=_estimated,
    adoption=labeled_by_model,
)
