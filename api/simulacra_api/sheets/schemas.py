"""Bodies of answer sheets: question, ranked levers, list."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from simulacra_api.effects.schemas import (
    AlternativeBody,
    CheckBody,
    EffectFigures,
    OutcomeBody,
    VerdictBody,
)
from simulacra_api.http.field_types import SetValue, Status
from simulacra_api.jobs.schemas import JobError
from simulacra_schema.answers import Answered, Sensitivity, Span
from simulacra_schema.base import optional
from simulacra_schema.questions.effect import Population, Precision
from simulacra_schema.questions.sheet import Lever, SheetQuestion
from simulacra_schema.sheets import Curve, LeftOut, MissingShare, PropensityCounts


class LeverRequest(Lever[SetValue]):
    """A column that could be changed, and two values to compare; without values, typical ones."""


class SheetRequest(OutcomeBody, SheetQuestion[LeverRequest], alias_generator=str):
    """An outcome, its levers, and what came before and after them."""


class LeverBody(BaseModel):
    """The answer about one contrast of one lever. Show the verdict's text before any number."""

    rank: int | None = optional(
        "Among the assumed effects whose interval excludes 0; null for all others,"
        " whose order is no order of causes."
    )
    unranked: str | None = optional("Why it has no rank.")
    near: float = Field(description="The end of the interval nearer to 0; else 0.")
    treatment: str
    value: float | str
    baseline: float | str
    verdict: VerdictBody
    precision: Precision
    union: Span | None = optional("The interval that holds together with those of all levers.")
    otherwise: Span | None = optional("Of a usual order: the interval whatever comes first.")
    answered: Answered | None = optional("Whom the answer is for; null for all of the population.")
    alone: Span | None = optional("The interval of this lever alone.")
    ace: EffectFigures | None = optional("Null if the verdict is contradicted or unanswerable.")
    effective_rows: float
    naive: float | None = None
    method: str
    adjustment: list[str]
    alternatives: list[AlternativeBody] = []
    open_columns: list[str] = Field(default=[], description="Columns whose place nobody stated.")
    checks: list[CheckBody] = []
    sensitivity: Sensitivity | None = optional("Null unless the verdict is assumed.")
    propensities: PropensityCounts | None = None
    curve: Curve | None = optional("Of a lever that is a number.")
    warnings: list[str] = []


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
    blocks: list[list[str]] = []
    population: Population
    text: str | None = optional("What is ranked and what is not.")
    levers: list[LeverBody] | None = optional("Ranked ones first, then by verdict.")
    left_out: list[LeftOut] | None = None
    critical: float | None = optional("Half-width of the intervals in standard errors; 1.96 alone.")
    intervals: int | None = optional(
        "Intervals that hold together: contrasts times adjustment sets."
    )
    rows: int | None = None
    missing: list[MissingShare] | None = None
    seed: int | None = None
    version: str | None = optional("Release that made the sheet.")
    model_sha256: str | None = optional("Digest of the model's schema, graph and clean table.")
    created_at: datetime | None
    expires_at: datetime | None
    error: JobError | None = None
