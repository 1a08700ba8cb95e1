"""The result of an effect estimate. It names columns and levels, so it stays encrypted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from simulacra_crds.kinds.base import KubeModel
from simulacra_crds.kinds.effect_estimate import Estimate

Method = Literal["aipw", "aipw-window", "g-computation"]


class SegmentEffect(KubeModel):
    """The effect in one segment: 95 % interval, rows, and their share with support."""

    level: str
    effect: float
    low: float
    high: float
    rows: int
    support: float


class AdjustmentEffect(KubeModel):
    """The effect if these columns cause the treatment; 0 if the outcome is one of them."""

    adjustment: list[str]
    effect: float
    low: float
    high: float
    support: float


class EffectResult(KubeModel):
    """E[outcome | do(treatment=value)] - E[outcome | do(treatment=baseline)].

    Attributes:
        estimate: effect, 95 % interval, rows, support, and whether the graph identifies the effect.
            Where it does not because of an undecided edge, the interval spans those of all graphs
            that explain the data equally well.
        naive: what one sees: the plain difference of means of the two arms, confounding and all.
        method: aipw: both values are in the data; aipw-window: rows near two numbers, moved to them
            by a model; g-computation: too few rows have one of the values, so a model alone
            answers.
        adjustment: columns adjusted for: direct causes of the treatment.
        alternatives: one entry for each set of direct causes that the data leave open, the chosen
            one first.
        segments: effect by level of the segment column.
        warnings: what a reader must know, in plain words.
    """

    treatment: str
    value: float | str
    baseline: float | str
    outcome: str
    outcome_level: str | None = None
    estimate: Estimate
    naive: float | None
    method: Method
    adjustment: list[str]
    alternatives: list[AdjustmentEffect]
    segment: str | None = None
    segments: list[SegmentEffect] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)

    @property
    def summary(self) -> Estimate:
        """The figures alone, without names: safe for a status."""
        return self.estimate

    def to_json(self) -> str:
        """Return the result as JSON, camelCase."""
        return self.model_dump_json(by_alias=True)
