"""Bodies of effect estimates: question, answer, list."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from simulacra_api.http.field_types import SetValue, Status
from simulacra_api.jobs.schemas import JobError
from simulacra_api.results.kind import QuestionBody
from simulacra_schema.answers import (
    Answered,
    Elasticity,
    GroupsDiffer,
    SegmentEffect,
    Sensitivity,
    Span,
)
from simulacra_schema.base import ColumnName, Level, VerdictKind, is_none, optional
from simulacra_schema.questions.effect import EffectQuestion, Population, Precision
from simulacra_schema.table import TableSchema


class OutcomeBody(QuestionBody):
    """What a question about an outcome has besides."""

    outcome: Annotated[
        ColumnName,
        Field(
            description="The column whose average is compared: a number, a boolean or a category."
        ),
    ]
    outcome_level: Level | None = optional("The level of a category whose share is compared.")
    population: Population = Field(
        default="all",
        description="Whose average effect: all, those who have the value (treated), or those who"
        " could have had either value (overlap).",
    )

    def outcome_in(self, schema: TableSchema) -> tuple[str, str | None]:
        """Return column and level (None without one) of the outcome."""
        return self.outcome, self.outcome_level

    def outcome_text(self) -> str:
        """Return the outcome as a spec names it: column, or column=level."""
        level = self.outcome_level
        return self.outcome if level is None else f"{self.outcome}={level}"


class EffectRequest(OutcomeBody, EffectQuestion[SetValue], alias_generator=str):
    """A causal question: treatment, its value and baseline, and the outcome."""


class EffectFigures(BaseModel):
    """An effect in the outcome's unit: 95 % interval, rows, and support.

    support: share (0..1) of the people asked about who have counterparts with both values.
    """

    effect: float | None = optional(
        "Null unless the verdict is assumed, parallel trends, or an instrument that is not weak."
    )
    low: float
    high: float
    rows: int
    support: float


class StatementBody(BaseModel):
    """What somebody said: each `earlier` column came before each `later` one."""

    earlier: list[str]
    later: list[str]
    origin: str = Field(
        description="request: of this question; tiers or required: knowledge of the model;"
        " proposed: recognized by the service and confirmed."
    )
    author: str | None = None
    author_kind: Literal["client", "automatic"] | None = optional(
        "client: the author stated it; automatic: background auto."
    )
    time: datetime | None = None


class VerdictBody(BaseModel):
    """What may be claimed. Show the text before any number."""

    kind: VerdictKind
    text: str
    rests_on: list[StatementBody] = Field(default=[], description="The statements that it uses.")
    asks: str | None = optional(
        "The column whose place would narrow the interval most: state it in before,"
        " after or dont_know, and estimate again."
    )
    presumes: list[list[str]] | None = optional(
        "Of a usual order: the blocks that it presumes and that nobody confirmed. Give"
        " them, or corrected ones, as blocks.",
        exclude_if=is_none,
    )


class AlternativeBody(BaseModel):
    """The effect if these columns come before the treatment."""

    adjustment: list[str]
    effect: float | None = optional(
        "Null unless the verdict is assumed, parallel trends, or an instrument that is not weak."
    )
    low: float
    high: float
    support: float
    effective_rows: float | None = None
    reverses: bool = Field(
        default=False, description="The outcome causes the treatment here, so the effect is 0."
    )


class CheckBody(BaseModel):
    """A check of the answer, and what it saw."""

    name: str
    outcome: Literal["passed", "failed", "not checked"]
    detail: str


class EffectBody(BaseModel):
    """An effect estimate."""

    effect_id: str
    dataset_id: str
    job_id: str
    status: Status | Literal["deleting"]
    treatment: str
    value: float | str
    baseline: float | str
    outcome: str = Field(description="The column, or column=level for the share of a level.")
    outcome_level: str | None = optional("That level, once there is one.")
    segment: str | None
    by: list[str] = []
    before: list[str] = []
    after: list[str] = []
    dont_know: list[str] = []
    blocks: list[list[str]] = []
    population: Population = "all"
    negative_controls: list[str] = []
    instrument: str | None = optional("The stated instrument.", exclude_if=is_none)
    parallel_trends: dict[str, float | str] | None = optional(
        "The stated column of waves, and the first wave with the treatment.", exclude_if=is_none
    )
    verdict: VerdictBody | None = optional(
        "Null for an estimate made before verdicts: estimate again."
    )
    precision: Precision | None = None
    union: Span | None = None
    otherwise: Span | None = optional("Of a usual order: the interval whatever comes first.")
    answered: Answered | None = optional(
        "Whom the answer is for, if people asked about have no counterparts; null for"
        " all of the population."
    )
    ace: EffectFigures | None = optional(
        "Null until it is ready, and if the verdict is contradicted or unanswerable."
    )
    identified: bool | None = optional("Deprecated: whether the verdict is assumed.")
    effective_rows: float | None = optional("Rows that the smaller arm's weights are worth.")
    naive: float | None = optional("The plain difference of averages, with confounding.")
    method: str | None = None
    adjustment: list[str] | None = optional("Columns adjusted for.")
    alternatives: list[AlternativeBody] | None = optional(
        "One entry per adjustment set left open, the chosen one first."
    )
    open_columns: list[str] | None = optional("Columns whose place nobody stated.")
    checks: list[CheckBody] | None = None
    sensitivity: Sensitivity | None = optional("Null unless the verdict is assumed.")
    elasticity: Elasticity | None = optional("Of a treatment that is a number; null of others.")
    segments: list[SegmentEffect] | None = None
    unshown_segments: list[str] | None = optional(
        "Levels with fewer than 20 effective persons in an arm, or beyond the largest."
    )
    groups_differ: GroupsDiffer | None = optional("Null where fewer than two groups are shown.")
    warnings: list[str] | None = None
    created_at: datetime | None
    expires_at: datetime | None
    error: JobError | None = None
