"""The report of a fit: half-model against holdout, copying test, relations, worth, verdicts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

import pyarrow as pa

from simulacra_crds.tasks import FitRequest
from simulacra_intake.rows_of_persons import persons_in
from simulacra_schema.table import TableSchema
from simulacra_schema.verdicts import verdicts, verdicts_of_linked
from simulacra_schema.wave_summary import WaveSummary
from simulacra_trainer.evidence import persons_behind, respondents
from simulacra_trainer.linked.privacy import LinkedTuning
from simulacra_trainer.linked.quality import linked_figures, linked_report
from simulacra_trainer.pipeline.fit_context import FitContext
from simulacra_trainer.pipeline.half_model import HalfModel
from simulacra_trainer.pipeline.under_range import membership_under_range
from simulacra_trainer.relations.compute import without_computed
from simulacra_trainer.relations.plan import relations_report
from simulacra_trainer.report import build_report, figures
from simulacra_trainer.report.attackers.membership import PersonRows
from simulacra_trainer.report.attackers.own_values import OwnValues, figures_of_values, own_values
from simulacra_trainer.report.attackers.singling_out import singling_out
from simulacra_trainer.report.comparison.dependence import Trial
from simulacra_trainer.report.comparison.slices import slice_worth
from simulacra_trainer.report.left_out import figures_of_words, left_out
from simulacra_trainer.report.worth import design_report, figures_of, model_worth
from simulacra_trainer.trained_model import TrainedModel
from simulacra_trainer.waves.report import waves_report
from simulacra_trainer.waves.summary import PRIVATE, wave_summary


def with_report(
    trained: TrainedModel,
    real: pa.Table,
    half: HalfModel,
    tuning: LinkedTuning | None,
    request: FitRequest,
    context: FitContext,
    timings: Mapping[str, float],
) -> TrainedModel:
    """Return a model with its report, and the report's figures without names, for a status.

    real: the real rows, also with differential privacy; half: its rows are compared with the
    holdout.
    """
    schema = trained.schema
    trials = half.trials(schema)
    report = build_report(
        *trials[0],
        schema,
        graph_json=json.loads(trained.graph.to_json()),
        timings=timings,
        seed=request.seed,
        guarantee=request.privacy,
        name=context.name,
    )
    report["made"]["family"] = trained.family
    if report["privacy"] is not None:
        report["privacy"] |= half.copying
        own = _own_values(trained, trials, real, half, request.seed)
        report["privacy"]["membership"] = own.to_json()
    drawn = pa.concat_tables([rows for _, _, rows in trials]).combine_chunks()
    report["left_out"] = left_out(real, drawn, schema, report["read"], report["marginals"])
    report["singling_out"] = singling_out(real, schema)
    report["relations"] = relations_report(trained.model, schema, request.seed)
    report["linked"] = None
    if tuning is not None:
        report["linked"] = linked_report(tuning, respondents(real, schema), seed=request.seed)
    report["worth"] = report["design"] = None
    summary = WaveSummary(waves=[], reason=PRIVATE)
    if request.privacy is None:  # else it would tell about the table beyond the guarantee
        report["design"] = design_report(real, schema)
        report["worth"] = _worth(trials, real, schema, report, request.seed)
        known, seed, earlier = trained.graph.knowledge, request.seed, context.earlier
        moved = waves_report(real, schema, known, seed=seed, earlier=earlier)
        report |= {} if moved is None else {"waves": moved}
        strict = request.privacy_level == "strict"
        summary = wave_summary(real, schema, known, strict=strict, seed=seed, earlier=earlier)
    found = figures(report) | figures_of(report["worth"]) | dict(half.figures)
    found |= linked_figures(report["linked"]) | figures_of_words(report["left_out"])
    found |= figures_of_values((report["privacy"] or {}).get("membership"))
    found = {name: value for name, value in found.items() if isfinite(value)}  # JSON has no others
    if report["linked"] is not None:
        report["linked"]["verdicts"] = [one.model_dump() for one in verdicts_of_linked(found)]
    report["verdicts"] = [one.model_dump() for one in verdicts(found)]
    return replace(trained, figures=found, report=report, summary=summary)


def _own_values(
    trained: TrainedModel, trials: Sequence[Trial], real: pa.Table, half: HalfModel, seed: int
) -> OwnValues:
    """Return what own numbers and words tell of the people in the table."""
    schema, drawn = trained.schema, (half.rows, *half.others)
    lead, inside = membership_under_range(
        drawn, without_computed(schema), trained.graph, trained.family, seed
    )
    tested = [
        (
            PersonRows(seen, persons_in(seen, schema)),
            PersonRows(unseen, persons_in(unseen, schema)),
            rows,
        )
        for seen, unseen, rows in trials
    ]
    return own_values(tested, schema.learned(), persons_behind(real, schema), inside, lead)


def _worth(
    trials: Sequence[Trial],
    table: pa.Table,
    schema: TableSchema,
    report: Mapping[str, Any],
    seed: int,
) -> dict[str, Any]:
    """Return the part `worth` of the report, with its slices of the pictured columns."""
    found = model_worth(trials, table, schema, report["design"], seed=seed)
    if found["worth"] is None:
        return found
    of_all = {"rows": found["rows"], "ratio": found["ratio"]}
    return found | {
        "slices": slice_worth(found["worth"], report["marginals"], table, schema, **of_all)
    }
