"""Bodies of segment estimates: request, shares, list."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from simulacra_api.http.field_types import Status
from simulacra_api.jobs.schemas import JobError
from simulacra_api.results.kind import QuestionBody
from simulacra_schema.base import optional
from simulacra_schema.questions.segments import SegmentColumn, SegmentsQuestion
from simulacra_schema.segment_shares import SegmentShare


class SegmentRequest(QuestionBody, SegmentsQuestion, alias_generator=str):
    """Segments of one or two columns, also of a wave, and the questions that are certified."""


class SegmentSummaryBody(BaseModel):
    """Number of shares, by verdict."""

    intervals: int
    boosted: int
    slightly: int
    no_better: int
    worth: float | None = optional("Of the least certain share.")


class SegmentBody(BaseModel):
    """A segment estimate. All its intervals hold together with 95 % (Bonferroni)."""

    segment_id: str
    dataset_id: str
    job_id: str
    status: Status | Literal["deleting"]
    segment: list[SegmentColumn]
    questions: list[str]
    summary: SegmentSummaryBody | None = None
    shares: list[SegmentShare] | None = None
    conditions: dict[str, Any] | None = optional(
        "Of a single segment: conditions of a generation whose rows are of this segment"
        " and agree with the shares."
    )
    reason: str | None = optional("Why nothing is certified.")
    created_at: datetime | None
    expires_at: datetime | None
    error: JobError | None = None
