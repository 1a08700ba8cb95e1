"""Bodies of answer sheets: question, ranked levers, list."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from simulacra_api.effects.schemas import (
    AlternativeBody,
    CheckBody,
    EffectFigures,
    Outcome,
    OutcomeLevel,
    SensitivityBody,
    UnionBody,
    VerdictBody,
    Whose,
)
from simulacra_api.http.field_types import Retention, SetValue, Status
from simulacra_api.http.pagination import Page
from simulacra_api.jobs.schemas import JobError
from simulacra_crds.kinds.base import DEFAULT_RETENTION_SECONDS
from simulacra_schema.base import ColumnName
from simulacra_schema.questions.effect import Population, Precision, StatedColumns
from simulacra_schema.questions.sheet import MAX_LEVERS


class LeverRequest(BaseModel):
    """A column that could be changed, and two values to compare; without values, typical ones."""

    model_config = ConfigDict(extra="forbid")

    column: ColumnName = Field(description="The column of the lever.")
    value: SetValue | None = Field(default=None, description="A number or a level.")
    baseline: SetValue | None = Field(default=None, description="The value to compare with.")
    before: list[ColumnName] = Field(
        default_factory=list,
        max_length=100,
        description="Columns that were already so before this lever, beside those of the sheet.",
    )
    after: list[ColumnName] = Field(
        default_factory=list,
        max_length=100,
        description="Columns that came after this lever, beside those of the sheet.",
    )


class SheetRequest(BaseModel):
    """An outcome, its levers, and what came before and after them."""

    model_config = ConfigDict(extra="forbid")

    outcome: Outcome
    outcome_level: OutcomeLevel = None
    levers: list[LeverRequest] = Field(
        default_factory=list,
        max_length=MAX_LEVERS,
        description="When empty: all learned columns that are neither background nor after the"
        " outcome.",
    )
    before: StatedColumns = Field(
        default_factory=list,
        description="Columns that were already so before any lever. They are adjusted for.",
    )
    after: StatedColumns = Field(
        default_factory=list,
        description="Columns that came after every lever. The outcome here states that the levers"
        " come first.",
    )
    dont_know: StatedColumns = Field(
        default_factory=list, description="Columns that may be either. The intervals cover both."
    )
    population: Whose = "all"
    retention_seconds: Retention = DEFAULT_RETENTION_SECONDS


class SheetAccepted(BaseModel):
    """The answer to a request for a sheet; the same Idempotency-Key gets the same."""

    sheet_id: str
    job_id: str
    dataset_id: str
    status: Status = "queued"
    error: JobError | None = None


class CurvePointBody(BaseModel):
    """The mean outcome if everybody had this value; null where too few rows are near it."""

    at: float
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    effective_rows: float | None = Field(
        default=None, description="Null where fewer than five people are near."
    )


class ElasticityBody(BaseModel):
    """Percent by which the mean changes for one percent of the lever, between two points."""

    start: float
    end: float
    elasticity: float
    low: float
    high: float


class CurveBody(BaseModel):
    """Dose or price curve; its band holds for all points and elasticities together."""

    points: list[CurvePointBody] = []
    elasticities: list[ElasticityBody] = []
    missing: str | None = Field(default=None, description="Why there is no curve.")


class PropensitiesBody(BaseModel):
    """Rows of each arm by their probability of the value, in ten classes from 0 to 1.

    A class of fewer than five people counts 0.
    """

    value: list[int]
    baseline: list[int]


class LeverBody(BaseModel):
    """The answer about one contrast of one lever. Show the verdict's text before any number."""

    rank: int | None = Field(
        default=None,
        description="Among the assumed effects whose interval excludes 0; null for all others,"
        " whose order is no order of causes.",
    )
    unranked: str | None = Field(default=None, description="Why it has no rank.")
    near: float = Field(description="The end of the interval nearer to 0; else 0.")
    treatment: str
    value: float | str
    baseline: float | str
    verdict: VerdictBody
    precision: Precision
    union: UnionBody | None = Field(
        default=None, description="The interval that holds together with those of all levers."
    )
    alone: UnionBody | None = Field(default=None, description="The interval of this lever alone.")
    ace: EffectFigures | None = Field(
        default=None, description="Null if the verdict is contradicted or unanswerable."
    )
    effective_rows: float
    naive: float | None = None
    method: str
    adjustment: list[str]
    alternatives: list[AlternativeBody] = []
    open_columns: list[str] = Field(default=[], description="Columns whose place nobody stated.")
    checks: list[CheckBody] = []
    sensitivity: SensitivityBody | None = Field(
        default=None, description="Null unless the verdict is assumed."
    )
    propensities: PropensitiesBody | None = None
    curve: CurveBody | None = Field(default=None, description="Of a lever that is a number.")
    warnings: list[str] = []


class LeftOutBody(BaseModel):
    """A column that is no lever of this sheet, and why."""

    column: str
    reason: str


class MissingBody(BaseModel):
    """Share (0..1) of the rows in which a column is missing."""

    column: str
    share: float


class SheetBody(BaseModel):
    """An answer sheet. All its intervals hold together with 95 % (max-t)."""

    sheet_id: str
    dataset_id: str
    job_id: str
    status: Status | Literal["deleting"]
    outcome: str = Field(description="The column, or column=level for the share of a level.")
    asked: list[LeverRequest] = Field(description="The levers that were named; none for all.")
    before: list[str]
    after: list[str]
    dont_know: list[str]
    population: Population
    text: str | None = Field(default=None, description="What is ranked and what is not.")
    levers: list[LeverBody] | None = Field(
        default=None, description="Ranked ones first, then by verdict."
    )
    left_out: list[LeftOutBody] | None = None
    critical: float | None = Field(
        default=None, description="Half-width of the intervals in standard errors; 1.96 alone."
    )
    intervals: int | None = Field(
        default=None, description="Intervals that hold together: contrasts times adjustment sets."
    )
    rows: int | None = None
    missing: list[MissingBody] | None = None
    seed: int | None = None
    version: str | None = Field(default=None, description="Release that made the sheet.")
    model_sha256: str | None = Field(
        default=None, description="Digest of the model's schema, graph and clean table."
    )
    created_at: datetime | None
    expires_at: datetime | None
    error: JobError | None = None


class SheetItem(BaseModel):
    """An answer sheet in a list."""

    sheet_id: str
    dataset_id: str
    job_id: str
    status: Status | Literal["deleting"]
    created_at: datetime | None


class SheetList(Page):
    """The tenant's answer sheets, newest first."""

    items: list[SheetItem]
