"""Bodies of segment estimates: request, shares, list."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from simulacra_api.http.field_types import Status
from simulacra_api.jobs.schemas import JobError
from simulacra_api.results.kind import QuestionBody
from simulacra_schema.base import optional
from simulacra_schema.prices import PriceAnswer, PriceQuestion
from simulacra_schema.questions.segments import SegmentColumn, SegmentsQuestion
from simulacra_schema.segment_shares import SegmentShare
from simulacra_schema.targets import TargetedShares


class SegmentRequest(QuestionBody, SegmentsQuestion, alias_generator=str):
    """Segments of one or two columns, also of a wave, and the questions that are certified.

    The segment `{"column": wave, "levels": ["next"]}` is the wave after the newest one. A price
    question (`prices`) stands alone.
    """


class SegmentSummaryBody(BaseModel):
    """Number of shares, by verdict."""

    intervals: int
    boosted: int
    slightly: int
    no_better: int
    better: int | None = optional(
        "Of the next wave: shares that are better than carrying the last wave forward."
    )
    worth: float | None = optional("Of the least certain share.")


class SegmentBody(BaseModel):
    """A segment estimate. All its intervals hold together with 95 % (Bonferroni).

    Those of the next wave hold one by one.
    """

    segment_id: str
    dataset_id: str
    job_id: str
    status: Status | Literal["deleting"]
    segment: list[SegmentColumn]
    questions: list[str]
    targets: TargetedShares | None = None
    prices: PriceQuestion | None = None
    summary: SegmentSummaryBody | None = None
    shares: list[SegmentShare] | None = None
    conditions: dict[str, Any] | None = optional(
        "Of a single segment: conditions of a generation whose rows are of this segment"
        " and agree with the shares."
    )
    price_answer: PriceAnswer | None = optional("The answer to the price question.")
    reason: str | None = optional("Why nothing is certified, or there is no answer.")
    created_at: datetime | None
    expires_at: datetime | None
    error: JobError | None = None
