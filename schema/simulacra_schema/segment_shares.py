"""Shares of answers in segments: the request's checks and the stored result.

The result names columns and levels, so it is stored encrypted (artifact segments.json). Only
`SegmentResult.summary` goes to a status.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from pydantic import Field

from simulacra_schema.base import AnswerPart, KubeModel
from simulacra_schema.conditions import FieldError, pointer, several_answers
from simulacra_schema.did_you_mean import unknown_column, unknown_level
from simulacra_schema.questions.rows import ConditionSet
from simulacra_schema.questions.segments import SegmentColumn, SegmentSummary, SegmentVerdict
from simulacra_schema.table import YES, TableSchema

MAX_CELLS = 150
"""Segments that one or two columns may have: the pooling inverts a matrix of this size."""
MAX_SHARES = 500


class SegmentLevel(AnswerPart):
    """One column of a segment and its level."""

    column: str
    level: str


class OwnShare(AnswerPart):
    """The share among the segment's respondents alone, with Wilson's interval."""

    share: float
    low: float
    high: float


class SegmentShare(AnswerPart):
    """The share of one answer in one segment.

    question, answer: a column and its level; of several answers, the option's yes/no column.
    """

    segment: list[SegmentLevel]
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
    own: OwnShare | None = Field(
        default=None,
        description="Null where fewer than ten respondents answered, or fewer than five said so or"
        " anything else.",
    )
    text: str


class SegmentResult(KubeModel):
    """Artifact: certified shares of all answers in all segments.

    Attributes:
        summary: the figures without names, for the status.
        shares: by segment, then by question and answer.
        conditions: of a single segment, what makes generated rows agree with it.
        reason: why nothing is certified.
    """

    summary: SegmentSummary
    shares: list[SegmentShare] = Field(default_factory=list)
    conditions: ConditionSet | None = None
    reason: str | None = None


def levels_of(part: SegmentColumn, schema: TableSchema) -> list[str]:
    """Return the levels of a column that are reported."""
    column = schema.find(part.column)
    return list(part.levels) or ([] if column is None else column.level_values())


def answers_of(question: str, schema: TableSchema) -> Iterator[tuple[str, str]]:
    """Yield the answers to a question: the column that has them and the level."""
    column = schema.find(question)
    if column is None:
        return
    for part in column.parts():
        levels = [YES] if column.kind == "multi" else part.level_values()
        for level in levels:
            yield part.name, level


def check_segments(
    segment: Sequence[SegmentColumn], questions: Sequence[str], schema: TableSchema
) -> list[FieldError]:
    """Check a request against a schema; return one entry for each invalid field."""
    errors: list[FieldError] = []
    names = [part.column for part in segment]
    for at, part in enumerate(segment):
        column = schema.find(part.column)
        unknown = [] if column is None else set(part.levels) - set(column.level_values())
        if detail := _column_error(part.column, schema, names[:at]):
            errors.append(FieldError(pointer=pointer("segment", at, "column"), detail=detail))
        elif column is not None and unknown:
            detail = unknown_level(min(unknown), column.level_values())
            errors.append(FieldError(pointer=pointer("segment", at, "levels"), detail=detail))
        elif len(set(part.levels)) < len(part.levels):
            detail = "A level is given twice; give each level once."
            errors.append(FieldError(pointer=pointer("segment", at, "levels"), detail=detail))
    for at, question in enumerate(questions):
        taken = [*names, *questions[:at]]
        if detail := _column_error(question, schema, taken, is_question=True):
            errors.append(FieldError(pointer=pointer("questions", at), detail=detail))
    return errors or _size_errors(segment, questions, schema)


def _column_error(
    name: str, schema: TableSchema, taken: Sequence[str], *, is_question: bool = False
) -> str:
    column = schema.find(name)
    if column is None:
        return unknown_column(name, schema.names())
    if column.name in taken:
        return "The column is named twice; each may be in the segment or the questions, once."
    if column.kind == "multi" and not is_question:
        return several_answers(column)
    if not column.learned or not column.levels:
        return f"The column is {column.kind} without levels; name a category, or bands of a number."
    return ""


def _size_errors(
    segment: Sequence[SegmentColumn], questions: Sequence[str], schema: TableSchema
) -> list[FieldError]:
    columns = [schema.find(part.column) for part in segment]
    cells = prod(len(column.levels) for column in columns if column is not None)
    if cells > MAX_CELLS:
        detail = f"The columns have {cells} pairs of levels; the limit is {MAX_CELLS}. Name others."
        return [FieldError(pointer="/segment", detail=detail)]
    listed = prod(len(levels_of(part, schema)) for part in segment)
    shares = listed * sum(1 for name in questions for _ in answers_of(name, schema))
    if shares > MAX_SHARES:
        detail = f"These are {shares} shares; the limit is {MAX_SHARES}. Name fewer questions."
        return [FieldError(pointer="/questions", detail=detail)]
    return []
