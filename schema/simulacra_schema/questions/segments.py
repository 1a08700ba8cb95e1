"""Shares of answers in segments."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from simulacra_schema.base import ColumnName, KubeModel, Level

SegmentVerdict = Literal["boosted", "slightly", "no better"]


class SegmentColumn(KubeModel):
    """A column that defines segments, and its levels; without levels, each level is a segment."""

    column: ColumnName = Field(description="A column with levels.")
    levels: list[Level] = Field(
        default_factory=list, max_length=50, description="Levels to report; all when empty."
    )


class SegmentsQuestion(KubeModel):
    """Shares of the answers to questions in segments of one or two columns."""

    segment: list[SegmentColumn] = Field(
        min_length=1,
        max_length=2,
        description="One or two columns; with two, each pair of levels is a segment.",
    )
    questions: list[ColumnName] = Field(
        min_length=1,
        max_length=20,
        description="Columns with levels whose answers are estimated: the share of each level.",
    )


class SegmentSummary(KubeModel):
    """The estimate, without names. All intervals hold together with 95 %."""

    intervals: int = Field(ge=0, description="Number of shares; 0 if they cannot be certified.")
    boosted: int = Field(ge=0, description="Shares worth at least 1.5 times their respondents.")
    slightly: int = Field(ge=0, description="Shares worth 1.1 to 1.5 times their respondents.")
    no_better: int = Field(ge=0, description="Shares for which the respondents are as good.")
    worth: float | None = Field(
        default=None, ge=0, description="Respondents that the least certain share is worth."
    )
