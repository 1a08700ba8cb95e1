"""What to do about a Model: wait for its Dataset, then fit."""

from __future__ import annotations

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.tasks import FitRequest, TaskSpec
from simulacra_crds.kinds.base import KubeModel
from simulacra_crds.kinds.model import ModelSpec
from simulacra_operator.kinds.model.status import fitted
from simulacra_operator.runtime.actions import Action
from simulacra_operator.work import lifecycle
from simulacra_operator.work.dependencies import dataset_gate, keyed, own_key, owned_by_dataset
from simulacra_operator.work.jobs import Size, Work
from simulacra_operator.work.kind import WorkKind
from simulacra_operator.work.observed import Observed

_CPU, _MEMORY, _MEMORY_LIMIT, _DEADLINE_S = "500m", "1Gi", "8Gi", 4 * 3600


def _request(seen: Observed) -> KubeModel:
    spec: ModelSpec = seen.subject.spec
    return FitRequest(
        family=spec.family,
        knowledge=spec.knowledge,
        privacy=spec.privacy,
        seed=spec.seed,
        gpu=spec.resources.gpu,
    )


def _work(seen: Observed) -> Work:
    asked = seen.subject.spec.resources
    size = Size(
        cpu=asked.cpu or _CPU,
        memory=asked.memory or _MEMORY,
        memory_limit=asked.memory or _MEMORY_LIMIT,
        deadline_s=_DEADLINE_S,
        asked=asked,
    )
    task = TaskSpec(
        task="fit",
        tenant=seen.tenant_name or "",
        resource=own_key(seen),
        dataset=keyed(seen.dataset),
        shards=asked.workers,
    )
    return Work(task, size)


MODEL = WorkKind(
    gate_condition="DatasetReady",
    gate_passed=Reason.READY,
    work_condition="Fitted",
    gate=dataset_gate,
    request=_request,
    work=_work,
    done=fitted,
    adoption=owned_by_dataset,
)


def reconcile(seen: Observed) -> list[Action]:
    """Return what is to be done about a Model now."""
    return lifecycle.reconcile(MODEL, seen)
