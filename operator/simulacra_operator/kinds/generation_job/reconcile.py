"""What to do about a GenerationJob: wait for its Model, then generate in shards."""

from __future__ import annotations

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.tasks import CustomerKeyRef, GenerateRequest, TaskSpec
from simulacra_crds.kinds.base import KubeModel
from simulacra_crds.kinds.generation_job import GenerationJobSpec
from simulacra_crds.kinds.tenant import Encryption
from simulacra_operator.kinds.generation_job.status import generated
from simulacra_operator.runtime.actions import Action
from simulacra_operator.work import lifecycle
from simulacra_operator.work.dependencies import keyed, labeled_by_model, model_gate, own_key
from simulacra_operator.work.jobs import Size, Work
from simulacra_operator.work.kind import WorkKind
from simulacra_operator.work.observed import Observed

_SIZE = Size(cpu="250m", memory="512Mi", memory_limit="4Gi", deadline_s=4 * 3600)


def _request(seen: Observed) -> KubeModel:
    spec: GenerationJobSpec = seen.subject.spec
    interventions = {column: value.value for column, value in spec.interventions.items()}
    return GenerateRequest(
        row_count=spec.row_count,
        conditions=spec.conditions,
        interventions=interventions,
        counterfactual=spec.counterfactual,
        seed=spec.seed,
    )


def _work(seen: Observed) -> Work:
    task = TaskSpec(
        task="generate",
        tenant=seen.tenant_name or "",
        resource=own_key(seen),
        model=keyed(seen.model),
        shards=seen.subject.spec.shards,
        customer_key=customer_key(seen.tenant_spec.encryption),
    )
    return Work(task, _SIZE)


def customer_key(encryption: Encryption) -> CustomerKeyRef | None:
    """Return the key that a tenant's rows are to be under, None in mode Managed."""
    if encryption.key_arn is None:
        return None
    return CustomerKeyRef(
        key_arn=encryption.key_arn, role_arn=encryption.role_arn, external_id=encryption.external_id
    )


GENERATION_JOB = WorkKind(
    gate_condition="ModelReady",
    gate_passed=Reason.READY,
    work_condition="Generated",
    gate=model_gate,
    request=_request,
    work=_work,
    done=generated,
    adoption=labeled_by_model,
)


def reconcile(seen: Observed) -> list[Action]:
    """Return what is to be done about a GenerationJob now."""
    return lifecycle.reconcile(GENERATION_JOB, seen)
