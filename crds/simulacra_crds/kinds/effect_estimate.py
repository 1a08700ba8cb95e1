"""EffectEstimate: the average causal effect of one column on another, with interval and support."""

from typing import ClassVar, Literal

from pydantic import Field

from simulacra_crds.kinds.base import PrinterColumn, WorkStatus
from simulacra_crds.kinds.result import Result, ResultSpec, StatedSpec, result_columns
from simulacra_schema.base import apart, optional, ruled
from simulacra_schema.questions.effect import EffectQuestion, Estimate
from simulacra_schema.questions.rows import SAME_VALUES, InterventionValue


class EffectEstimateSpec(StatedSpec, EffectQuestion[InterventionValue], ResultSpec):
    """The effect: E[outcome | do(treatment=value)] - E[outcome | do(treatment=baseline)]."""

    model_config = ruled(
        (f"!({SAME_VALUES[0]})", SAME_VALUES[1]),
        ("self.treatment != self.outcome", "treatment and outcome are the same column"),
        *apart("before", "after", "dontKnow"),
        *apart("dontKnow", "negativeControls"),
    )


class EffectEstimateStatus(WorkStatus):
    """The state of an estimate. Conditions: ModelReady, Estimated, Ready (both);
    Failed, if the work failed for good.

    Estimates by segment name levels, so they are in the encrypted `estimate` artifact, not here.
    """

    estimate: Estimate | None = optional("The effect over all rows.")


class EffectEstimate(Result):
    """A causal question to a model."""

    PLURAL: ClassVar[str] = "effectestimates"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("effect",)
    PRINTER_COLUMNS = result_columns(
        PrinterColumn(name="Verdict", json_path=".status.estimate.verdict"),
        PrinterColumn(name="Effect", type="number", json_path=".status.estimate.effect"),
    )

    kind: Literal["EffectEstimate"] = "EffectEstimate"
    spec: EffectEstimateSpec
    status: EffectEstimateStatus = Field(default_factory=EffectEstimateStatus)
