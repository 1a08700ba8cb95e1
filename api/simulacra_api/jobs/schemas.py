"""Bodies of jobs: one job, the list and its filters."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field, create_model

from simulacra_api.http.field_types import Status, WaitingReason
from simulacra_api.http.pagination import Page, ResourceQuery
from simulacra_crds.registry import WITH_JOB, Noun
from simulacra_schema.base import optional, optional_list
from simulacra_schema.faults import FieldError

TERMINAL = frozenset({"held", "ready", "partial", "failed"})
"""Statuses that do not change by themselves."""


class JobError(BaseModel):
    """Why a job failed, in terms of what the customer sent."""

    code: str
    detail: str
    pointer: str | None = None
    errors: list[FieldError] = optional_list(
        "Of a description: one entry per fault, by JSON pointer into the description."
    )


class _JobState(BaseModel):
    job_id: str
    kind: Noun
    status: Status
    progress_percent: int = Field(ge=0, le=100)
    eta_seconds: int | None = optional("Estimated seconds left, once known.")
    waiting_reason: WaitingReason = None


_IDS: dict[str, Any] = {info.id_field: (str | None, None) for info in WITH_JOB}


SUPPORT_ID = "Quote it to the operator: it finds the job's log lines and audit events."


class JobBody(create_model("_JobIds", __base__=_JobState, **_IDS)):  # type: ignore[misc]
    """A job."""

    support_id: str | None = optional(SUPPORT_ID)
    error: JobError | None = None


class JobItem(BaseModel):
    """A job in a list; GET it for progress and errors."""

    job_id: str
    kind: Noun
    status: Status
    waiting_reason: WaitingReason = None
    support_id: str | None = optional(SUPPORT_ID)
    dataset_id: str
    created_at: datetime | None


class JobQuery(ResourceQuery):
    """Filters of the list of jobs."""

    kind: Noun | None = None


class JobList(Page):
    """The tenant's jobs, newest first."""

    items: list[JobItem]
