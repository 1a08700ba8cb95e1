"""Rows under conditions and interventions."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import ConfigDict, Field

from simulacra_schema.base import (
    ColumnName,
    KubeModel,
    Level,
    cel_rules,
    no_default,
)

V = TypeVar("V")
"""Form of a value: {number, level} in a spec, a number or a level elsewhere."""
MAX_ROWS = 10_000_000
MAX_PERSONS = 1_000_000
MAX_CONDITIONS = 32
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Shares = Annotated[dict[Level, Share], Field(min_length=1, max_length=200)]


class NumericRange(KubeModel):
    """A closed range; an absent end is open. min == max fixes the value."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            ("has(self.min) || has(self.max)", "give min, max or both"),
            (
                "!has(self.min) || !has(self.max) || self.min <= self.max",
                "min is above max, so no row can meet the range; exchange them",
            ),
        )
    )

    min: Finite | None = Field(default=None, description="Lower end, included; open when absent.")
    max: Finite | None = Field(default=None, description="Upper end, included; open when absent.")


class ConditionSet(KubeModel):
    """All conditions of a generation; they must hold together."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                "!has(self.categorical) || !has(self.numeric) || "
                "!self.categorical.exists(c, c in self.numeric)",
                "a column is in categorical and in numeric; set one of the two",
            )
        )
    )

    categorical: dict[ColumnName, Shares] = Field(
        default_factory=dict,
        max_length=MAX_CONDITIONS,
        description="Shares (0..1) of levels, by column; other levels keep their natural mix. "
        "Their sum may exceed 1 where persons give several answers: it is compared with the schema "
        "of the dataset before a Job is made.",
    )
    numeric: dict[ColumnName, NumericRange] = Field(
        default_factory=dict,
        max_length=MAX_CONDITIONS,
        description="A closed range for every row, by column; min equal to max fixes the value.",
    )

    def columns(self) -> list[str]:
        """Return the conditioned columns, categorical ones first."""
        return [*self.categorical, *(c for c in self.numeric if c not in self.categorical)]


class InterventionValue(KubeModel):
    """A value for do(): a number for numeric columns, a level for others."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            ("has(self.number) != has(self.level)", "give either number or level")
        )
    )

    number: Finite | None = Field(
        default=None, description="The value of a numeric column. Or level."
    )
    level: Level | None = Field(default=None, description="The level of another column. Or number.")

    @property
    def value(self) -> float | str:
        """The number or level that is set."""
        return self.number if self.number is not None else (self.level or "")


class RowsQuestion(KubeModel, Generic[V]):
    """The rows to generate, under conditions and interventions."""

    row_count: int | None = Field(
        default=None,
        ge=1,
        le=MAX_ROWS,
        description="Number of rows, 1 to 10 million; the Tenant may allow fewer. With persons, "
        "the rows that are expected.",
    )
    persons: int | None = Field(
        default=None,
        ge=1,
        le=MAX_PERSONS,
        description="Number of synthetic persons, each with its rows, 1 to 1 million, instead of "
        "rowCount; the table needs a subject. Conditions and interventions name columns that are "
        "constant within persons.",
    )
    conditions: ConditionSet = Field(
        default_factory=ConditionSet,
        description="Conditions on the rows: shares of levels, ranges of numbers.",
    )
    interventions: dict[ColumnName, V] = Field(
        default_factory=dict,
        max_length=32,
        description="do(column = value) by column: fixes the column and recomputes the columns "
        "that it affects. At most 32.",
    )
    counterfactual: bool = Field(
        default=False,
        description="Generate pairs: each row and its twin under the interventions. Conditions "
        "select the rows before the interventions. false when absent.",
        json_schema_extra=no_default,
    )
    evidence: bool = Field(
        default=True,
        description="Add the column evidence_weight, last: what each row is worth in respondents; "
        "true when absent.",
        json_schema_extra=no_default,
    )


_NUMBERS = "self.value.number == self.baseline.number"
_LEVELS = "self.value.level == self.baseline.level"
SAME_VALUES = (
    "has(self.value.number) == has(self.baseline.number) && "
    f"(has(self.value.number) ? {_NUMBERS} : {_LEVELS})",
    "value and baseline are the same; compare two values",
)
"""CEL expression that value and baseline are equal, and the message of a rule against it."""


class Attainment(KubeModel):
    """How well the conditions were met, in figures without names."""

    status: Literal["exact", "partial"] = Field(
        description="exact: every share and range is met to the row."
    )
    asked: int = Field(ge=0, description="Number of requested shares and ranges.")
    met: int = Field(ge=0, description="Number of shares and ranges met to the row.")
    max_abs_error: float = Field(default=0.0, ge=0, description="Largest error of a share, 0..1.")
    effective_sample_size: float | None = Field(
        default=None,
        ge=0,
        description="Estimate of the effective number of real rows (Kish) behind the conditions, "
        "from the learned distribution, to two digits.",
    )
    kl_nats: float | None = Field(
        default=None,
        ge=0,
        description="KL divergence of the conditioned from the learned distribution, in nats.",
    )
