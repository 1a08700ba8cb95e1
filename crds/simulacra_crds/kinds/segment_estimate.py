"""SegmentEstimate: shares of answers in segments, with interval, worth and verdict."""

from typing import ClassVar, Literal

from pydantic import Field

from simulacra_crds.kinds.base import PrinterColumn, WorkStatus
from simulacra_crds.kinds.result import Result, ResultSpec, result_columns
from simulacra_schema.base import optional, ruled
from simulacra_schema.questions.segments import SegmentsQuestion, SegmentSummary


class SegmentEstimateSpec(SegmentsQuestion, ResultSpec):
    """Shares of the answers to questions in segments of one or two columns, or prices."""

    model_config = ruled(
        (
            "has(self.prices) || has(self.segment) && size(self.segment) > 0"
            " && has(self.questions) && size(self.questions) > 0",
            "give segment and questions, or prices",
        )
    )


class SegmentEstimateStatus(WorkStatus):
    """The state of an estimate. Conditions: ModelReady, Estimated, Ready (both);
    Failed, if the work failed for good.

    Shares name columns and levels, so they are in the encrypted `segments` artifact, not here.
    """

    segments: SegmentSummary | None = optional("Verdicts of all shares.")


class SegmentEstimate(Result):
    """A question about segments to a model."""

    PLURAL: ClassVar[str] = "segmentestimates"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("segment",)
    PRINTER_COLUMNS = result_columns(
        PrinterColumn(name="Shares", type="integer", json_path=".status.segments.intervals"),
        PrinterColumn(name="Boosted", type="integer", json_path=".status.segments.boosted"),
    )

    kind: Literal["SegmentEstimate"] = "SegmentEstimate"
    spec: SegmentEstimateSpec
    status: SegmentEstimateStatus = Field(default_factory=SegmentEstimateStatus)
