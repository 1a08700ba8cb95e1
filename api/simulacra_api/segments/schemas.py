"""Bodies of segment estimates: request, shares, list."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from simulacra_api.http.field_types import Retention, Status
from simulacra_api.http.pagination import Page
from simulacra_api.jobs.schemas import JobError
from simulacra_crds.kinds.base import DEFAULT_RETENTION_SECONDS
from simulacra_schema.base import ColumnName, Level
from simulacra_schema.questions.segments import Questions, SegmentVerdict


class SegmentColumnBody(BaseModel):
    """A column that defines segments; without levels, each of its levels is a segment."""

    model_config = ConfigDict(extra="forbid")

    column: ColumnName = Field(description="A column with levels.")
    levels: list[Level] = Field(
        default_factory=list, max_length=50, description="Levels to report; all when empty."
    )


class SegmentRequest(BaseModel):
    """Segments of one or two columns, and the questions whose answers are certified."""

    model_config = ConfigDict(extra="forbid")

    segment: list[SegmentColumnBody] = Field(
        min_length=1,
        max_length=2,
        description="One or two columns; with two, each pair of levels is a segment.",
    )
    questions: Questions = Field(
        description="Columns with levels; the share of each level is certified."
    )
    retention_seconds: Retention = DEFAULT_RETENTION_SECONDS


class SegmentAccepted(BaseModel):
    """The answer to a request for shares; the same Idempotency-Key gets the same."""

    segment_id: str
    job_id: str
    dataset_id: str
    status: Status = "queued"
    error: JobError | None = None


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
    segment: list[SegmentColumnBody]
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


class SegmentItem(BaseModel):
    """A segment estimate in a list."""

    segment_id: str
    dataset_id: str
    job_id: str
    status: Status | Literal["deleting"]
    created_at: datetime | None


class SegmentList(Page):
    """The tenant's segment estimates, newest first."""

    items: list[SegmentItem]
