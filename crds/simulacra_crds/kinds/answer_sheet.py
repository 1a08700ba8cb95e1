"""AnswerSheet: one outcome, the effects of many levers on it, with simultaneous intervals."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from simulacra_crds.kinds.base import (
    AGE,
    EXPIRES,
    PHASE,
    PROGRESS,
    READY,
    REASON,
    ColumnName,
    KubeModel,
    PrinterColumn,
    Resource,
    RetainedSpec,
    WorkStatus,
    apart,
    cel_rules,
)
from simulacra_crds.kinds.effect_estimate import Outcome, Population, StatedBy, StatedColumns
from simulacra_crds.kinds.generation_job import SAME_VALUES, InterventionValue
from simulacra_crds.kinds.model import ObjectRef

MAX_LEVERS = 24
"""Contrasts of one sheet."""


class SheetLever(KubeModel):
    """A column that could be changed, and the two values to compare.

    Without values: yes against no, top against bottom third of an order, each frequent level
    against the most frequent one, or the 75th against the 25th percentile of a number.
    """

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            ("has(self.value) == has(self.baseline)", "give both value and baseline, or neither"),
            (
                f"!has(self.value) || !has(self.baseline) || !({SAME_VALUES[0]})",
                SAME_VALUES[1],
            ),
            *apart("before", "after"),
        )
    )

    column: ColumnName = Field(description="The column of the lever.")
    value: InterventionValue | None = Field(
        default=None, description="The value of the lever. Give baseline as well."
    )
    baseline: InterventionValue | None = Field(
        default=None, description="The value to compare it with."
    )
    before: list[ColumnName] = Field(
        default_factory=list,
        max_length=100,
        description="Columns that were already so before this lever, beside those of the sheet.",
    )
    after: list[ColumnName] = Field(
        default_factory=list,
        max_length=100,
        description="Columns that came after this lever, beside those of the sheet.",
    )


_SAME = (
    "a.column == b.column && has(a.value) == has(b.value) && "
    "(!has(a.value) || a.value == b.value && a.baseline == b.baseline)"
)
Levers = Annotated[list[SheetLever], Field(max_length=MAX_LEVERS)]


class AnswerSheetSpec(RetainedSpec):
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

    model_ref: ObjectRef = Field(description="The Model to use, in the same namespace.")
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


class SheetSummary(KubeModel):
    """The sheet, without names. All its intervals hold together with 95 %."""

    levers: int = Field(ge=0, description="Number of contrasts.")
    ranked: int = Field(ge=0, description="Assumed effects whose interval excludes 0.")
    assumed: int = Field(ge=0, description="Effects that follow from what was stated.")
    suggested: int = Field(ge=0, description="Effects whose sign the data alone suggest.")
    open: int = Field(ge=0, description="Effects that depend on what comes first.")
    contradicted: int = Field(ge=0, description="Effects that must not be used.")
    unanswerable: int = Field(ge=0, description="Contrasts of too few people.")


class AnswerSheetStatus(WorkStatus):
    """The state of a sheet. Conditions: ModelReady, Estimated, Ready (both);
    Failed, if the work failed for good.

    Answers name columns and levels, so they are in the encrypted `sheet` artifacts, not here.
    """

    sheet: SheetSummary | None = Field(default=None, description="Verdicts of all levers.")


class AnswerSheet(Resource):
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
    SELECTABLE_FIELDS: ClassVar[tuple[str, ...]] = (".spec.modelRef.name", ".status.phase")

    kind: Literal["AnswerSheet"] = "AnswerSheet"
    spec: AnswerSheetSpec
    status: AnswerSheetStatus = Field(default_factory=AnswerSheetStatus)
