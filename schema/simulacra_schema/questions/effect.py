"""The effect of one column on another."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simulacra_schema.base import ColumnName, KubeModel, VerdictKind

Precision = Literal["clear", "not significant", "thin support", "very thin"]
Population = Literal["all", "treated", "overlap"]
StatedColumns = Annotated[list[ColumnName], Field(max_length=300)]
NegativeControls = Annotated[list[ColumnName], Field(max_length=8)]
Outcome = Annotated[
    ColumnName,
    Field(description="The column whose mean changes: a number, a boolean, or column=level."),
]
StatedBy = Annotated[
    str | None,
    Field(
        max_length=256,
        description="Who stated the lists; the answer repeats it. The API fills in its client.",
    ),
]


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
