"""Bodies of effect estimates: question, answer, list."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from simulacra_api.http.field_types import Retention, SetValue, Status
from simulacra_api.http.pagination import Page
from simulacra_api.jobs.schemas import JobError
from simulacra_crds.kinds.base import DEFAULT_RETENTION_SECONDS, ColumnName


class EffectRequest(BaseModel):
    """A causal question: treatment, its value and baseline, and the outcome."""

    model_config = ConfigDict(extra="forbid")

    treatment: ColumnName = Field(description="The column that is set.")
    value: SetValue = Field(description="The value it is set to: a number or a level.")
    baseline: SetValue = Field(description="The value to compare with.")
    outcome: ColumnName = Field(
        description="The column whose average is compared: a number, a boolean or a category."
    )
    outcome_level: str | None = Field(
        default=None, max_length=512, description="The level of a category whose share is compared."
    )
    segment: ColumnName | None = Field(
        default=None, description="Also give the effect for each level of this column (CATE)."
    )
    retention_seconds: Retention = DEFAULT_RETENTION_SECONDS


class EffectAccepted(BaseModel):
    """The answer to a request for an estimate; the same Idempotency-Key gets the same."""

    effect_id: str
    job_id: str
    dataset_id: str
    status: Status = "queued"
    error: JobError | None = None


class EffectFigures(BaseModel):
    """An effect in the outcome's unit: 95 % interval, rows, share of rows with support (0..1)."""

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
        description=(
            "Whether the causal graph determines the effect; otherwise the interval covers the"
            " effects in all graphs that fit the data."
        ),
    )
    naive: float | None = Field(
        default=None, description="The plain difference of averages, with confounding."
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
