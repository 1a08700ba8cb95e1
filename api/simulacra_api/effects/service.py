"""Average causal effects, ACE = E[outcome | do(treatment=value)] - E[outcome |
do(treatment=baseline)], and by segment.

A question is held against the schema at once and becomes an EffectEstimate; figures by segment name
levels, so they are read from its encrypted artifact.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from simulacra_api.http.field_types import Retention, SetValue, Status
from simulacra_api.http.pagination import Page
from simulacra_api.http.problems import invalid_fields
from simulacra_api.jobs.service import JobError, dataset_of, result_job
from simulacra_api.tenancy.create import (
    check_retention,
    create_from_model,
    find_created,
    usable_model,
)
from simulacra_api.tenancy.idempotency import fingerprint
from simulacra_api.tenancy.repository import TenantRepository, is_deleting, status_of
from simulacra_crds.contract.generation_conditions import FieldError, check_interventions
from simulacra_crds.contract.names import effect_name, job_id
from simulacra_crds.contract.schema import TableSchema
from simulacra_crds.contract.tasks import ESTIMATE
from simulacra_crds.kinds.base import DEFAULT_RETENTION_SECONDS, ColumnName, expires_at, utcnow
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.effect_estimate import EffectEstimate
from simulacra_crds.kube.client import EFFECT_ESTIMATES, Object

MAX_OUTCOME = 256
"""Longest `outcome=level` that the resource holds."""


class EffectRequest(BaseModel):
    """A causal question."""

    model_config = ConfigDict(extra="forbid")

    treatment: ColumnName = Field(description="The column that is set.")
    value: SetValue = Field(description="What it is set to: a number or a level.")
    baseline: SetValue = Field(description="What that is compared with.")
    outcome: ColumnName = Field(
        description="The column whose average is compared: a number, a boolean or a category."
    )
    outcome_level: str | None = Field(
        default=None, max_length=512, description="Of a category: whose share counts."
    )
    segment: ColumnName | None = Field(
        default=None, description="Give the effect by this column as well (CATE)."
    )
    retention_seconds: Retention = DEFAULT_RETENTION_SECONDS


class EffectAccepted(BaseModel):
    """The answer to a question; a replay with the same key gets the same."""

    effect_id: str
    job_id: str
    dataset_id: str
    status: Status = "queued"
    error: JobError | None = None


class EffectFigures(BaseModel):
    """An effect in the outcome's unit: 95 % interval, rows, and the share of rows (0..1) that have support."""

    effect: float
    low: float
    high: float
    rows: int
    support: float


class SegmentFigures(EffectFigures):
    """The effect among the rows of one segment."""

    level: str


class EffectBody(BaseModel):
    """An effect estimate."""

    effect_id: str
    dataset_id: str
    job_id: str
    status: Status | Literal["deleting"]
    treatment: str
    value: float | str
    baseline: float | str
    outcome: str
    segment: str | None
    ace: EffectFigures | None = None
    identified: bool | None = Field(
        default=None,
        description="Whether the causal graph settles the effect; else the interval spans all that fit.",
    )
    naive: float | None = Field(
        default=None, description="The plain difference of averages, confounding and all."
    )
    method: str | None = None
    adjustment: list[str] | None = Field(default=None, description="Columns adjusted for.")
    segments: list[SegmentFigures] | None = None
    warnings: list[str] | None = None
    created_at: datetime | None
    expires_at: datetime | None
    error: JobError | None = None


class EffectItem(BaseModel):
    """An effect estimate in a list."""

    effect_id: str
    dataset_id: str
    job_id: str
    status: Status | Literal["deleting"]
    created_at: datetime | None


class EffectList(Page):
    """The tenant's effect estimates, newest first."""

    items: list[EffectItem]


async def request_effect(
    repository: TenantRepository, dataset: Dataset, request: EffectRequest, key: str
) -> Object:
    """Create the EffectEstimate of this key, or return the one that the key made.

    Raises:
        Problem: 400 with one entry a wrong field, 409 for a dataset that is not ready or a key used
            otherwise.
    """
    name = effect_name(repository.caller.tenant_name, dataset.metadata.name, key)
    digest = fingerprint([dataset.metadata.uid, request.model_dump(mode="json")])
    if existing := await find_created(repository, EFFECT_ESTIMATES, name, digest):
        return existing
    check_retention(repository, request.retention_seconds)
    schema = await repository.schema_of(dataset)
    model = await usable_model(repository, dataset)
    if errors := check_question(request, schema):
        raise invalid_fields(errors, "the request, checked against the dataset's schema")
    spec = {
        "treatment": request.treatment,
        "value": _value(request.value, request.treatment, schema),
        "baseline": _value(request.baseline, request.treatment, schema),
        "outcome": _outcome(request),
        "retentionSeconds": request.retention_seconds,
    } | ({"segment": request.segment} if request.segment else {})
    return await create_from_model(
        repository, EFFECT_ESTIMATES, name, model, spec, dataset=dataset, digest=digest
    )


