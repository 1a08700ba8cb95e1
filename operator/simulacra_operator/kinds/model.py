"""Model: once its Dataset is Ready, a `fit` Job fits it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from simulacra_crds.kinds.model import ModelSpec
from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import SUMMARY, FitRequest, TaskResult
from simulacra_operator.observed.conditions import Finding
from simulacra_operator.observed.observe import Observed
from simulacra_operator.work.actions import SignSummary
from simulacra_operator.work.dependencies import dataset_gate, keyed, owned_by_dataset, task
from simulacra_operator.work.jobs import Size, Work
from simulacra_operator.work.kind import WorkKind
from simulacra_operator.work.stage import Stage
from simulacra_schema.base import KubeModel
from simulacra_schema.questions.fit import FitQuestion
from simulacra_schema.verdicts import levels, verdicts

_NO_TORCH = (
    "family neural, or auto with GPUs, needs the neural engine, which the image for CPUs of this "
    "installation lacks. Set trainer.image.variant to cuda in the chart, or spec.family to forest."
)
_GIVEN_ROWS = (
    "spec.datasetRef names a Dataset with purpose Given, whose rows are to be completed and not to "
    "be learned from. Create another Dataset, with purpose Fit."
)


def _gate(seen: Observed) -> Finding:
    """Return whether the Dataset is there, and the image can fit the family."""
    spec: ModelSpec = seen.resource.spec
    is_neural = spec.family == "neural" or (spec.family == "auto" and spec.resources.gpu > 0)
    if is_neural and seen.settings.lacks_torch and seen.job is None:
        return Finding("False", Reason.REQUEST_INVALID, _NO_TORCH)
    dataset = seen.dataset.spec if seen.dataset is not None else None
    if dataset is not None and dataset.purpose == "Given":
        return Finding("False", Reason.REQUEST_INVALID, _GIVEN_ROWS)
    return dataset_gate(seen)


def _request(seen: Observed) -> KubeModel:
    spec: ModelSpec = seen.resource.spec
    asked = spec.model_dump(include=set(FitQuestion.model_fields))
    return FitRequest.model_validate({**asked, "gpu": spec.resources.gpu})


def _work(seen: Observed) -> Work:
    requested = seen.resource.spec.resources
    size = Size(
        cpu="500m",
        memory="1Gi",
        memory_limit=requested.memory or "8Gi",
        deadline_s=4 * 3600,
        requested=requested,
    )
    return Work(task(seen, dataset=keyed(seen.dataset), shards=requested.workers), size)


def _fitted(results: Sequence[TaskResult]) -> tuple[Reason, dict[str, Any]]:
    (result,) = results
    return Reason.FITTED, {
        "family": result.family,
        "figures": result.figures,
        "verdicts": levels(verdicts(result.figures)),
        "artefacts": result.artefacts,
    }


def _signed(seen: Observed, stage: Stage, results: Sequence[TaskResult]) -> Stage:
    """Return the stage with the signature of the wave summary before it."""
    made = {one.name: one.sha256 for result in results for one in result.artefacts}
    if SUMMARY not in made or seen.tenant is None:
        return stage
    dataset = seen.resource.spec.dataset_ref.name
    sign = SignSummary(made[SUMMARY], seen.tenant.meta.uid, dataset)
    return replace(stage, before=(sign, *stage.before))


KIND = WorkKind(
    gate_condition="DatasetReady",
    gate_passed=Reason.READY,
    work_condition="Fitted",
    gate=_gate,
    request=_request,
    work=_work,
    done=_fitted,
    adoption=owned_by_dataset,
    ending=_signed,
)
