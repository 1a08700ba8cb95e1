"""EffectEstimate: the average causal effect of one column on another, with interval and support."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from simulacra_crds.kinds.base import (
    AGE,
    EXPIRES,
    PHASE,
    READY,
    REASON,
    PrinterColumn,
    WorkStatus,
)
from simulacra_crds.kinds.result import Result, ResultSpec
from simulacra_schema.base import ColumnName, apart, cel_rules, no_default
from simulacra_schema.questions.effect import (
    Estimate,
    NegativeControls,
    Outcome,
    Population,
    StatedBy,
    StatedColumns,
)
from simulacra_schema.questions.rows import SAME_VALUES, InterventionValue


class EffectEstimateSpec(ResultSpec):
    """The effect: E[outcome | do(treatment=value)] - E[outcome | do(treatment=baseline)]."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (f"!({SAME_VALUES[0]})", SAME_VALUES[1]),
            ("self.treatment != self.outcome", "treatment and outcome are the same column"),
            *apart("before", "after", "dontKnow", "negativeControls"),
        )
    )

    treatment: ColumnName = Field(description="The column of the treatment, the cause.")
    value: InterventionValue = Field(description="The value of the treatment.")
    baseline: InterventionValue = Field(description="The value to compare it with.")
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
    stated_by: StatedBy = None
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


class EffectEstimateStatus(WorkStatus):
    """The state of an estimate. Conditions: ModelReady, Estimated, Ready (both);
    Failed, if the work failed for good.

    Estimates by segment name levels, so they are in the encrypted `estimate` artifact, not here.
    """

    estimate: Estimate | None = Field(default=None, description="The effect over all rows.")


class EffectEstimate(Result):
    """A causal question to a model."""

    PLURAL: ClassVar[str] = "effectestimates"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("effect",)
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn(name="Model", json_path=".spec.modelRef.name"),
        PHASE,
        READY,
        PrinterColumn(name="Verdict", json_path=".status.estimate.verdict"),
        PrinterColumn(name="Effect", type="number", json_path=".status.estimate.effect"),
        REASON,
        EXPIRES,
        AGE,
    )

    kind: Literal["EffectEstimate"] = "EffectEstimate"
    spec: EffectEstimateSpec
    status: EffectEstimateStatus = Field(default_factory=EffectEstimateStatus)
