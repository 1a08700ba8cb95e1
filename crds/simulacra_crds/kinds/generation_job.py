"""GenerationJob: one synthetic table, under conditions or interventions."""

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
    VERDICTS,
    ColumnName,
    KubeModel,
    Level,
    PrinterColumn,
    Resource,
    RetainedSpec,
    VerdictKind,
    VerdictLevels,
    WorkStatus,
    cel_rules,
    no_default,
)
from simulacra_crds.kinds.model import ObjectRef

MAX_ROWS = 10_000_000
MAX_PERSONS = 1_000_000
ROWS_PER_SHARD = 500_000
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


_NUMBERS = "self.value.number == self.baseline.number"
_LEVELS = "self.value.level == self.baseline.level"
SAME_VALUES = (
    "has(self.value.number) == has(self.baseline.number) && "
    f"(has(self.value.number) ? {_NUMBERS} : {_LEVELS})",
    "value and baseline are the same; compare two values",
)
"""CEL expression that value and baseline are equal, and the message of a rule against it."""
_PAIRS = "has(self.counterfactual) && self.counterfactual || !has(self.conditions) || "
_FACTUAL = "!has(self.counterfactual) || !self.counterfactual || "


class GenerationJobSpec(RetainedSpec):
    """The table to generate. All fields except retention and suspend are fixed at creation."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                f"{_FACTUAL}has(self.interventions) && size(self.interventions) > 0",
                "counterfactual needs interventions; set at least one",
            ),
            (
                f"{_FACTUAL}has(self.rowCount) && self.rowCount % 2 == 0",
                "counterfactual rows come in pairs: rowCount must be even",
            ),
            ("has(self.rowCount) || has(self.persons)", "give rowCount or persons"),
            *(
                (
                    f"{_PAIRS}!has(self.interventions) || !has(self.conditions.{kind}) || "
                    f"!self.interventions.exists(c, c in self.conditions.{kind})",
                    f"a column is in interventions and in conditions.{kind}; set one of the two",
                )
                for kind in ("categorical", "numeric")
            ),
        )
    )

    model_ref: ObjectRef = Field(description="The Model that generates, in the same namespace.")
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
    interventions: dict[ColumnName, InterventionValue] = Field(
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
    seed: int = Field(
        default=0, ge=0, le=2**31 - 1, description="Random seed, 0 to 2147483647; default 0."
    )
    shards: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="Pods that generate in parallel, each a range of rows; 1 to 1000, default 1.",
    )


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


class GenerationJobStatus(WorkStatus):
    """The state of a generation.

    Conditions: ModelReady, Generated, Ready (both); Failed, if the work failed for good.
    Phase Partial: the rows exist, but a condition was not met.
    """

    rows: int | None = Field(default=None, ge=0, description="Number of rows generated.")
    identified: bool | None = Field(
        default=None, description="Deprecated: with interventions, whether the verdict is assumed."
    )
    verdict: VerdictKind | None = Field(
        default=None, description="With interventions: what may be claimed of their effects."
    )
    worth: float | None = Field(
        default=None,
        ge=0,
        description="Respondents that the rows are worth, the sum of evidence_weight.",
    )
    verdicts: VerdictLevels | None = Field(
        default=None,
        description="The verdicts on the rows when they were generated, in words: likeness and "
        "privacy of their model, worth their own.",
    )
    attainment: Attainment | None = Field(
        default=None, description="How well the conditions were met."
    )


class GenerationJob(Resource):
    """A request for synthetic rows."""

    PLURAL: ClassVar[str] = "generationjobs"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("gen",)
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn(name="Model", json_path=".spec.modelRef.name"),
        PHASE,
        READY,
        PROGRESS,
        PrinterColumn(name="Rows", type="integer", json_path=".spec.rowCount"),
        PrinterColumn(name="Attainment", json_path=".status.attainment.status", priority=1),
        *VERDICTS,
        REASON,
        EXPIRES,
        AGE,
    )
    SELECTABLE_FIELDS: ClassVar[tuple[str, ...]] = (".spec.modelRef.name", ".status.phase")

    kind: Literal["GenerationJob"] = "GenerationJob"
    spec: GenerationJobSpec
    status: GenerationJobStatus = Field(default_factory=GenerationJobStatus)
