"""Bodies of jobs: one job, the list and its filters."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from simulacra_api.http.field_types import Status, WaitingReason
from simulacra_api.http.pagination import Page, ResourceQuery
from simulacra_schema.conditions import FieldError

Kind = Literal["dataset", "generation", "effect", "segment", "sheet"]
TERMINAL = frozenset({"held", "ready", "partial", "failed"})
"""Statuses that do not change by themselves."""


class JobError(BaseModel):
    """Why a job failed, in terms of what the customer sent."""

    code: str
    detail: str
    pointer: str | None = None
    errors: list[FieldError] = Field(
        default_factory=list,
        description="Of a description: one entry per fault, by JSON pointer into the description.",
    )


class JobBody(BaseModel):
    """A job."""

    job_id: str
    kind: Kind
    status: Status
    progress_percent: int = Field(ge=0, le=100)
    eta_seconds: int | None = Field(default=None, description="Estimated seconds left, once known.")
    waiting_reason: WaitingReason = None
    dataset_id: str | None = None
    generation_id: str | None = None
    effect_id: str | None = None
    segment_id: str | None = None
    sheet_id: str | None = None
    error: JobError | None = None


class JobItem(BaseModel):
    """A job in a list; GET it for progress and errors."""

    job_id: str
    kind: Kind
    status: Status
    waiting_reason: WaitingReason = None
    dataset_id: str
    created_at: datetime | None


class JobQuery(ResourceQuery):
    """Filters of the list of jobs."""

    kind: Kind | None = None


class JobList(Page):
    """The tenant's jobs, newest first."""

    items: list[JobItem]
