"""Kinds that ask a Model one question: once it is Ready, one Job answers."""

from collections.abc import Sequence
from typing import Any

from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import TaskResult
from simulacra_operator.observed.observe import Observed
from simulacra_operator.work.dependencies import keyed, labeled_by_model, model_gate, task
from simulacra_operator.work.jobs import Size, Work
from simulacra_operator.work.kind import WorkKind
from simulacra_schema.base import KubeModel

_SIZE = Size(cpu="500m", memory="384Mi", memory_limit="4Gi", deadline_s=3600)
"""Measured: 324 to 347 MiB and 5 to 6 CPU seconds (docs/howto/operations.md, "Sizing")."""


def question(
    request: type[KubeModel],
    figures: str,
    size: Size = _SIZE,
) -> WorkKind:
    """Return the kind of a question.

    `request` is the type of the pod's parameters, which have the fields of the spec; `figures` the
    field of the pod's result that the status has under the same name.
    """

    def asked(seen: Observed) -> KubeModel:
        spec, names = seen.resource.spec, request.model_fields
        fields = {name: getattr(spec, name) for name in names if hasattr(spec, name)}
        if "author" in names:
            fields["author"] = spec.stated_by
            fields["stated_at"] = seen.resource.meta.creation_timestamp
        return request.model_validate(fields)

    def done(results: Sequence[TaskResult]) -> tuple[Reason, dict[str, Any]]:
        (result,) = results
        found = {figures: getattr(result, figures), "artefacts": result.artefacts}
        return Reason.ESTIMATED, found

    return WorkKind(
        gate_condition="ModelReady",
        gate_passed=Reason.READY,
        work_condition="Estimated",
        gate=model_gate,
        request=asked,
        work=lambda seen: Work(task(seen, model=keyed(seen.model)), size),
        done=done,
        adoption=labeled_by_model,
    )
