"""The tasks that answer questions with a fitted model: estimate, boost and sheet.

A pod runs one of them and imports what it needs; that of all takes half a CPU second more.
"""

from simulacra_crds.tasks import (
    ESTIMATE,
    REQUEST,
    SEGMENTS,
    SHEET,
    SHEET_PAGE,
    SHEET_WORKBOOK,
    BoostRequest,
    EstimateRequest,
    ProgressReport,
    SheetRequest,
    TaskResult,
)
from simulacra_trainer.tasks.context import TaskContext


def estimate(context: TaskContext) -> TaskResult:
    """Estimate an effect and store it."""
    from simulacra_trainer.effects.estimate import answer_effect

    request = context.own.load(REQUEST, EstimateRequest)
    trained = context.load_model()
    result = answer_effect(trained.table, trained.schema, trained.graph, request, seed=0)
    stored = context.own.store(ESTIMATE, result.to_json().encode())
    return TaskResult(
        outcome="Succeeded", reason="Estimated", artefacts=[stored], estimate=result.summary
    )


def boost(context: TaskContext) -> TaskResult:
    """Certify the shares of segments and store them."""
    from simulacra_trainer.segments.estimate import certify_segments

    request = context.own.load(REQUEST, BoostRequest)
    result = certify_segments(context.load_model(), request)
    stored = context.own.store_model(SEGMENTS, result)
    return TaskResult(
        outcome="Succeeded", reason="Estimated", artefacts=[stored], segments=result.summary
    )


def sheet(context: TaskContext) -> TaskResult:
    """Compare all levers of an outcome; store the answer sheet, its page and its workbook."""
    from simulacra_trainer.sheet.estimate import answer_sheet
    from simulacra_trainer.sheet.page import render_sheet
    from simulacra_trainer.sheet.workbook import write_workbook

    own = context.own
    request = own.load(REQUEST, SheetRequest)
    context.report_progress(ProgressReport(percent=0, step="loading"))
    trained = context.load_model()
    result = answer_sheet(trained, request, seed=0, sink=context.report_progress)
    stored = [
        own.store(SHEET, result.model_dump_json(by_alias=True).encode()),
        own.store(SHEET_PAGE, render_sheet(result).encode()),
        own.store(SHEET_WORKBOOK, write_workbook(result)),
    ]
    return TaskResult(
        outcome="Succeeded", reason="Estimated", artefacts=stored, sheet=result.summary
    )
