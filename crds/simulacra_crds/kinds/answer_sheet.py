"""AnswerSheet: one outcome, the effects of many levers on it, with simultaneous intervals."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from simulacra_crds.kinds.base import (
    AGE,
    EXPIRES,
    PHASE,
    PROGRESS,
    READY,
    REASON,
    PrinterColumn,
    WorkStatus,
)
from simulacra_crds.kinds.result import Result, ResultSpec
from simulacra_schema.base import apart, cel_rules
from simulacra_schema.questions.effect import Outcome, Population, StatedBy, StatedColumns
from simulacra_schema.questions.sheet import _SAME, Levers, SheetSummary


class AnswerSheetSpec(ResultSpec):
    """The outcome, the levers, and what came before and after them."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                f"!has(self.levers) || self.levers.all(a, self.levers.exists_one(b, {_SAME}))",
                "a lever with these values is there twice; name it once",
            ),
            *apart("before", "after", "dontKnow"),
        )
    )

    outcome: Outcome
    levers: Levers = Field(
        default_factory=list,
        description="The levers; when empty, all learned columns that are neither background nor "
        "after the outcome.",
    )
    before: StatedColumns = Field(
        default_factory=list,
        description="Columns that were already so before any lever; adjusted for, and no levers.",
    )
    after: StatedColumns = Field(
        default_factory=list,
        description="Columns that came after every lever; never adjusted for. The outcome here "
        "states that the levers come first.",
    )
    dont_know: StatedColumns = Field(
        default_factory=list, description="Columns that may be either: the intervals cover both."
    )
    stated_by: StatedBy = None
    population: Population = Field(
        default="all",
        description="Whose average effect: all, those who have the value (treated), or those who "
        "could have had either value (overlap).",
    )


class AnswerSheetStatus(WorkStatus):
    """The state of a sheet. Conditions: ModelReady, Estimated, Ready (both);
    Failed, if the work failed for good.

    Answers name columns and levels, so they are in the encrypted `sheet` artifacts, not here.
    """

    sheet: SheetSummary | None = Field(default=None, description="Verdicts of all levers.")


class AnswerSheet(Result):
    """A question about all levers of an outcome to a model."""

    PLURAL: ClassVar[str] = "answersheets"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("sheet",)
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn(name="Model", json_path=".spec.modelRef.name"),
        PHASE,
        READY,
        PROGRESS,
        PrinterColumn(name="Levers", type="integer", json_path=".status.sheet.levers"),
        PrinterColumn(name="Ranked", type="integer", json_path=".status.sheet.ranked"),
        REASON,
        EXPIRES,
        AGE,
    )

    kind: Literal["AnswerSheet"] = "AnswerSheet"
    spec: AnswerSheetSpec
    status: AnswerSheetStatus = Field(default_factory=AnswerSheetStatus)
