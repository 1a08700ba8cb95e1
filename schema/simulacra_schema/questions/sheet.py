"""The effects of many levers on one outcome."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from pydantic import ConfigDict, Field

from simulacra_schema.base import ColumnName, KubeModel, apart, cel_rules
from simulacra_schema.questions.effect import Outcome, Population, StatedColumns
from simulacra_schema.questions.rows import SAME_VALUES, InterventionValue, V

MAX_LEVERS = 24
"""Contrasts of one sheet."""


class Lever(KubeModel, Generic[V]):
    """A column that could be changed, and two values to compare; without values, typical ones."""

    column: ColumnName = Field(description="The column of the lever.")
    value: V | None = Field(
        default=None, description="The value of the lever. Give baseline as well."
    )
    baseline: V | None = Field(default=None, description="The value to compare it with.")
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


class SheetLever(Lever[InterventionValue]):
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


L = TypeVar("L", bound=KubeModel)


class SheetQuestion(KubeModel, Generic[L]):
    """The outcome, the levers, and what came before and after them."""

    outcome: Outcome
    levers: Annotated[list[L], Field(max_length=MAX_LEVERS)] = Field(
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
