"""The effect of one column on another."""

from __future__ import annotations

from typing import Annotated, Generic, Literal

from pydantic import Field

from simulacra_schema.base import ColumnName, KubeModel, VerdictKind, no_default
from simulacra_schema.questions.rows import V

Precision = Literal["clear", "not significant", "thin support", "very thin"]
Population = Literal["all", "treated", "overlap"]
StatedColumns = Annotated[list[ColumnName], Field(max_length=300)]
NegativeControls = Annotated[list[ColumnName], Field(max_length=8)]
Outcome = Annotated[
    ColumnName,
    Field(description="The column whose mean changes: a number, a boolean, or column=level."),
]


class EffectQuestion(KubeModel, Generic[V]):
    """The effect: E[outcome | do(treatment=value)] - E[outcome | do(treatment=baseline)]."""

    treatment: ColumnName = Field(description="The column of the treatment, the cause.")
    value: V = Field(description="The value of the treatment.")
    baseline: V = Field(description="The value to compare it with.")
    outcome: Outcome
    segment: ColumnName | None = Field(
        default=None, description="Also report the effect by level of this column."
    )
    before: StatedColumns = Field(
        default_factory=list,
        description="Columns that were already so before the treatment was settled; adjusted for.",
    )
    after: StatedColumns = Field(
        default_factory=list,
        description="Columns that came after the treatment; never adjusted for. The outcome here "
        "states that the treatment comes first.",
    )
    dont_know: StatedColumns = Field(
        default_factory=list, description="Columns that may be either: the interval covers both."
    )
    population: Population = Field(
        default="all",
        description="Whose average effect: all, those who have the value (treated), or those who "
        "could have had either value (overlap). all when absent.",
        json_schema_extra=no_default,
    )
    negative_controls: NegativeControls = Field(
        default_factory=list,
        description="Columns that the treatment cannot change but that share its unseen causes, "
        "such as the outcome asked earlier.",
    )


class Estimate(KubeModel):
    """The effect, without names.

    Only what the verdict claims is there: effect and robustness if it is assumed, low and high if
    it is assumed, suggested or open. The verdict and precision are absent in estimates made before
    verdicts.
    """

    effect: float | None = Field(
        default=None,
        description="The estimate, in the outcome's unit; absent unless the verdict is assumed.",
    )
    low: float | None = Field(
        default=None,
        description="Lower end of the 95 % intervals of all adjustment sets left open; absent if "
        "the verdict is contradicted or unanswerable.",
    )
    high: float | None = Field(default=None, description="Upper end of these intervals.")
    rows: int = Field(ge=0, description="Number of rows used.")
    support: float = Field(
        ge=0, le=1, description="Share of rows that could have had either value, 0..1."
    )
    identified: bool = Field(description="Deprecated: whether the verdict is assumed.")
    verdict: VerdictKind | None = Field(
        default=None,
        description="What may be claimed: assumed, suggested, open, contradicted or unanswerable.",
    )
    precision: Precision | None = Field(
        default=None,
        description="clear (the interval excludes 0), not significant, thin support or very thin.",
    )
    effective_rows: float | None = Field(
        default=None, ge=0, description="Rows that the smaller arm's weights are worth (Kish)."
    )
    robustness: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Share of what is left of treatment and outcome that an unseen cause must "
        "explain to bring the effect to 0; absent unless the verdict is assumed.",
    )
