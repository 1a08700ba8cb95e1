"""AnswerSheet: one outcome, the effects of many levers on it, with simultaneous intervals."""

from typing import ClassVar, Literal

from pydantic import Field

from simulacra_crds.kinds.base import PROGRESS, PrinterColumn, WorkStatus
from simulacra_crds.kinds.result import Result, ResultSpec, StatedSpec, result_columns
from simulacra_schema.base import apart, optional, ruled
from simulacra_schema.questions.sheet import SheetLever, SheetQuestion, SheetSummary

_SAME = (
    "a.column == b.column && has(a.value) == has(b.value) && "
    "(!has(a.value) || a.value == b.value && a.baseline == b.baseline)"
)


class AnswerSheetSpec(StatedSpec, SheetQuestion[SheetLever], ResultSpec):
    """The outcome, the levers, and what came before and after them."""

    model_config = ruled(
        (
            f"!has(self.levers) || self.levers.all(a, self.levers.exists_one(b, {_SAME}))",
            "a lever with these values is there twice; name it once",
        ),
        *apart("before", "after", "dontKnow"),
    )


class AnswerSheetStatus(WorkStatus):
    """The state of a sheet. Conditions: ModelReady, Estimated, Ready (both);
    Failed, if the work failed for good.

    Answers name columns and levels, so they are in the encrypted `sheet` artifacts, not here.
    """

    sheet: SheetSummary | None = optional("Verdicts of all levers.")


class AnswerSheet(Result):
    """A question about all levers of an outcome to a model."""

    PLURAL: ClassVar[str] = "answersheets"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("sheet",)
    PRINTER_COLUMNS = result_columns(
        PROGRESS,
        PrinterColumn(name="Levers", type="integer", json_path=".status.sheet.levers"),
        PrinterColumn(name="Ranked", type="integer", json_path=".status.sheet.ranked"),
    )

    kind: Literal["AnswerSheet"] = "AnswerSheet"
    spec: AnswerSheetSpec
    status: AnswerSheetStatus = Field(default_factory=AnswerSheetStatus)
