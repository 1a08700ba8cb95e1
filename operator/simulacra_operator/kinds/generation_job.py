"""GenerationJob: once its Model is Ready, a `generate` Job writes one part per shard.

With spec.given, it completes rows: those of the Model's own Dataset, or of another one, which must
be Ready too. Its one part has the filled cells.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from simulacra_crds.kinds.generation_job import GenerationJobSpec
from simulacra_crds.kinds.tenant import Encryption
from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import CustomerKeyRef, GenerateRequest, TaskResult
from simulacra_operator.observed.observe import Observed
from simulacra_operator.work.actions import Action, RecordGiven
from simulacra_operator.work.dependencies import given_gate, is_own, keyed, labeled_by_model, task
from simulacra_operator.work.jobs import Size, Work
from simulacra_operator.work.kind import WorkKind
from simulacra_operator.work.stage import Stage
from simulacra_schema.base import KubeModel
from simulacra_schema.questions.rows import Attainment, RowsQuestion
from simulacra_schema.verdicts import levels, verdicts_of_rows
from simulacra_schema.worth import stated_worth

_SIZE = Size(cpu="250m", memory="512Mi", memory_limit="4Gi", deadline_s=4 * 3600)
_COMPLETION_SIZE = Size(cpu="500m", memory="1Gi", memory_limit="8Gi", deadline_s=4 * 3600)
"""A completion fits models, as a fit does."""


def _request(seen: Observed) -> KubeModel:
    spec: GenerationJobSpec = seen.resource.spec
    asked = spec.model_dump(include={*RowsQuestion.model_fields, "seed"})
    if spec.given is not None:
        asked["given"] = spec.given.model_dump(exclude={"dataset_ref"})
    asked["interventions"] = {column: value.value for column, value in spec.interventions.items()}
    return GenerateRequest.model_validate({**asked, "row_count": spec.row_count or 0})


def _work(seen: Observed) -> Work:
    shards, key = seen.resource.spec.shards, _customer_key(seen.tenant_spec.encryption)
    if seen.resource.spec.given is not None:
        given = None if is_own(seen) else keyed(seen.given)
        asked = task(seen, model=keyed(seen.model), given=given, customer_key=key)
        return Work(asked, _COMPLETION_SIZE)
    return Work(task(seen, model=keyed(seen.model), shards=shards, customer_key=key), _SIZE)


def _inputs(seen: Observed) -> tuple[Action, ...]:
    """Return the audit record of the rows that are read to be completed."""
    if seen.resource.spec.given is None:
        return ()
    read = seen.dataset if is_own(seen) else seen.given
    return () if read is None else (RecordGiven(read.meta.uid, read.status.rows),)


def _customer_key(encryption: Encryption) -> CustomerKeyRef | None:
    """Return the customer's key that encrypts the rows, None in mode Managed."""
    if encryption.key_arn is None:
        return None
    return CustomerKeyRef(
        key_arn=encryption.key_arn, role_arn=encryption.role_arn, external_id=encryption.external_id
    )


def _generated(results: Sequence[TaskResult]) -> tuple[Reason, dict[str, Any]]:
    attainment = _merge([result.attainment for result in results if result.attainment is not None])
    partial = attainment is not None and attainment.status == "partial"
    artifacts = {artifact.name: artifact for result in results for artifact in result.artefacts}
    fields = {
        "rows": sum(result.rows or 0 for result in results),
        "attainment": attainment,
        "identified": results[0].identified,
        "verdict": results[0].verdict,
        "worth": results[0].worth,
        "given": results[0].given,
        "artefacts": [artifacts[name] for name in sorted(artifacts)],
    }
    return (Reason.GENERATED_PARTIALLY if partial else Reason.GENERATED), fields


def _judged(seen: Observed, stage: Stage, results: Sequence[TaskResult]) -> Stage:
    """Return the stage with the verdicts on the rows; unknown what the model does not tell."""
    if not results or results[0].given is not None:
        return stage
    figures = seen.model.status.figures if seen.model is not None else {}
    rows = sum(result.rows or 0 for result in results)
    in_pairs = bool(seen.resource.spec.counterfactual)
    worth = stated_worth(
        results[0].worth, figures.get("kept_ratio"), rows // 2 if in_pairs else rows
    )
    is_linked = seen.resource.spec.persons is not None
    of_do = results[0].verdict
    found = levels(verdicts_of_rows(figures, worth, linked=is_linked, of_do=of_do))
    return replace(stage, fields=stage.fields | {"verdicts": found})


def _merge(parts: Sequence[Attainment]) -> Attainment | None:
    """Return the attainment of the table: that of its worst shard; each has all conditions."""
    if not parts:
        return None
    sizes = [part.effective_sample_size for part in parts if part.effective_sample_size is not None]
    divergences = [part.kl_nats for part in parts if part.kl_nats is not None]
    return Attainment(
        status="partial" if any(part.status == "partial" for part in parts) else "exact",
        asked=max(part.asked for part in parts),
        met=min(part.met for part in parts),
        max_abs_error=max(part.max_abs_error for part in parts),
        effective_sample_size=min(sizes) if sizes else None,
        kl_nats=max(divergences) if divergences else None,
    )


KIND = WorkKind(
    gate_condition="ModelReady",
    gate_passed=Reason.READY,
    work_condition="Generated",
    gate=given_gate,
    request=_request,
    work=_work,
    inputs=_inputs,
    done=_generated,
    ending=_judged,
    adoption=labeled_by_model,
)
