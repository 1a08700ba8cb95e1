"""EffectEstimate: once its Model is Ready, an `estimate` Job answers one causal question."""

from __future__ import annotations

from typing import Any

from simulacra_crds.tasks import EstimateRequest
from simulacra_operator.observed.schema_check import check_outcome
from simulacra_operator.work.questions import question
from simulacra_schema.conditions import FieldError, check_interventions
from simulacra_schema.statements import LISTS, check_statements, split_outcome
from simulacra_schema.table import TableSchema


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


KIND = question(EstimateRequest, _misfits, "estimate")
"""Effect estimates."""
