"""Bodies of segment estimates: request, shares, list."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from simulacra_api.http.field_types import Status
from simulacra_api.jobs.schemas import JobError
from simulacra_api.results.kind import QuestionBody
from simulacra_schema.questions.segments import SegmentColumn, SegmentsQuestion, SegmentVerdict


class SegmentRequest(QuestionBody, SegmentsQuestion, alias_generator=str):
    """Segments of one or two columns, and the questions whose answers are certified."""


class SegmentLevelBody(BaseModel):
    """One column of a segment and its level."""

    column: str
    level: str


class OwnShareBody(BaseModel):
    """The share among the segment's respondents alone, with Wilson's interval."""

    share: float
    low: float
    high: float


class SegmentShareBody(BaseModel):
    """The share of one answer in one segment."""

    segment: list[SegmentLevelBody]
    question: str
    answer: str
    respondents: float = Field(
        description="Effective respondents who answered (Kish), with a noise of about one that is"
        " the same for the same people; 0 where fewer than five."
    )
    share: float = Field(description="Of those who answered, 0..1.")
    low: float
    high: float
    worth: float = Field(
        description="Respondents of a simple survey that would know the share as well."
    )
    verdict: SegmentVerdict = Field(
        description="boosted: worth at least 1.5 times the respondents; slightly: 1.1 to 1.5 times;"
        " no better: use the respondents."
    )
    own: OwnShareBody | None = Field(
        default=None, description="Null where fewer than ten respondents answered."
    )
    text: str


class SegmentSummaryBody(BaseModel):
    """Number of shares, by verdict."""

    intervals: int
    boosted: int
    slightly: int
    no_better: int
    worth: float | None = Field(default=None, description="Of the least certain share.")


class SegmentBody(BaseModel):
    """A segment estimate. All its intervals hold together with 95 % (Bonferroni)."""

    segment_id: str
    dataset_id: str
    job_id: str
    status: Status | Literal["deleting"]
    segment: list[SegmentColumn]
    questions: list[str]
    summary: SegmentSummaryBody | None = None
    shares: list[SegmentShareBody] | None = None
    conditions: dict[str, Any] | None = Field(
        default=None,
        description="Of a single segment: conditions of a generation whose rows are of this segment"
        " and agree with the shares.",
    )
    reason: str | None = Field(default=None, description="Why nothing is certified.")
    created_at: datetime | None
    expires_at: datetime | None
    error: JobError | None = None
