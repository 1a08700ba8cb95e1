"""EffectEstimate: once its Model is Ready, an `estimate` Job answers one causal question."""

from __future__ import annotations

from typing import Any

from simulacra_crds.kinds.effect_estimate import EffectEstimateSpec
from simulacra_crds.tasks import EstimateRequest
from simulacra_operator.work.observe import Observed
from simulacra_operator.work.questions import question
from simulacra_operator.work.schema_check import check_outcome
from simulacra_schema.base import KubeModel
from simulacra_schema.conditions import FieldError, check_interventions
from simulacra_schema.statements import LISTS, check_statements, split_outcome
from simulacra_schema.table import TableSchema


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


def _misfits(spec: Any, schema: TableSchema) -> list[FieldError]:
    values = (("/value", spec.value), ("/baseline", spec.baseline))
    wrong = [
        FieldError(pointer=at if schema.find(spec.treatment) else "/treatment", detail=one.detail)
        for at, given in values
        for one in check_interventions({spec.treatment: given.value}, schema)
    ]
    outcome, _ = split_outcome(spec.outcome, schema)
    lists = {name: getattr(spec, name) for name in LISTS}
    stated = check_statements(lists, spec.treatment, outcome, schema)
    return [*wrong, *check_outcome(outcome, schema), *stated]


KIND = question(_request, _misfits, "estimate")
"""Effect estimates."""
