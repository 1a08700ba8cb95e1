"""The half-model of a fit, which tests privacy: by tuning, by its family, or with a guarantee."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from simulacra_crds.tasks import FitRequest
from simulacra_intake.rows_of_persons import persons_in
from simulacra_schema.table import TableSchema
from simulacra_trainer.families.base import Family, Options, Progress
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.pipeline.holdout import HalfModelRows, draw_rows, split_halves
from simulacra_trainer.pipeline.privacy_tuning import tune_privacy
from simulacra_trainer.pipeline.training_table import private_rows
from simulacra_trainer.relations.compute import with_computed
from simulacra_trainer.relations.differences import from_differences
from simulacra_trainer.report.comparison.dependence import Trial


@dataclass(frozen=True)
class HalfModel:
    """Results of a model of one half of the rows.

    Attributes:
        rows: its synthetic rows, and both halves.
        options: options for the fit on all rows.
        figures: figures for the status, besides those of the report.
        copying: figures of the copying test, for the privacy part of the report.
        others: rows of further half-models.
    """

    rows: HalfModelRows
    options: Options = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    copying: Mapping[str, Any] = field(default_factory=dict)
    others: Sequence[HalfModelRows] = ()

    def trials(self, schema: TableSchema) -> list[Trial]:
        """Return seen, unseen and synthetic rows of each half-model, with computed columns."""
        return [
            (
                from_differences(rows.halves.seen, schema),
                from_differences(rows.halves.unseen, schema),
                with_computed(from_differences(rows.synthetic, schema), schema),
            )
            for rows in (self.rows, *self.others)
        ]


def fit_half_model(
    family: Family,
    table: pa.Table,
    schema: TableSchema,
    order: Sequence[str],
    request: FitRequest,
    options: Options,
    progress: Progress,
) -> HalfModel:
    """Fit a model of one half of the real rows and draw from it.

    table: the real rows, also with differential privacy; schema: of the columns that are not
    computed.
    """
    if request.privacy is None and family.name == FOREST.name:
        return _tuned(table, schema, order, request, progress)
    halves = split_halves(table, seed=request.seed, persons=persons_in(table, schema))
    seen = halves.seen
    guarantee: dict[str, float] = {}
    if request.privacy is not None:  # the report compares what this model draws with real rows
        seen = private_rows(seen, schema, request.privacy)
        guarantee = {"epsilon": request.privacy.epsilon, "delta": request.privacy.delta}
    model = family.fit(seen, schema, order, seed=request.seed, options=options, progress=progress)
    drawn = draw_rows(model, halves, seed=request.seed, learned=seen)
    return HalfModel(drawn, figures=guarantee)


def _tuned(
    table: pa.Table,
    schema: TableSchema,
    order: Sequence[str],
    request: FitRequest,
    progress: Progress,
) -> HalfModel:
    """Choose the penalty and scale of the forest by privacy tuning."""
    strict = request.privacy_level == "strict"
    tuning = tune_privacy(table, schema, order, seed=request.seed, strict=strict, progress=progress)
    copying: dict[str, Any] = {"dcr_share": tuning.share, "dcr_standard_error": tuning.error}
    chosen = {"penalty_nats": tuning.penalty}
    if tuning.disclosure is not None:
        copying["attacks"] = tuning.disclosure.to_json()
        chosen["scale"] = tuning.scale
        copying["level"] = request.privacy_level
    return HalfModel(tuning.rows, tuning.options, chosen, copying, tuning.others)
