"""Result of an effect estimate; it names columns and levels, so it is stored encrypted."""

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
            If an undecided edge prevents this, the interval spans those of all graphs that explain
            the data equally well.
        naive: difference of the two arms' means, without adjustment for confounding.
        method: aipw: enough rows have both values; aipw-window: rows near two numbers, which a
            model adjusts to them; g-computation: too few rows have one of the values, so the effect
            comes from a model.
        adjustment: columns adjusted for, the direct causes of the treatment.
        alternatives: one entry for each set of direct causes that the data allow, the chosen one
            first.
        segments: effect by level of the segment column.
        warnings: limits of the estimate, in plain words.
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
        """The figures without names, safe for a status."""
        return self.estimate

    def to_json(self) -> str:
        """Return the result as JSON, camelCase."""
        return self.model_dump_json(by_alias=True)
