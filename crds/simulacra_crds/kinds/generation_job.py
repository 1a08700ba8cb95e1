"""GenerationJob: one synthetic table, under conditions or interventions."""

from typing import ClassVar, Literal

from pydantic import Field

from simulacra_crds.kinds.base import PROGRESS, VERDICTS, PrinterColumn, WorkStatus
from simulacra_crds.kinds.model import ObjectRef
from simulacra_crds.kinds.result import Result, ResultSpec, result_columns
from simulacra_schema.base import VerdictKind, VerdictLevels, optional, ruled
from simulacra_schema.completion import CompletionFigures, GivenOptions
from simulacra_schema.questions.rows import Attainment, InterventionValue, RowsQuestion

ROWS_PER_SHARD = 500_000


_ROWS = ".*['rows','rowCount']"
"""status.rows, once they are known, else spec.rowCount: a union is in the order of its names."""
_PAIRS = "has(self.counterfactual) && self.counterfactual || !has(self.conditions) || "
_FACTUAL = "!has(self.counterfactual) || !self.counterfactual || "


_SELECTED = (
    "has(self.conditions) && ("
    + " || ".join(
        f"has(self.conditions.{kind}) && size(self.conditions.{kind}) > 0"
        for kind in ("categorical", "numeric", "quotas")
    )
    + ")"
)


class GivenRows(GivenOptions):
    """Rows whose gaps are to be filled, and how."""

    dataset_ref: ObjectRef | None = optional(
        "The Dataset with the rows, in the same namespace, with purpose Given or not; "
        "the Model's own when absent."
    )


class GenerationJobSpec(RowsQuestion[InterventionValue], ResultSpec):
    """The table to generate. All fields except retention and suspend are fixed at creation."""

    model_config = ruled(
        (
            f"{_FACTUAL}has(self.interventions) && size(self.interventions) > 0",
            "counterfactual needs interventions; set at least one",
        ),
        (
            f"{_FACTUAL}has(self.rowCount) && self.rowCount % 2 == 0",
            "counterfactual rows come in pairs: rowCount must be even",
        ),
        (
            "has(self.given) ? !has(self.rowCount) && !has(self.persons) : "
            "has(self.rowCount) || has(self.persons)",
            "give rowCount, persons or given",
        ),
        (
            "!has(self.given) || !(has(self.interventions) && size(self.interventions) > 0 || "
            f"{_SELECTED})",
            "give given rows or conditions and interventions, not both",
        ),
        *(
            (
                f"{_PAIRS}!has(self.interventions) || !has(self.conditions.{kind}) || "
                f"!self.interventions.exists(c, c in self.conditions.{kind})",
                f"a column is in interventions and in conditions.{kind}; set one of the two",
            )
            for kind in ("categorical", "numeric")
        ),
        (
            f"{_PAIRS}!has(self.interventions) || !has(self.conditions.quotas) || "
            "!self.conditions.quotas.exists(q, q.where.exists(c, c in self.interventions))",
            "a column is in interventions and in conditions.quotas; set one of the two",
        ),
    )

    model_ref: ObjectRef = Field(description="The Model that generates, in the same namespace.")
    given: GivenRows | None = optional(
        "Complete rows instead of generating some: fill in the gaps of a Dataset's "
        "rows. Not together with rowCount, persons, conditions or interventions."
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


class GenerationJobStatus(WorkStatus):
    """The state of a generation.

    Conditions: ModelReady, Generated, Ready (both); Failed, if the work failed for good.
    Phase Partial: the rows exist, but a condition was not met.
    """

    rows: int | None = optional("Number of rows generated.", ge=0)
    identified: bool | None = optional(
        "Deprecated: with interventions, whether the verdict is assumed."
    )
    verdict: VerdictKind | None = optional(
        "With interventions: what may be claimed of their effects."
    )
    worth: float | None = optional(
        "Respondents that the rows are worth, the sum of evidence_weight.", ge=0
    )
    verdicts: VerdictLevels | None = optional(
        "The verdicts on the rows when they were generated, in words: likeness and "
        "privacy of their model, worth their own."
    )
    attainment: Attainment | None = optional("How well the conditions were met.")
    given: CompletionFigures | None = optional(
        "Of completed rows: how many there are, gaps and worth."
    )


class GenerationJob(Result):
    """A request for synthetic rows."""

    PLURAL: ClassVar[str] = "generationjobs"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("gen",)
    PRINTER_COLUMNS = result_columns(
        PROGRESS,
        PrinterColumn(name="Rows", type="integer", json_path=_ROWS),
        PrinterColumn(name="Attainment", json_path=".status.attainment.status", priority=1),
        *VERDICTS,
    )

    kind: Literal["GenerationJob"] = "GenerationJob"
    spec: GenerationJobSpec
    status: GenerationJobStatus = Field(default_factory=GenerationJobStatus)
