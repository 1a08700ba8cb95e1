"""What to do about an EffectEstimate: wait for its Model, then estimate."""

from __future__ import annotations

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.tasks import EstimateRequest, TaskSpec
from simulacra_crds.kinds.base import KubeModel
from simulacra_crds.kinds.effect_estimate import EffectEstimateSpec
from simulacra_operator.kinds.effect_estimate.status import estimated
from simulacra_operator.runtime.actions import Action
from simulacra_operator.work import lifecycle
from simulacra_operator.work.dependencies import keyed, labeled_by_model, model_gate, own_key
from simulacra_operator.work.jobs import Size, Work
from simulacra_operator.work.kind import WorkKind
from simulacra_operator.work.observed import Observed

_SIZE = Size(cpu="250m", memory="512Mi", memory_limit="4Gi", deadline_s=3600)


def _request(seen: Observed) -> KubeModel:
    spec: EffectEstimateSpec = seen.subject.spec
    return EstimateRequest(
        treatment=spec.treatment,
        value=spec.value.value,
        baseline=spec.baseline.value,
        outcome=spec.outcome,
        segment=spec.segment,
    )


def _work(seen: Observed) -> Work:
    task = TaskSpec(
        task="estimate",
        tenant=seen.tenant_name or "",
        resource=own_key(seen),
        model=keyed(seen.model),
    )
    return Work(task, _SIZE)


EFFECT_ESTIMATE = WorkKind(
    gate_condition="ModelReady",
    gate_passed=Reason.READY,
    work_condition="Estimated",
    gate=model_gate,
    request=_request,
    work=_work,
    done=estimated,
    adoption=labeled_by_model,
)


def reconcile(seen: Observed) -> list[Action]:
    """Return what is to be done about an EffectEstimate now."""
    return lifecycle.reconcile(EFFECT_ESTIMATE, seen)
