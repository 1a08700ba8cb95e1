"""What to do about a Dataset: wait for the upload, or see that its object may be read; then clean it."""

from __future__ import annotations

from dataclasses import replace

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.tasks import PrepareRequest, TaskSpec
from simulacra_crds.kinds.base import KubeModel
from simulacra_crds.kinds.dataset import DatasetSpec
from simulacra_operator.kinds.dataset import source
from simulacra_operator.kinds.dataset.status import prepared
from simulacra_operator.runtime.actions import Action, Discard
from simulacra_operator.work import lifecycle
from simulacra_operator.work.conditions import Finding
from simulacra_operator.work.dependencies import own_key
from simulacra_operator.work.jobs import Size, Work
from simulacra_operator.work.kind import WorkKind, untied
from simulacra_operator.work.observed import Observed

_SIZE = Size(cpu="250m", memory="512Mi", memory_limit="4Gi", deadline_s=1800)


def _gate(seen: Observed) -> Finding:
    """The API makes the key before the first byte and states the digest after the last one."""
    if seen.subject.spec.source.sha256 is None or seen.subject.status.wrapped_key is None:
        return Finding(
            "False",
            Reason.AWAITING_UPLOAD,
            "the upload is not complete; it is given up after one hour",
        )
    return Finding("True", Reason.UPLOADED)


def _request(seen: Observed) -> KubeModel:
    spec: DatasetSpec = seen.subject.spec
    return PrepareRequest(
        format=spec.source.format, source=source.request(seen), weights=spec.weights
    )


def _work(seen: Observed) -> Work:
    task = TaskSpec(task="prepare", tenant=seen.tenant_name or "", resource=own_key(seen))
    return Work(task, _SIZE, source.variables(seen))


def _discard(seen: Observed) -> tuple[Action, ...]:
    """The raw bytes go as soon as nothing can come of them: the key is made before the first byte."""
    if seen.subject.status.wrapped_key is None:
        return ()
    spec: DatasetSpec | None = seen.subject.spec
    return (
        Discard(None, None) if spec is None else Discard(spec.source.sha256, spec.source.bytes),
    )


DATASET = WorkKind(
    gate_condition="Uploaded",
    gate_passed=Reason.UPLOADED,
    work_condition="Prepared",
    gate=_gate,
    request=_request,
    work=_work,
    done=prepared,
    adoption=untied,
    discard=_discard,
    makes_key=False,
)
FROM_OBJECT = replace(
    DATASET,
    gate_condition="SourceAllowed",
    gate_passed=Reason.SOURCE_ALLOWED,
    gate=source.gate,
    record=source.record,
    discard=lambda _: (),
    makes_key=True,
)


def reconcile(seen: Observed) -> list[Action]:
    """Return what is to be done about a Dataset now."""
    spec = seen.subject.spec
    return lifecycle.reconcile(
        FROM_OBJECT if spec is not None and spec.source.type == "Object" else DATASET, seen
    )
