"""EffectEstimate: the average causal effect of one column on another, with interval and support."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from simulacra_crds.kinds.base import (
    AGE,
    EXPIRES,
    PHASE,
    READY,
    REASON,
    ColumnName,
    KubeModel,
    PrinterColumn,
    Resource,
    RetainedSpec,
    WorkStatus,
)
from simulacra_crds.kinds.generation_job import InterventionValue
from simulacra_crds.kinds.model import ObjectRef


class EffectEstimateSpec(RetainedSpec):
    """The effect: E[outcome | do(treatment=value)] - E[outcome | do(treatment=baseline)]."""

    model_ref: ObjectRef = Field(description="The Model to use, in the same namespace.")
    treatment: ColumnName = Field(description="The column of the treatment, the cause.")
    value: InterventionValue = Field(description="The value of the treatment.")
    baseline: InterventionValue = Field(description="The value to compare it with.")
    outcome: ColumnName = Field(
        description="The column whose mean changes: a number, a boolean, or column=level."
    )
    segment: ColumnName | None = Field(
        default=None, description="Also report the effect by level of this column."
    )


class Estimate(KubeModel):
    """The effect over all rows."""

    effect: float = Field(description="The estimate, in the outcome's unit.")
    low: float = Field(description="Lower end of the 95 % interval.")
    high: float = Field(description="Upper end of the 95 % interval.")
    rows: int = Field(ge=0, description="Number of rows used.")
    support: float = Field(
        ge=0, le=1, description="Share of rows that could have had either value, 0..1."
    )
    identified: bool = Field(
        description="Whether the graph determines the adjustment, with enough rows to compare."
    )


class EffectEstimateStatus(WorkStatus):
    """The state of an estimate. Conditions: ModelReady, Estimated, Ready (both).

    Estimates by segment name levels, so they are in the encrypted `estimate` artifact, not here.
    """

    estimate: Estimate | None = Field(default=None, description="The effect over all rows.")


class EffectEstimate(Resource):
    """A causal question to a model."""

    PLURAL: ClassVar[str] = "effectestimates"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("effect",)
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn(name="Model", json_path=".spec.modelRef.name"),
        PHASE,
        READY,
        PrinterColumn(name="Effect", type="number", json_path=".status.estimate.effect"),
        REASON,
        EXPIRES,
        AGE,
    )
    SELECTABLE_FIELDS: ClassVar[tuple[str, ...]] = (".spec.modelRef.name", ".status.phase")

    kind: Literal["EffectEstimate"] = "EffectEstimate"
    spec: EffectEstimateSpec
    status: EffectEstimateStatus = Field(default_factory=EffectEstimateStatus)