def check_question(request: EffectRequest, schema: TableSchema) -> list[FieldError]:
    """Hold a question against a schema; return one entry a wrong field (empty when all is well)."""
    errors = []
    for field, value in (("/value", request.value), ("/baseline", request.baseline)):
        for wrong in check_interventions({request.treatment: value}, schema):
            known = schema.find(request.treatment)
            at = field if known is not None and known.learned else "/treatment"
            errors.append(FieldError(pointer=at, detail=wrong.detail))
    if request.value == request.baseline:
        errors.append(
            FieldError(pointer="/baseline", detail="this is the value itself: give another")
        )
    errors += _check_outcome(request, schema)
    if request.segment is not None:
        column = schema.find(request.segment)
        if (
            column is None
            or not column.learned
            or request.segment in (request.treatment, request.outcome)
        ):
            detail = "name a learned column of the schema other than treatment and outcome"
            errors.append(FieldError(pointer="/segment", detail=detail))
    return [error for at, error in enumerate(errors) if error not in errors[:at]]


def _check_outcome(request: EffectRequest, schema: TableSchema) -> list[FieldError]:
    column, level = schema.find(request.outcome), request.outcome_level
    if (
        column is None
        or not column.learned
        or column.kind == "datetime"
        or request.outcome == request.treatment
    ):
        detail = "name a learned number, boolean or category of the schema other than the treatment"
        return [FieldError(pointer="/outcome", detail=detail)]
    if column.is_numeric:
        detail = "the outcome is a number: leave outcome_level out"
        return [] if level is None else [FieldError(pointer="/outcome_level", detail=detail)]
    if level is None:
        detail = "the outcome is a category: say which level's share is meant"
        return (
            []
            if column.kind == "boolean"
            else [FieldError(pointer="/outcome_level", detail=detail)]
        )
    if level not in column.level_values():
        return [
            FieldError(
                pointer="/outcome_level", detail="no such level in the schema of the outcome"
            )
        ]
    if len(_outcome(request)) > MAX_OUTCOME:
        detail = f"outcome and level are longer than {MAX_OUTCOME - 1} characters together"
        return [FieldError(pointer="/outcome_level", detail=detail)]
    return []


def _outcome(request: EffectRequest) -> str:
    return (
        request.outcome
        if request.outcome_level is None
        else f"{request.outcome}={request.outcome_level}"
    )


def _value(value: float | str, treatment: str, schema: TableSchema) -> Object:
    column = schema.find(treatment)
    return {"number": value} if column is not None and column.is_numeric else {"level": str(value)}


async def effect_body(repository: TenantRepository, effect: EffectEstimate) -> EffectBody:
    """Return what a customer sees of an effect estimate."""
    job, spec, status = await result_job(repository, effect), effect.spec, effect.status
    created = effect.metadata.creation_timestamp or utcnow()
    return EffectBody(
        effect_id=effect.metadata.name,
        dataset_id=dataset_of(effect),
        job_id=job.job_id,
        status="deleting" if is_deleting(effect) else job.status,
        treatment=spec.treatment,
        value=spec.value.value,
        baseline=spec.baseline.value,
        outcome=spec.outcome,
        segment=spec.segment,
        created_at=effect.metadata.creation_timestamp,
        expires_at=status.expires_at
        or expires_at(created, status.finished_at, spec.retention_seconds),
        error=job.error,
        **(
            await _figures(repository, effect)
            if job.status == "ready" and not is_deleting(effect)
            else {}
        ),
    )


async def _figures(repository: TenantRepository, effect: EffectEstimate) -> dict[str, Any]:
    found = json.loads(await repository.read(effect, ESTIMATE))
    return {
        "ace": found["estimate"],
        "identified": found["estimate"]["identified"],
        **{
            name: found.get(name)
            for name in ("naive", "method", "adjustment", "segments", "warnings")
        },
    }


def effect_item(effect: EffectEstimate) -> EffectItem:
    """Return what a list says of an effect estimate."""
    status = "deleting" if is_deleting(effect) else status_of(effect)
    name = effect.metadata.name
    return EffectItem(
        effect_id=name,
        dataset_id=dataset_of(effect),
        job_id=job_id(name),
        status=status,
        created_at=effect.metadata.creation_timestamp,
    )
